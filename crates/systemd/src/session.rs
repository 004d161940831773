//! What is there for as long as the user is logged in: locks, and the folder in which units are tried.
//!
//! The one idea: it lies in the folder of the session, so nothing of it is left on the disk. That
//! folder is made by whoever starts the user's manager; where it is missing there is no manager.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{MachineError, file};
use crate::lock::{self, Lock};
use crate::places::Places;
use crate::systemctl::SystemctlError;

impl Places {
    /// Tessera's own folder in that of the session.
    pub(crate) fn session(&self) -> Result<PathBuf, MachineError> {
        let folder = self.runtime.join("tessera");
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let said = format!("there is no {}", self.runtime.display());
                Err(SystemctlError::NoManager(said).into())
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(file("created", &folder)(error))
            }
            _ => Ok(folder),
        }
    }

    /// What runs of a service leave in the session: the lock of those who start it, and what podman
    /// notes of its container.
    pub(crate) fn left_by_runs(&self, service: &str) -> [PathBuf; 2] {
        let name = service.strip_suffix(".service").unwrap_or(service);
        let lock = self.runtime.join("tessera/run-now").join(service);
        [lock, self.runtime.join(format!("{name}.cid"))]
    }
}

/// A folder that one trial has for itself, and that goes with it.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    _no_other_trial: Lock,
}

impl Staging {
    /// An empty one. What a trial that was killed has left goes.
    pub(crate) fn new(places: &Places, patience: Duration) -> Result<Self, MachineError> {
        let session = places.session()?;
        let lock = lock::take(&session.join("trial.lock"), "tried", patience)?;
        let folder = session.join("trial");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file("removed", &folder)(error));
            }
            _ => {}
        }
        fs::create_dir(&folder).map_err(file("created", &folder))?;
        Ok(Self { folder, _no_other_trial: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _the_next_one_does = fs::remove_dir_all(&self.folder);
    }
}
