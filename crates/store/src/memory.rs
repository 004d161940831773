//! The backend that keeps everything in memory, for the simulation and for
//! tests.
//!
//! The one idea: the "disk" outlives the store that is opened on it, so a crash
//! and a restart can be played, and it can be told to fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tessera_types::{Committed, ResourceKey, Revision, Timestamp, Uid};

use crate::contract::{AuditEntry, BoxFuture, HistoryPage, Observer};
use crate::embedded::EmbeddedStore;
use crate::engine::Engine;
use crate::engine::backend::{
    Backend, Fault, LogEntry, LogRow, Meta, Reader, Step, UsedKey, Versioned,
};
use crate::options::Options;

/// What an entry is taken to weigh per change, for the bounds that count bytes.
const CHANGE_BYTES: u64 = 1024;

/// Commits in one page of the log.
const PAGE_COMMITS: usize = 256;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

/// How a [`MemoryDisk`] can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// It is full.
    Full,
    /// It returns errors.
    Broken,
    /// The machine loses its power in the middle of the next write to the log: so many
    /// commits of the batch are on the disk all the same, and nobody is told of any.
    /// Afterwards it is [`DiskFault::Broken`].
    Dies {
        /// How many.
        kept: usize,
    },
}

#[derive(Clone, Default)]
struct Contents {
    log: BTreeMap<Revision, Arc<LogEntry>>,
    objects: HashMap<Uid, Versioned>,
    transitions: BTreeMap<u64, Arc<AuditEntry>>,
    keys: HashMap<String, UsedKey>,
    meta: Meta,
    fault: Option<DiskFault>,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store that is on this disk. Dropping the store without closing
    /// it is a crash: what was acknowledged is still there.
    ///
    /// # Panics
    /// When the disk contradicts itself, which would be a bug of this crate.
    #[must_use]
    pub fn open(&self, options: Options, observer: Observer) -> EmbeddedStore {
        let backend = MemoryBackend { disk: self.clone(), batch: Vec::new() };
        let engine = Engine::recover(backend, Box::new(self.clone()), options, observer)
            .expect("a disk in memory holds only what the engine wrote");
        EmbeddedStore::inline(engine)
    }

    /// Lets every write fail from now on, or none any more.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.0.lock().fault = fault;
    }

    /// How it fails now.
    #[must_use]
    pub fn fault(&self) -> Option<DiskFault> {
        self.0.lock().fault
    }

    /// Another disk with all that this one has, which works.
    #[must_use]
    pub fn copy(&self) -> Self {
        let contents = Contents { fault: None, ..self.0.lock().clone() };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// How many commits its log has.
    #[must_use]
    pub fn log_commits(&self) -> usize {
        self.0.lock().log.len()
    }
}

impl Contents {
    fn writable(&mut self) -> Result<&mut Self, Fault> {
        match self.fault {
            None => Ok(self),
            Some(DiskFault::Full) => Err(Fault::Full),
            Some(DiskFault::Broken | DiskFault::Dies { .. }) => {
                Err(Fault::Failed("the disk is broken".to_owned()))
            }
        }
    }

    /// Appends a batch to the log, or what of it got there before the power went.
    fn append(&mut self, batch: Vec<Arc<LogEntry>>) -> Result<(), Fault> {
        let kept = match self.fault {
            Some(DiskFault::Dies { kept }) => {
                self.fault = Some(DiskFault::Broken);
                kept
            }
            _ => {
                self.writable()?;
                batch.len()
            }
        };
        self.log.extend(batch.into_iter().take(kept).map(|entry| (entry.revision, entry)));
        self.writable().map(|_| ())
    }
}

fn bytes(entry: &LogEntry) -> u64 {
    entry.changes.len() as u64 * CHANGE_BYTES
}

/// The committing side of a [`MemoryDisk`].
pub(crate) struct MemoryBackend {
    disk: MemoryDisk,
    batch: Vec<Arc<LogEntry>>,
}

impl Backend for MemoryBackend {
    fn load(&mut self, found: &mut dyn FnMut(Versioned)) -> Result<Meta, Fault> {
        let contents = self.disk.0.lock();
        contents.objects.values().cloned().for_each(found);
        Ok(contents.meta)
    }

