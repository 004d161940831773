//! Tests of the backends: the suite, random play against a model, crashes, and
//! files that are not as they should be.

mod crash;
mod files;
mod full;
mod model;
mod retention;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::contract::{BoxFuture, Observer, Store};
use crate::options::Options;
use crate::{EmbeddedStore, MemoryDisk, conformance, no_observer, sqlite};

/// Bounds so small that a few commits reach everything.
fn tight() -> Options {
    Options {
        ring_commits_max: 8,
        checkpoint_commits: 10,
        log_commits_min: 1000,
        ..Options::default()
    }
}

/// A store in a file of its own.
struct FileSubject {
    folder: TempDir,
    options: Options,
}

impl FileSubject {
    fn new(options: Options) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), options }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }
}

impl conformance::Subject for FileSubject {
    fn open(&self, observer: Observer) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = sqlite::open(&self.path(), self.options.clone(), observer).unwrap();
        Box::pin(std::future::ready(Arc::new(store) as Arc<dyn Store>))
    }
}

/// A store on a disk in memory, which is closed or crashes.
struct MemorySubject {
    disk: MemoryDisk,
    crashes: bool,
}

impl conformance::Subject for MemorySubject {
    fn open(&self, observer: Observer) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = self.disk.open(tight(), observer);
        Box::pin(std::future::ready(Arc::new(store) as Arc<dyn Store>))
    }

    fn stop(&self, store: Arc<dyn Store>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if !self.crashes {
                store.close().await;
            }
        })
    }
}

fn open(path: &Path) -> EmbeddedStore {
    sqlite::open(path, tight(), no_observer()).unwrap()
}

/// Runs a test's future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
