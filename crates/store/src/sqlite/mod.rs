//! The backend that keeps the store in one SQLite file.
//!
//! The one idea: a commit only appends. Its entry goes to the end of
//! `commit_log`, and each declared part that it changes to `declared`, which has
//! a row per version and is never updated. Row by row the tables are:
//!
//! | table | row | written |
//! |---|---|---|
//! | `commit_log` | a commit: what it did, without declared parts | with the commit |
//! | `declared` | a version of a resource's declared part, by id and revision | with the commit |
//! | `object` | a resource: its state, and which version it declares | by the checkpoint |
//! | `transition` | an entry of the history | by the checkpoint |
//! | `idempotency` | a key that was used | by the checkpoint |
//! | `meta` | a number | by the checkpoint |
//!
//! So what changes often is narrow, what is large is written once, and a reader
//! of an old commit finds the declared part as it was then. A version is dropped
//! together with the log entry that superseded it: nothing older is left then.
//!
//! Bodies are JSON text. It costs about twice the bytes and the time of a binary
//! form, some microseconds per commit where the disk takes hundreds, and in
//! return fields can come and go, and `sqlite3` shows and queries everything.

mod backend;
pub(crate) mod codec;
pub(crate) mod connection;
pub(crate) mod fault;
pub(crate) mod file;
mod history;
mod load;
mod log;
pub(crate) mod questions;
mod reader;
mod rows;
mod schema;
mod text;

#[cfg(test)]
pub(crate) use rows::HISTORY_OF_ONE;

use std::path::Path;
use std::sync::{Arc, mpsc};

use crate::contract::Observer;
use crate::embedded::EmbeddedStore;
use crate::engine::Engine;
use crate::error::OpenError;
use crate::options::Options;
use crate::sqlite::backend::SqliteBackend;
use crate::sqlite::fault::explain;
use crate::writer;

/// Opens the store in the file at `path`, which is made if there is none; its
/// folder must exist. Blocks until everything is loaded.
///
/// Beside it there are `<path>.lock`, which is held while the store is open, and
/// SQLite's `-wal` and `-shm`. Nobody but the owner may read the files, since a
/// workload's environment can hold secrets.
///
/// # Errors
/// [`OpenError`], in which case nothing in the file was changed.
pub fn open(path: &Path, options: Options, observer: Observer) -> Result<EmbeddedStore, OpenError> {
    let (backend, reader) = SqliteBackend::open(path, &options)?;
    let engine = Engine::recover(backend, Box::new(reader), options, observer)
        .map_err(|fault| explain(path, fault))?;
    let shared = Arc::clone(engine.shared());
    let (queue, requests) = mpsc::channel();
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer::run(engine, requests))
        .map_err(|source| OpenError::Io {
            path: path.to_owned(),
            action: "start the writer of",
            source,
        })?;
    Ok(EmbeddedStore::queued(shared, queue))
}