    fn log_after(
        &mut self,
        after: Revision,
        commits_max: usize,
        _: &HashMap<Uid, Versioned>,
    ) -> Result<Vec<(LogEntry, u64)>, Fault> {
        let contents = self.disk.0.lock();
        let entries = contents.log.range(after.next()..).take(commits_max);
        Ok(entries.map(|(_, entry)| ((**entry).clone(), bytes(entry))).collect())
    }

    fn append(&mut self, entry: &Arc<LogEntry>) -> Result<u64, Fault> {
        self.batch.push(Arc::clone(entry));
        Ok(bytes(entry))
    }

    fn seal(&mut self) -> Result<(), Fault> {
        let batch = std::mem::take(&mut self.batch);
        self.disk.0.lock().append(batch)
    }

    fn abandon(&mut self) {
        self.batch.clear();
    }

    fn used_key(&mut self, key: &str) -> Result<Option<UsedKey>, Fault> {
        Ok(self.disk.0.lock().keys.get(key).cloned())
    }

    fn checkpoint(&mut self, step: &Step) -> Result<(), Fault> {
        let mut contents = self.disk.0.lock();
        let contents = contents.writable()?;
        for versioned in &step.put {
            contents.objects.insert(versioned.resource.id(), versioned.clone());
        }
        for id in &step.removed {
            contents.objects.remove(id);
        }
        let transitions = step.transitions.iter().map(|audit| (audit.entry.seq, audit.clone()));
        contents.transitions.extend(transitions);
        contents.keys.extend(step.keys.iter().map(|used| (used.key.clone(), used.clone())));
        contents.meta = step.meta.unwrap_or(contents.meta);
        Ok(())
    }

    fn oldest_log(&mut self, up_to: Revision, rows_max: usize) -> Result<Vec<LogRow>, Fault> {
        let contents = self.disk.0.lock();
        let rows = contents.log.range(..=up_to).take(rows_max).map(|(revision, entry)| LogRow {
            revision: *revision,
            at: entry.at,
            bytes: bytes(entry),
        });
        Ok(rows.collect())
    }

    fn drop_log(&mut self, meta: &Meta) -> Result<(), Fault> {
        let mut contents = self.disk.0.lock();
        let contents = contents.writable()?;
        contents.log = contents.log.split_off(&meta.compacted.next());
        contents.meta = *meta;
        Ok(())
    }

    fn drop_transitions(&mut self, before: Timestamp, rows_max: usize) -> Result<usize, Fault> {
        let mut contents = self.disk.0.lock();
        let transitions = &mut contents.writable()?.transitions;
        let mut dropped = 0;
        while dropped < rows_max
            && let Some(oldest) = transitions.first_entry()
            && oldest.get().entry.record.at < before
        {
            oldest.remove();
            dropped += 1;
        }
        Ok(dropped)
    }

    fn drop_keys(&mut self, before: Timestamp, _: usize) -> Result<usize, Fault> {
        self.disk.0.lock().writable()?.keys.retain(|_, used| used.at >= before);
        Ok(0)
    }

    fn needs_tidying(&self) -> bool {
        false
    }

    fn tidy(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn close(&mut self) {}
}

impl Reader for MemoryDisk {
    fn log(&self, after: Revision) -> BoxFuture<'static, Result<Vec<Arc<Committed>>, Fault>> {
        let contents = self.0.lock();
        let entries = contents.log.range(after.next()..).take(PAGE_COMMITS);
        let page = entries.map(|(_, entry)| Arc::new(entry.committed())).collect();
        Box::pin(std::future::ready(Ok(page)))
    }

    fn history(
        &self,
        key: Option<ResourceKey>,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Fault>> {
        let contents = self.0.lock();
        let older = contents.transitions.range(..page.before_seq.unwrap_or(u64::MAX));
        let wanted = older.rev().map(|(_, audit)| audit);
        let wanted = wanted.filter(|audit| key.as_ref().is_none_or(|key| audit.key == *key));
        let found = wanted.take(page.limit).map(|audit| AuditEntry::clone(audit)).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

impl std::fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryDisk")
    }
}
