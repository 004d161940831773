//! What readers on any thread share with the one thread that commits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tessera_types::{ResourceKey, Revision};
use tokio::sync::watch;

use crate::contract::{AuditEntry, HistoryPage};
use crate::engine::Index;
use crate::engine::backend::{Fault, Meta, Reader};
use crate::options::Options;
use crate::ring::Ring;
use crate::stats::{Counters, Stats};

/// How far the store is, for whoever waits for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) revision: Revision,
    pub(crate) closed: bool,
}

/// What readers on any thread share with the one thread that commits.
pub(crate) struct Shared {
    pub(crate) index: RwLock<Index>,
    pub(crate) ring: Mutex<Ring>,
    /// Transitions that are in the log and not yet in the history's table.
    pub(crate) pending: Mutex<VecDeque<Arc<AuditEntry>>>,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) counters: Counters,
    progress: watch::Sender<Progress>,
    compacted: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        index: Index,
        pending: Vec<Arc<AuditEntry>>,
        reader: Box<dyn Reader>,
        meta: &Meta,
        log_bytes: u64,
        options: &Options,
    ) -> Self {
        let counters = Counters::default();
        counters.log_bytes.store(log_bytes, Ordering::Relaxed);
        counters.checkpointed.store(meta.checkpointed.0, Ordering::Relaxed);
        let progress = Progress { revision: index.revision(), closed: false };
        Self {
            index: RwLock::new(index),
            ring: Mutex::new(Ring::new(options)),
            pending: Mutex::new(pending.into()),
            reader,
            counters,
            progress: watch::Sender::new(progress),
            compacted: AtomicU64::new(meta.compacted.0),
        }
    }

    /// Wakes whoever waits for commits up to `revision`.
    pub(crate) fn publish(&self, revision: Revision) {
        self.progress.send_if_modified(|progress| {
            let is_new = progress.revision != revision;
            progress.revision = revision;
            is_new
        });
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn close(&self) {
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// Every commit up to this one is gone from the log.
    pub(crate) fn compacted_at(&self) -> Revision {
        Revision(self.compacted.load(Ordering::Acquire))
    }

    pub(crate) fn compacted(&self, revision: Revision, bytes: u64) {
        self.compacted.store(revision.0, Ordering::Release);
        self.counters.log_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn checkpointed(&self, revision: Revision) {
        self.counters.checkpointed.store(revision.0, Ordering::Relaxed);
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.counters.log_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (revision, resources) = {
            let index = self.index.read();
            (index.revision(), index.len() as u64)
        };
        let compacted = self.compacted_at();
        Stats {
            revision,
            compacted,
            resources,
            log_commits: revision.0.saturating_sub(compacted.0),
            disk_bytes: self.reader.disk_bytes(),
            ..self.counters.read()
        }
    }

    /// A page of the history of `key`, or of everything.
    ///
    /// What waits for the checkpoint is read before the table: an entry that
    /// moves from one to the other meanwhile is then seen twice, and not never.
    pub(crate) async fn history(
        &self,
        key: Option<ResourceKey>,
        page: HistoryPage,
    ) -> Result<Vec<AuditEntry>, Fault> {
        let mut found = self.pending_history(key.as_ref(), page);
        let before_seq = found.last().map(|oldest| oldest.entry.seq).or(page.before_seq);
        let limit = page.limit.saturating_sub(found.len());
        if limit > 0 {
            let rest = HistoryPage { before_seq, limit };
            found.extend(self.reader.history(key, rest).await?);
        }
        Ok(found)
    }

    fn pending_history(&self, key: Option<&ResourceKey>, page: HistoryPage) -> Vec<AuditEntry> {
        let pending = self.pending.lock();
        let is_wanted = |audit: &&AuditEntry| {
            page.before_seq.is_none_or(|before| audit.entry.seq < before)
                && key.is_none_or(|key| audit.key == *key)
        };
        let newest_first = pending.iter().rev().map(|audit| &**audit);
        newest_first.filter(is_wanted).take(page.limit).cloned().collect()
    }
}

/// Shared by handles and watchers.
pub(crate) type SharedStore = Arc<Shared>;
