//! SQLite's errors in the store's words.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::engine::backend::Fault;
use crate::error::OpenError;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        // Growing the shared memory file is the first thing that fails on a
        // full disk, and the engine calls it an I/O error.
        if error.sqlite_extended_error_code() == Some(SQLITE_IOERR_SHMSIZE) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What a text in the database that cannot be read means.
pub(crate) fn damaged(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Fault {
    Fault::Damaged(format!("{what} cannot be read: {error}"))
}

/// A fault while the database at `path` is opened.
pub(crate) fn explain(path: &Path, fault: Fault) -> OpenError {
    let path = path.to_owned();
    match fault {
        Fault::Damaged(what) => OpenError::Damaged { path, what },
        other => OpenError::Failed { path, message: other.to_string() },
    }
}
