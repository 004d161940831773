//! The reading side: a connection and a thread of its own, so that history and
//! old commits are read while commits are made.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tessera_types::{Committed, ResourceKey, Revision};
use tokio::sync::oneshot;

use crate::contract::{AuditEntry, BoxFuture, HistoryPage};
use crate::engine::backend::{Fault, Reader};
use crate::error::OpenError;
use crate::sqlite::fault::explain;
use crate::sqlite::{file, log, rows};

/// Commits in one page of the log.
const PAGE_COMMITS: usize = 256;

/// A question, answered on the reader's thread.
type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The reading side of a store in a file. Clones share the thread.
#[derive(Clone)]
pub(super) struct SqliteReader {
    path: Arc<PathBuf>,
    /// None once it is stopped; the thread ends when all senders are gone.
    questions: Arc<Mutex<Option<mpsc::Sender<Question>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl SqliteReader {
    /// Starts reading from the database at `path`, which the writer has open.
    pub(super) fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = connect(path).map_err(|error| explain(path, error.into()))?;
        let (sender, questions) = mpsc::channel::<Question>();
        let thread = std::thread::Builder::new()
            .name("store-reader".to_owned())
            .spawn(move || questions.iter().for_each(|question| question(&connection)))
            .map_err(|source| OpenError::Io {
                path: path.to_owned(),
                action: "start the reader of",
                source,
            })?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            questions: Arc::new(Mutex::new(Some(sender))),
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Ends the thread, when it has answered what it was asked, and closes its
    /// connection.
    pub(super) fn stop(&self) {
        self.questions.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // It has nothing to hand over, not even a panic's message: that was
            // printed when it happened.
            let _ = thread.join();
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Fault>> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            let _ = answer.send(question(connection));
        });
        if let Some(questions) = &*self.questions.lock() {
            // If the thread is gone, so is `answer`, which is noticed below.
            let _ = questions.send(question);
        }
        Box::pin(async move { answered.await.unwrap_or(Err(Fault::Closed)) })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA cache_size = -1024;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

impl Reader for SqliteReader {
    fn log(&self, after: Revision) -> BoxFuture<'static, Result<Vec<Arc<Committed>>, Fault>> {
        self.ask(move |connection| {
            // One transaction, so that the entries and the declared parts that
            // they refer to are of the same moment.
            let transaction = connection.unchecked_transaction()?;
            let page = log::page(&transaction, after, PAGE_COMMITS)?;
            Ok(page.iter().map(|(entry, _)| Arc::new(entry.committed())).collect())
        })
    }

    fn history(
        &self,
        key: Option<ResourceKey>,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Fault>> {
        self.ask(move |connection| rows::history(connection, key.as_ref(), page))
    }

    fn disk_bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&file::beside(&self.path, "-wal"))
    }
}
