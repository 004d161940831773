//! Proves that the program of a tenant keeps the contract of docs/reference/lifecycle.md, by running
//! it as whoever operates it would.
//!
//! The one idea: the program is a box that nobody looks into. Each check gives it an [`area`] of its
//! own (a home, a folder for temporary files, an empty telemetry hub), calls it, and compares what
//! it says with what it did: its exit code with its record, its dry-run with the files around it.
//!
//! The cases of `sdk/conformance` are the other half: they tell a program of an SDK what to do, which
//! no tenant can be told, and so can try crashes, full disks and every line of the hub.

pub mod area;
mod checks;
mod container;
mod snapshot;
mod start;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tessera_tenant::manifest::Service;
use tessera_types::Name;

/// What is checked: one service of a tenant.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The tenant.
    pub tenant: Name,
    /// Its version.
    pub version: String,
    /// The service. With an image it is run in a container, else as a process.
    pub service: Service,
    /// How podman is called, for a service with an image: the program and its first arguments.
    pub podman: Vec<String>,
    /// The manifest. Absolute.
    pub manifest: PathBuf,
    /// The folder that the program starts in: that of the manifest. Absolute.
    pub folder: PathBuf,
}

/// How it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long one call may take.
    pub patience: Duration,
    /// Whether the work is also done in earnest, by `run` and `migrate`.
    pub in_earnest: bool,
    /// Is set when the program is to be ended where it is, and no more of it be checked.
    pub interrupted: Option<&'static AtomicBool>,
}

impl Options {
    /// Fails once it was interrupted.
    pub(crate) fn go_on(self) -> io::Result<()> {
        match self.interrupted.is_some_and(|interrupted| interrupted.load(Ordering::Relaxed)) {
            true => Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted")),
            false => Ok(()),
        }
    }
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which check, for programs.
    pub check: &'static str,
    /// What must be so.
    pub what: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// It is so.
    Ok,
    /// It is not.
    Failed {
        /// What was seen.
        seen: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// It could not be told.
    Skipped {
        /// Why.
        why: String,
    },
}

impl Verdict {
    pub(crate) fn failed(seen: impl Into<String>, remedy: &'static str) -> Self {
        Self::Failed { seen: seen.into(), remedy }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped { why: why.into() }
    }

    /// Whether the program breaks the contract.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Checks a program, and gives each check to `tell` as soon as it is over. Of one that cannot be
/// started the first says why, and the others are skipped.
///
/// # Errors
/// If the area of a check cannot be made or looked at, or it was interrupted. Of its folders,
/// processes and containers nothing is left in either case.
pub fn conform(
    subject: &Subject,
    options: Options,
    mut tell: impl FnMut(&Check),
) -> io::Result<Vec<Check>> {
    let mut told = Vec::new();
    let mut take = |(checks::Named { check, what }, verdict)| {
        let check = Check { check, what, verdict };
        tell(&check);
        told.push(check);
    };
    match start::hindrance(subject, options)? {
        Some(hindrance) => checks::not_made(options, hindrance).for_each(take),
        None => {
            for prove in checks::ALL {
                prove(subject, options)?.into_iter().for_each(&mut take);
            }
        }
    }
    Ok(told)
}
