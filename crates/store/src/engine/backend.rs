//! What the engine asks of the durable part, and what they tell each other.
//!
//! The one idea: a backend keeps entries and rows, and understands nothing of
//! preconditions, watchers or retention.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::{
    Change, Committed, HistoryEntry, Record, Resource, ResourceKey, Revision, Timestamp, Uid,
};

use crate::contract::{AuditEntry, BoxFuture, HistoryPage, IdempotencyKey};
use crate::error::{CommitError, StoreError, WatchError};

/// A resource, and the commit that last changed its declared part (labels,
/// spec, desired status and the like, which change seldom).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Versioned {
    pub(crate) resource: Resource,
    pub(crate) declared_at: Revision,
}

/// A commit as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) revision: Revision,
    pub(crate) at: Timestamp,
    /// The place of its first transition in the history of everything.
    pub(crate) first_seq: u64,
    pub(crate) changes: Vec<LogChange>,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

/// What a commit did to one resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogChange {
    pub(crate) key: ResourceKey,
    pub(crate) id: Uid,
    /// As it is then; none when it was removed.
    pub(crate) after: Option<Versioned>,
    /// The version of the declared part that nothing needs any more once this
    /// entry is dropped from the log.
    pub(crate) supersedes: Option<Revision>,
    pub(crate) records: Vec<Record>,
}

impl LogEntry {
    /// As watchers see it.
    pub(crate) fn committed(&self) -> Committed {
        let change = |change: &LogChange| Change {
            key: change.key.clone(),
            id: change.id,
            after: change.after.as_ref().map(|after| after.resource.clone()),
        };
        Committed {
            revision: self.revision,
            at: self.at,
            changes: self.changes.iter().map(change).collect(),
        }
    }

    /// Its transitions, in order.
    pub(crate) fn audits(&self) -> impl Iterator<Item = Arc<AuditEntry>> {
        let records = self.changes.iter().flat_map(|change| {
            change.records.iter().map(|record| (change.key.clone(), change.id, record.clone()))
        });
        (self.first_seq..).zip(records).map(|(seq, (key, id, record))| {
            let entry = HistoryEntry { seq, revision: self.revision, id, record };
            Arc::new(AuditEntry { key, entry })
        })
    }

    /// The `first_seq` of the next entry.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + self.changes.iter().map(|change| change.records.len() as u64).sum::<u64>()
    }

    /// What its idempotency key is to be answered with.
    pub(crate) fn used_key(&self) -> Option<UsedKey> {
        let IdempotencyKey { key, fingerprint } = self.idempotency.clone()?;
        let changed = self.changes.iter().map(|change| (change.key.clone(), change.id)).collect();
        Some(UsedKey { key, fingerprint, revision: self.revision, at: self.at, changed })
    }
}

/// An idempotency key that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedKey {
    pub(crate) key: String,
    pub(crate) fingerprint: u64,
    pub(crate) revision: Revision,
    pub(crate) at: Timestamp,
    /// The resources that the commit wrote.
    pub(crate) changed: Vec<(ResourceKey, Uid)>,
}

/// The numbers that the tables of current state are true for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Every commit up to this one is in the tables.
    pub(crate) checkpointed: Revision,
    /// Every commit up to this one is gone from the log.
    pub(crate) compacted: Revision,
    pub(crate) next_uid: u64,
    pub(crate) next_seq: u64,
    pub(crate) latest_at_us: i64,
    /// The size of the log up to the checkpoint, in bytes.
    pub(crate) log_bytes: u64,
}

/// A bounded part of a checkpoint, applied as one transaction.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) put: Vec<Versioned>,
    pub(crate) removed: Vec<Uid>,
    pub(crate) transitions: Vec<Arc<AuditEntry>>,
    pub(crate) keys: Vec<UsedKey>,
    /// With the last step of a checkpoint.
    pub(crate) meta: Option<Meta>,
}

/// A row of the log, without what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub(crate) revision: Revision,
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
}

/// Why a backend could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// No space.
    #[error("the disk is full")]
    Full,
    /// What is stored makes no sense.
    #[error("{0}")]
    Damaged(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// The backend is closed.
    #[error("the store is closed")]
    Closed,
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Damaged(message) | Fault::Failed(message) => Self::Failed(message),
            Fault::Closed => Self::Closed,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Damaged(message) | Fault::Failed(message) => Self::Failed(message),
            Fault::Closed => Self::Closed,
        }
    }
}

impl From<Fault> for WatchError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed => Self::Closed,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The durable part, as the one thread that commits sees it.
pub(crate) trait Backend: Send + 'static {
    /// Gives `found` every resource of the checkpoint, in no order. A checkpoint
    /// that was cut off leaves some that are newer than [`Meta::checkpointed`];
    /// replaying the log from there puts that right.
    fn load(&mut self, found: &mut dyn FnMut(Versioned)) -> Result<Meta, Fault>;

    /// The next entries of the log after `after` with their sizes, at most
    /// `commits_max`. What is declared need not be read again where a resource of `known`
    /// declares it.
    fn log_after(
        &mut self,
        after: Revision,
        commits_max: usize,
        known: &HashMap<Uid, Versioned>,
    ) -> Result<Vec<(LogEntry, u64)>, Fault>;

    /// Adds an entry to the batch under way, and returns its size in bytes.
    fn append(&mut self, entry: &Arc<LogEntry>) -> Result<u64, Fault>;

    /// Makes the batch durable; afterwards there is none under way, whether or
    /// not it succeeded.
    fn seal(&mut self) -> Result<(), Fault>;

    /// Forgets the batch under way, if there is one.
    fn abandon(&mut self);

    /// What a key was used for, as far as the checkpoint knows.
    fn used_key(&mut self, key: &str) -> Result<Option<UsedKey>, Fault>;

    /// Applies a part of a checkpoint, all or nothing. It may be lost in a crash
    /// with everything that follows it, so it needs no wait for the disk.
    fn checkpoint(&mut self, step: &Step) -> Result<(), Fault>;

    /// The oldest rows of the log up to `up_to`, at most `rows_max`.
    fn oldest_log(&mut self, up_to: Revision, rows_max: usize) -> Result<Vec<LogRow>, Fault>;

    /// Drops the log up to [`Meta::compacted`] and remembers `meta`.
    fn drop_log(&mut self, meta: &Meta) -> Result<(), Fault>;

    /// Drops the oldest transitions if they are older than `before`, at most
    /// `rows_max`, and returns how many.
    fn drop_transitions(&mut self, before: Timestamp, rows_max: usize) -> Result<usize, Fault>;

    /// The same for idempotency keys.
    fn drop_keys(&mut self, before: Timestamp, rows_max: usize) -> Result<usize, Fault>;

    /// Whether [`Backend::tidy`] would do something useful.
    fn needs_tidying(&self) -> bool;

    /// Does what the backend itself needs done from time to time.
    fn tidy(&mut self) -> Result<(), Fault>;

    /// Lets go of everything that is held.
    fn close(&mut self);
}

/// The durable part, as readers on other threads see it.
pub(crate) trait Reader: Send + Sync {
    /// The next commits after `after`, in order and without gaps; a bounded
    /// number, and none when the first of them is no longer there.
    fn log(&self, after: Revision) -> BoxFuture<'static, Result<Vec<Arc<Committed>>, Fault>>;

    /// A page of the history of `key`, or of everything, as far as the
    /// checkpoint knows; newest first.
    fn history(
        &self,
        key: Option<ResourceKey>,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Fault>>;

    /// Bytes on disk.
    fn disk_bytes(&self) -> u64;
}
