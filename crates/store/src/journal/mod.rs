//! Journals of runs: what has happened to each job, in order, in one file.
//!
//! The one idea: whoever drives a job hands over all that one moment changes (an
//! entry of its journal, its state, an event to be sent) as one list of
//! [`Change`]s, and goes on when that is durable. Lists of many jobs that wait at
//! the same time share one write to the disk.
//!
//! What a body means is its writer's business; here it is text. Row by row:
//!
//! | table | row | written |
//! |---|---|---|
//! | `job` | what was submitted, with its idempotency key | once |
//! | `state` | how the job stands: small, read at every start | often |
//! | `outcome` | what came of it: may be large | at the end |
//! | `entry` | one thing that happened to a job | once, at the end of the table |
//! | `event` | one event to be sent, and how that stands | once; its standing often |
//! | `text` | a text that many jobs share, by its hash | once |
//! | `forgotten` | a job whose entries and events are still to be removed | by retention |
//!
//! Entries are appended, and found by an index over job and number: the jobs that
//! run at the same time began at about the same time, so a batch touches few pages.

mod change;
mod loaded;
mod reads;
mod schema;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use change::{Change, JobNumber, JournalError, NewJob, Standing};
pub use loaded::{Loaded, LoadedJob, OpenEvent};
pub use reads::{StoredEvent, StoredJob};
pub use writer::Forgotten;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tessera_types::Timestamp;
use tokio::sync::{Semaphore, oneshot};

use crate::error::OpenError;
use crate::sqlite::connection;
use crate::sqlite::fault::explain;
use crate::sqlite::file::{self, Lock};
use crate::sqlite::questions::Questions;
use crate::stats::{Histogram, Latency};
use writer::{Message, Request, Writer};

/// Changes of one commit, at most.
pub const CHANGES_MAX: usize = 10_000;

/// Commits that wait for the writer, at most; further ones wait for a place.
const QUEUE_MAX: usize = 8192;

/// How a journal is kept.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The size of the file, at most; none for as much as the disk has.
    pub file_bytes_max: Option<u64>,
}

/// Figures about a journal, since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits made.
    pub commits: u64,
    /// Entries in them.
    pub entries: u64,
    /// Commits that were refused or failed.
    pub failures: u64,
    /// Groups of commits that shared one write to the disk.
    pub batches: u64,
    /// Bytes on disk, with the write-ahead log.
    pub disk_bytes: u64,
    /// From the request to the answer of a commit.
    pub commit_latency: Latency,
}

/// The counters behind [`Stats`].
#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    entries: AtomicU64,
    failures: AtomicU64,
    batches: AtomicU64,
    commit_latency: Histogram,
}

/// The journals in one file. Cheap to clone; when the last clone is dropped the
/// file is closed, which [`Journal::close`] can be asked for to wait for.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<Message>,
    places: Arc<Semaphore>,
    questions: Questions,
    counters: Arc<Counters>,
}

/// Opens the journals in the file at `path`, which is made if there is none; its
/// folder must exist. Blocks until what they begin with is loaded.
///
/// Beside it there are `<path>.lock`, which is held while it is open, and SQLite's
/// `-wal` and `-shm`. Nobody but the owner may read the files.
///
/// # Errors
/// [`OpenError`], in which case nothing in the file was changed.
pub fn open(path: &Path, options: &Options) -> Result<(Journal, Loaded), OpenError> {
    let lock = Lock::take(path)?;
    file::prepare(path, &schema::FORMAT)?;
    let (connection, wal) = connection::to_write(path, options.file_bytes_max)
        .map_err(|error| explain(path, error.into()))?;
    connection.set_prepared_statement_cache_capacity(64);
    let loaded = loaded::load(&connection).map_err(|fault| explain(path, fault))?;
    let questions = Questions::start(path)?;
    let counters = Arc::new(Counters::default());
    let writer = Writer::new(connection, wal, questions.clone(), Arc::clone(&counters), lock)
        .map_err(|fault| explain(path, fault))?;
    let (queue, requests) = mpsc::channel();
    std::thread::Builder::new()
        .name("journal-writer".to_owned())
        .spawn(move || writer.run(&requests))
        .map_err(|source| OpenError::Io {
            path: path.to_owned(),
            action: "start the writer of",
            source,
        })?;
    let places = Arc::new(Semaphore::new(QUEUE_MAX));
    Ok((Journal { queue, places, questions, counters }, loaded))
}

impl Journal {
    /// Makes all of `changes`, or none of them; they are durable when this returns.
    /// Commits of one caller that waits for each are made in their order.
    ///
    /// # Errors
    /// [`JournalError`]. After [`JournalError::Failed`] and [`JournalError::Closed`]
    /// it is not known whether they were made; after the others they were not.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        if changes.len() > CHANGES_MAX {
            return Err(JournalError::TooManyChanges(changes.len()));
        }
        let begun_at = Instant::now();
        let _place = self.places.acquire().await.map_err(|_| JournalError::Closed)?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Commit(Request { changes, answer }))?;
        let result = answered.await.unwrap_or(Err(JournalError::Closed));
        self.counters.commit_latency.record(begun_at.elapsed());
        result
    }

    /// Removes jobs that ended before `ended_before` and have no event that is still to
    /// be sent, at most `jobs_max`. They are gone when this returns; what is left of
    /// them on the disk goes in small steps after that.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was removed then.
    pub async fn forget(
        &self,
        ended_before: Timestamp,
        jobs_max: usize,
    ) -> Result<Forgotten, JournalError> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Forget { ended_before, jobs_max, answer })?;
        answered.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Closes the file, when all that waits is written.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.send(Message::Close(answer)).is_ok() {
            // The writer answers, or has ended for another reason.
            let _ = closed.await;
        }
    }

    /// Returns when the writer has ended, by whatever.
    pub async fn ended(&self) {
        let (answer, ended) = oneshot::channel::<()>();
        if self.send(Message::WhenEnded(answer)).is_ok() {
            let _ = ended.await;
        }
    }

    /// Figures about it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &*self.counters;
        Stats {
            commits: read(&counters.commits),
            entries: read(&counters.entries),
            failures: read(&counters.failures),
            batches: read(&counters.batches),
            disk_bytes: self.questions.disk_bytes(),
            commit_latency: counters.commit_latency.read(),
        }
    }

    fn send(&self, message: Message) -> Result<(), JournalError> {
        self.queue.send(message).map_err(|_| JournalError::Closed)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
