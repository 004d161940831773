//! Why something could not be done on a machine.

use std::io;
use std::path::{Path, PathBuf};

use tessera_tenant::plan::Refused;

use crate::fault::Fault;
use crate::lock::Held;
use crate::places::PlacesError;
use crate::systemctl::SystemctlError;

/// Why something could not be done on a machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A folder that cannot be used.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// A file or folder that cannot be read or changed.
    #[error("{} cannot be {what}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// systemd cannot be asked, or refuses.
    #[error(transparent)]
    Systemctl(#[from] SystemctlError),
    /// Somebody else changes units.
    #[error(transparent)]
    Held(#[from] Held),
    /// Something is in the way.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else was there between look and change. What is there is left.
    #[error("{} is not what it was when it was looked at, and is left: run this again", .0.display())]
    Changed(PathBuf),
    /// A service that is to go was started between look and change. Its timers are off, and all else
    /// is left.
    #[error("{0} runs by now, and is left: run this again when it has ended")]
    HasBegun(String),
    /// Units that would not work. Nothing was changed.
    #[error("refused: {} wrong with the units; nothing was changed", .0.len())]
    Faulty(Vec<Fault>),
    /// All was done, and yet systemd does not have these units as they should be.
    #[error("systemd does not have it as it was installed: {}: see `systemctl --user status` and `tesseractl tenant doctor`", .0.join(", "))]
    NotThere(
        /// Each unit, with what is wrong with it.
        Vec<String>,
    ),
}

/// An error with a file.
pub(crate) fn file(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> MachineError + use<> {
    let path = path.to_owned();
    move |source| MachineError::File { what, path, source }
}
