//! The engine: everything about commits that does not depend on where they are
//! kept.
//!
//! The one idea: only one thread at a time runs the engine, so what it reads to
//! check a commit cannot change before the commit is applied. Readers see
//! [`Shared`], which the engine changes only after the backend has said that a
//! batch is durable; a batch that fails therefore leaves nothing behind.

pub(crate) mod backend;
mod backlog;
mod batch;
mod check;
mod chores;
mod index;
mod recover;

pub(crate) use chores::Urgency;
pub(crate) use index::Index;

use std::sync::Arc;
use std::time::Instant;

use tessera_types::{Committed, Revision, Timestamp};
use tokio::sync::oneshot;
use tracing::debug;

use crate::contract::{Commit, Lane, Observer, Outcome};
use crate::engine::backend::{Backend, Fault, LogEntry, UsedKey};
use crate::engine::backlog::Backlog;
use crate::engine::batch::{Batch, Verdict};
use crate::engine::chores::Chores;
use crate::error::CommitError;
use crate::options::Options;
use crate::shared::Shared;
use crate::stats::add;

/// A commit that waits for its turn, and who waits for it.
pub(crate) struct Job {
    commit: Commit,
    answer: oneshot::Sender<Result<Outcome, CommitError>>,
    queued_at: Instant,
}

/// Where the answer to a [`Job`] arrives.
pub(crate) type Answer = oneshot::Receiver<Result<Outcome, CommitError>>;

impl Job {
    pub(crate) fn new(commit: Commit) -> (Self, Answer) {
        let (answer, receiver) = oneshot::channel();
        (Self { commit, answer, queued_at: Instant::now() }, receiver)
    }

    pub(crate) fn lane(&self) -> Lane {
        self.commit.lane
    }

    #[cfg(test)]
    pub(crate) fn at(&self) -> Timestamp {
        self.commit.at
    }
}

/// The numbers that the next commit begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) revision: Revision,
    pub(crate) next_uid: u64,
    pub(crate) next_seq: u64,
    /// The time that the latest commit has named, which is the present as far as is known.
    pub(crate) latest_at: Timestamp,
}

/// Makes commits, and does the chores that follow from them.
pub(crate) struct Engine<B> {
    backend: B,
    shared: Arc<Shared>,
    observer: Observer,
    options: Options,
    head: Head,
    backlog: Backlog,
    chores: Chores,
}

impl<B: Backend> Engine<B> {
    /// Commits `first` and as many more as `next` gives, together. Every one of
    /// them is answered before this returns.
    pub(crate) fn commit_batch(&mut self, first: Job, mut next: impl FnMut() -> Option<Job>) {
        let begun_at = Instant::now();
        let mut batch = Batch::new(self.head);
        let mut job = Some(first);
        while let Some(current) = job {
            batch.admit(current, &mut self.backend, &self.backlog, &self.shared.index.read());
            job = if batch.is_full() { None } else { next() };
        }
        match batch.seal(&mut self.backend) {
            Ok(()) => self.apply(batch, begun_at),
            Err(fault) => self.fail(batch, &fault),
        }
    }

    /// Makes a durable batch visible, in the order that the contract promises.
    fn apply(&mut self, batch: Batch, begun_at: Instant) {
        let counters = &self.shared.counters;
        if !batch.entries.is_empty() {
            counters.batch_latency.record(begun_at.elapsed());
            add(&counters.batches, 1);
            add(&counters.commits, batch.entries.len() as u64);
            add(&counters.writes, batch.writes() as u64);
            add(&counters.log_bytes, batch.bytes);
        }
        self.shared
            .pending
            .lock()
            .extend(batch.entries.iter().flat_map(|(entry, _)| entry.audits()));
        self.shared.index.write().apply(batch.entries.iter().map(|(entry, _)| &**entry));
        self.head = batch.head;
        let size = batch.entries.len();
        let mut committed = Vec::with_capacity(size);
        for (entry, bytes) in &batch.entries {
            self.backlog.note(entry, *bytes);
            committed.push(self.announce(entry, *bytes, size, begun_at));
        }
        self.chores.committed(batch.writes(), begun_at);
        self.shared.publish(self.head.revision);
        self.answer(batch.verdicts, &committed);
    }

    /// Tells the observer and the ring of a commit.
    fn announce(
        &self,
        entry: &LogEntry,
        bytes: u64,
        batch: usize,
        begun_at: Instant,
    ) -> Arc<Committed> {
        let committed = Arc::new(entry.committed());
        (self.observer)(&committed);
        self.shared.ring.lock().push(Arc::clone(&committed), bytes);
        let writes = entry.changes.len();
        let duration_us = begun_at.elapsed().as_micros() as u64;
        debug!(target: "tessera::store", revision = entry.revision.0, writes, batch, bytes, duration_us, "commit");
        committed
    }

    fn answer(&self, verdicts: Vec<(Job, Verdict)>, committed: &[Arc<Committed>]) {
        let counters = &self.shared.counters;
        for (job, verdict) in verdicts {
            let result = match verdict {
                Verdict::Accepted(place) => {
                    Ok(Outcome { committed: Arc::clone(&committed[place]), replayed: false })
                }
                Verdict::Replayed(used) => {
                    add(&counters.replays, 1);
                    Ok(Outcome { committed: Arc::new(self.replay(&used)), replayed: true })
                }
                Verdict::Refused(error) => {
                    let counter = match error {
                        CommitError::Conflict { .. } => &counters.conflicts,
                        _ => &counters.refused,
                    };
                    add(counter, 1);
                    Err(error)
                }
            };
            self.finish(job, result);
        }
    }

    /// Answers a whole batch that the backend has not taken. Verdicts that were
    /// reached on its own commits are void with it.
    fn fail(&self, batch: Batch, fault: &Fault) {
        for (job, verdict) in batch.verdicts {
            let error = match verdict {
                Verdict::Refused(error @ CommitError::Invalid(_)) => error,
                _ => CommitError::from(fault.clone()),
            };
            add(&self.shared.counters.failures, 1);
            self.finish(job, Err(error));
        }
    }

    fn finish(&self, job: Job, result: Result<Outcome, CommitError>) {
        self.shared.counters.commit_latency.record(job.queued_at.elapsed());
        if let Err(error) = &result {
            debug!(target: "tessera::store", %error, "commit refused");
        }
        // Whoever no longer waits does not need the answer.
        let _ = job.answer.send(result);
    }

    /// The commit that `used` was used for, with its resources as they are now.
    fn replay(&self, used: &UsedKey) -> Committed {
        let index = self.shared.index.read();
        let changes = used.changed.iter().map(|changed| index.change_now(changed)).collect();
        Committed { revision: used.revision, at: used.at, changes }
    }
}
