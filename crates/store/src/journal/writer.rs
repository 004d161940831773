//! The writer's thread: batches as they come, and one chore between two.
//!
//! The one idea: all commits of a batch go into one transaction. Where one of them
//! is refused, the transaction is undone and each is tried alone, so that the
//! others do not suffer; that is rare, since a refusal is a used key or a mistake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use rusqlite::{Connection, params};
use tessera_types::Timestamp;
use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use crate::engine::backend::Fault;
use crate::journal::Counters;
use crate::journal::change::{Change, JobNumber, JournalError, Standing};
use crate::journal::tables::{self, Obstacle, number};
use crate::sqlite::connection::{self, WriteAheadLog};
use crate::sqlite::file::Lock;
use crate::sqlite::questions::Questions;
use crate::stats::add;

/// Changes of one batch, about.
const BATCH_CHANGES: usize = 8192;

/// Rows that one chore removes.
const CHORE_ROWS: i64 = 1000;

type Answer<T> = oneshot::Sender<Result<T, JournalError>>;

/// Changes that wait for the writer, and who waits for them.
pub(super) struct Request {
    pub(super) changes: Vec<Change>,
    pub(super) answer: Answer<()>,
}

/// What the writer is asked.
pub(super) enum Message {
    Commit(Request),
    Forget { ended_before: Timestamp, jobs_max: usize, answer: Answer<Forgotten> },
    WhenEnded(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// Jobs that were removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Their numbers.
    pub jobs: Vec<JobNumber>,
}

/// The one that writes.
pub(super) struct Writer {
    connection: Connection,
    wal: WriteAheadLog,
    questions: Questions,
    counters: Arc<Counters>,
    /// Jobs of which rows are left.
    forgotten: VecDeque<JobNumber>,
    /// Who wants to know when the writer ends: they do when these are dropped.
    attending: Vec<oneshot::Sender<()>>,
    /// Released last, when the connections are closed.
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        wal: WriteAheadLog,
        questions: Questions,
        counters: Arc<Counters>,
        lock: Lock,
    ) -> Result<Self, Fault> {
        let forgotten = connection
            .prepare("SELECT job FROM forgotten ORDER BY job")?
            .query_map([], |row| Ok(JobNumber(row.get::<_, i64>(0)?.cast_unsigned())))?
            .collect::<Result<_, _>>()?;
        let attending = Vec::new();
        Ok(Self { connection, wal, questions, counters, forgotten, attending, _lock: lock })
    }

