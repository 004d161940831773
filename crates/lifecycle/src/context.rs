//! What a run is told, and what it may tell.

use std::ffi::OsString;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use tessera_types::Name;

use crate::manifest::Manifest;

/// What a run or a migration is given.
#[derive(Debug)]
pub struct Context {
    pub(crate) manifest: Manifest,
    pub(crate) service: Option<Name>,
    pub(crate) is_dry: bool,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) rows: Mutex<Option<u64>>,
}

impl Context {
    /// Whether nothing may be written. `TESSERA_DRY_RUN=1` says the same to programs that the run
    /// starts.
    pub fn is_dry_run(&self) -> bool {
        self.is_dry
    }

    /// The tenant's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The suffix of the service that runs; nothing for the primary.
    pub fn service(&self) -> Option<&str> {
        self.service.as_ref().map(Name::as_str)
    }

    /// What stands behind the verb on the command line.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Tells how many rows the run has written so far; the last word counts.
    pub fn rows(&self, rows: u64) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }

    /// Writes a line to standard error, which the service manager keeps.
    pub fn log(&self, text: &str) {
        say(&self.manifest.name, text);
    }

    pub(crate) fn rows_told(&self) -> Option<u64> {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells people something about a tenant. That nobody can hear it changes nothing.
pub(crate) fn say(name: &Name, text: &str) {
    let _ = writeln!(std::io::stderr(), "{name}: {text}");
}
