//! A connection and a thread of its own to read with, so that nobody who reads
//! waits for who writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::contract::BoxFuture;
use crate::engine::backend::Fault;
use crate::error::OpenError;
use crate::sqlite::fault::explain;
use crate::sqlite::{connection, file};

/// A question, answered on the thread.
type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The thread that answers questions. Clones share it.
#[derive(Clone)]
pub(crate) struct Questions {
    path: Arc<PathBuf>,
    /// None once it is stopped; the thread ends when all senders are gone.
    questions: Arc<Mutex<Option<mpsc::Sender<Question>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Questions {
    /// Starts reading from the database at `path`, which the writer has open.
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = connection::to_read(path).map_err(|error| explain(path, error.into()))?;
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
    pub(crate) fn stop(&self) {
        self.questions.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // It has nothing to hand over, not even a panic's message: that was
            // printed when it happened.
            let _ = thread.join();
        }
    }

    /// Asks `question`.
    pub(crate) fn ask<T: Send + 'static>(
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

    /// Bytes on disk, with the write-ahead log.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&file::beside(&self.path, "-wal"))
    }
}
