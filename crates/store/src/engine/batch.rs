//! A batch: commits that become durable together.
//!
//! The one idea: a commit of a batch is checked against the state with the
//! earlier ones of the batch on top, which are nowhere else yet. If the batch
//! cannot be made durable it is dropped, and nothing needs to be undone.

use std::collections::HashMap;
use std::sync::Arc;

use tessera_types::{ResourceKey, Timestamp, Write};

use crate::contract::Commit;
use crate::engine::backend::{Backend, Fault, LogEntry, UsedKey, Versioned};
use crate::engine::backlog::Backlog;
use crate::engine::{Head, Index, Job, check};
use crate::error::CommitError;
use crate::options::IDEMPOTENCY_KEPT;

/// Commits of one batch, at most.
const BATCH_COMMITS_MAX: usize = 1024;

/// Size of one batch in the log, at most, by more than its last commit.
const BATCH_BYTES_MAX: u64 = 4 << 20;

/// What becomes of a commit if its batch becomes durable.
pub(crate) enum Verdict {
    /// It is the entry at this place of the batch.
    Accepted(usize),
    /// It was made before.
    Replayed(UsedKey),
    Refused(CommitError),
}

/// Commits that become durable together.
pub(crate) struct Batch {
    pub(crate) head: Head,
    pub(crate) verdicts: Vec<(Job, Verdict)>,
    /// What is written, with its size in bytes.
    pub(crate) entries: Vec<(Arc<LogEntry>, u64)>,
    overlay: HashMap<ResourceKey, Option<Versioned>>,
    keys: HashMap<String, UsedKey>,
    pub(crate) bytes: u64,
    fault: Option<Fault>,
}

impl Batch {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            verdicts: Vec::new(),
            entries: Vec::new(),
            overlay: HashMap::new(),
            keys: HashMap::new(),
            bytes: 0,
            fault: None,
        }
    }

    /// Whether no more should be admitted.
    pub(crate) fn is_full(&self) -> bool {
        self.fault.is_some()
            || self.verdicts.len() >= BATCH_COMMITS_MAX
            || self.bytes >= BATCH_BYTES_MAX
    }

    pub(crate) fn writes(&self) -> usize {
        self.entries.iter().map(|(entry, _)| entry.changes.len()).sum()
    }

    /// Decides about a commit and, when it can be made, appends it.
    pub(crate) fn admit<B: Backend>(
        &mut self,
        mut job: Job,
        backend: &mut B,
        backlog: &Backlog,
        index: &Index,
    ) {
        let commit = Commit {
            writes: std::mem::take(&mut job.commit.writes),
            idempotency: job.commit.idempotency.take(),
            ..job.commit
        };
        let verdict = match self.decide(commit, backend, backlog, index) {
            Ok(entry) => self.append(entry, backend),
            Err(verdict) => verdict,
        };
        self.verdicts.push((job, verdict));
    }

    fn decide<B: Backend>(
        &mut self,
        commit: Commit,
        backend: &mut B,
        backlog: &Backlog,
        index: &Index,
    ) -> Result<(LogEntry, Head), Verdict> {
        let refused = |error: CommitError| Verdict::Refused(error);
        if let Some(key) = &commit.idempotency {
            check::validate_key(key).map_err(|error| refused(error.into()))?;
            let used = self
                .used_key(&key.key, commit.at, backend, backlog)
                .map_err(|fault| refused(fault.into()))?;
            match used {
                Some(used) if used.fingerprint == key.fingerprint => {
                    return Err(Verdict::Replayed(used));
                }
                Some(_) => return Err(refused(CommitError::KeyReused)),
                None => {}
            }
        }
        check::validate(&commit).map_err(|error| refused(error.into()))?;
        let current = |write: &Write| {
            let key = write.key();
            match self.overlay.get(&key) {
                Some(staged) => staged.as_ref(),
                None => index.get(&key),
            }
        };
        check::entry(commit, self.head, current).map_err(refused)
    }

    /// What a key was used for, unless that is too long ago.
    fn used_key<B: Backend>(
        &self,
        key: &str,
        at: Timestamp,
        backend: &mut B,
        backlog: &Backlog,
    ) -> Result<Option<UsedKey>, Fault> {
        let used = match self.keys.get(key).or_else(|| backlog.used_key(key)) {
            Some(used) => Some(used.clone()),
            None => backend.used_key(key)?,
        };
        Ok(used.filter(|used| at < used.at.plus(IDEMPOTENCY_KEPT)))
    }

    fn append<B: Backend>(&mut self, (entry, head): (LogEntry, Head), backend: &mut B) -> Verdict {
        let entry = Arc::new(entry);
        match backend.append(&entry) {
            Ok(bytes) => {
                self.head = head;
                self.bytes += bytes;
                for change in &entry.changes {
                    self.overlay.insert(change.key.clone(), change.after.clone());
                }
                self.keys.extend(entry.used_key().map(|used| (used.key.clone(), used)));
                self.entries.push((entry, bytes));
                Verdict::Accepted(self.entries.len() - 1)
            }
            Err(fault) => {
                self.fault = Some(fault.clone());
                Verdict::Refused(fault.into())
            }
        }
    }

    /// Makes the batch durable, or nothing of it.
    pub(crate) fn seal<B: Backend>(&mut self, backend: &mut B) -> Result<(), Fault> {
        match self.fault.take() {
            Some(fault) => {
                backend.abandon();
                Err(fault)
            }
            None if self.entries.is_empty() => Ok(()),
            None => backend.seal(),
        }
    }
}