    /// Serves the queue until it is told to close or nobody is left to tell it.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        let mut held = None;
        let closer = loop {
            let Some(message) = held.take().or_else(|| self.next(queue)) else { break None };
            match message {
                Message::Commit(first) => {
                    let batch = gather(first, queue, &mut held);
                    self.commit(batch);
                }
                Message::Forget { ended_before, jobs_max, answer } => {
                    let _ = answer.send(self.forget(ended_before, jobs_max));
                }
                Message::WhenEnded(answer) => self.attending.push(answer),
                Message::Close(answer) => break Some(answer),
            }
            self.tidy();
        };
        self.questions.stop();
        self.wal.close(&self.connection);
        // Dropping the writer releases the file, which the closer waits for.
        drop(self);
        if let Some(closer) = closer {
            let _ = closer.send(());
        }
    }

    /// The next message; until there is one, chores. None when nobody is left.
    fn next(&mut self, queue: &Receiver<Message>) -> Option<Message> {
        while !self.forgotten.is_empty() {
            match queue.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.remove_some(),
            }
        }
        queue.recv().ok()
    }

    fn commit(&mut self, batch: Vec<Request>) {
        let all = || batch.iter().map(|request| &request.changes);
        match self.transaction(all()) {
            Ok(()) => self.answer(batch, &Ok(())),
            Err(Obstacle::Refused(refusal)) if batch.len() == 1 => {
                self.answer(batch, &Err(refusal));
            }
            // Somebody's changes cannot be made: whose, shows when each is alone.
            Err(Obstacle::Refused(_)) => {
                batch.into_iter().for_each(|request| self.commit(vec![request]));
            }
            Err(Obstacle::Fault(fault)) => {
                error!(target: "tessera::store", %fault, commits = batch.len(), "the journal cannot be written");
                self.answer(batch, &Err(fault.into()));
            }
        }
    }

    fn transaction<'a>(&self, all: impl Iterator<Item = &'a Vec<Change>>) -> Result<(), Obstacle> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut result = Ok(());
        for changes in all {
            result = tables::apply(&self.connection, changes);
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| Ok(self.connection.execute_batch("COMMIT")?));
        // Some failures end the transaction by themselves.
        if result.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        result
    }

    fn answer(&self, batch: Vec<Request>, result: &Result<(), JournalError>) {
        let counters = &*self.counters;
        let counter = if result.is_ok() { &counters.commits } else { &counters.failures };
        add(counter, batch.len() as u64);
        add(&counters.batches, 1);
        if let Err(error) = result {
            debug!(target: "tessera::store", %error, "a commit to the journal was not made");
        }
        for request in batch {
            if result.is_ok() {
                let is_entry = |change: &&Change| matches!(change, Change::Append { .. });
                add(&counters.entries, request.changes.iter().filter(is_entry).count() as u64);
            }
            // Whoever no longer waits does not need the answer.
            let _ = request.answer.send(result.clone());
        }
    }

    /// Takes jobs out of everybody's sight, in one transaction.
    fn forget(
        &mut self,
        ended_before: Timestamp,
        jobs_max: usize,
    ) -> Result<Forgotten, JournalError> {
        let jobs = connection::relaxed(&self.connection, |connection| {
            let jobs: Vec<JobNumber> = connection
                .prepare_cached(
                    "SELECT job FROM state WHERE ended_at < ?1 AND NOT EXISTS
                     (SELECT 1 FROM event WHERE event.job = state.job AND standing = ?2)
                     ORDER BY ended_at LIMIT ?3",
                )?
                .query_map(
                    params![ended_before.as_micros(), Standing::Pending.code(), jobs_max as i64],
                    |row| Ok(JobNumber(row.get::<_, i64>(0)?.cast_unsigned())),
                )?
                .collect::<Result<_, _>>()?;
            for job in &jobs {
                for statement in [
                    "INSERT INTO forgotten (job) VALUES (?)",
                    "DELETE FROM job WHERE number = ?",
                    "DELETE FROM state WHERE job = ?",
                    "DELETE FROM outcome WHERE job = ?",
                ] {
                    connection.prepare_cached(statement)?.execute([number(*job)])?;
                }
            }
            Ok(jobs)
        })?;
        self.forgotten.extend(&jobs);
        Ok(Forgotten { jobs })
    }

    /// Removes some of what is left of a forgotten job.
    fn remove_some(&mut self) {
        let Some(job) = self.forgotten.front().copied() else { return };
        match connection::relaxed(&self.connection, |connection| remove(connection, job)) {
            Ok(true) => drop(self.forgotten.pop_front()),
            Ok(false) => {}
            Err(fault) => {
                // It is still in its table: the next start tries again.
                warn!(target: "tessera::store", %fault, %job, "what is left of an old job cannot be removed");
                self.forgotten.clear();
            }
        }
    }

    fn tidy(&mut self) {
        if self.wal.needs_tidying()
            && let Err(error) = self.wal.tidy(&self.connection)
        {
            warn!(target: "tessera::store", %error, "the journal's log cannot be tidied");
        }
    }
}

/// `first`, and whatever else waits to be committed; another message is kept for
/// afterwards.
fn gather(first: Request, queue: &Receiver<Message>, held: &mut Option<Message>) -> Vec<Request> {
    let mut changes = first.changes.len();
    let mut batch = vec![first];
    while changes < BATCH_CHANGES {
        match queue.try_recv() {
            Ok(Message::Commit(next)) => {
                changes += next.changes.len();
                batch.push(next);
            }
            Ok(other) => {
                *held = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    batch
}

/// Whether nothing is left of `job`.
fn remove(connection: &Connection, job: JobNumber) -> Result<bool, Fault> {
    let mut removed = 0;
    for table in ["entry", "event"] {
        let statement = format!(
            "DELETE FROM {table} WHERE place IN (SELECT place FROM {table} WHERE job = ? LIMIT ?)"
        );
        removed += connection
            .prepare_cached(&statement)?
            .execute(params![number(job), CHORE_ROWS - removed as i64])?;
    }
    let is_done = (removed as i64) < CHORE_ROWS;
    if is_done {
        connection.prepare_cached("DELETE FROM forgotten WHERE job = ?")?.execute([number(job)])?;
    }
    Ok(is_done)
}
