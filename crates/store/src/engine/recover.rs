//! Start-up: the checkpoint, then the log from there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tessera_planted::{Bug, planted};
use tessera_types::{Revision, Timestamp, Uid};
use tracing::debug;

use crate::contract::{AuditEntry, Observer};
use crate::engine::backend::{Backend, Fault, LogEntry, Meta, Reader, Versioned};
use crate::engine::backlog::Backlog;
use crate::engine::chores::Chores;
use crate::engine::{Engine, Head, Index};
use crate::options::Options;
use crate::shared::Shared;

/// Log entries that are in memory at once while they are replayed.
const PAGE_COMMITS: usize = 1024;

/// What is known so far. By identity, since a checkpoint that was cut off may
/// have a resource and its successor of the same name.
struct Recovered {
    objects: HashMap<Uid, Versioned>,
    head: Head,
    backlog: Backlog,
    pending: Vec<Arc<AuditEntry>>,
    log_bytes: u64,
}

impl<B: Backend> Engine<B> {
    /// Loads what the backend has.
    pub(crate) fn recover(
        mut backend: B,
        reader: Box<dyn Reader>,
        options: Options,
        observer: Observer,
    ) -> Result<Self, Fault> {
        let begun_at = Instant::now();
        let mut objects = HashMap::new();
        let meta = backend.load(&mut |versioned| {
            objects.insert(versioned.resource.id(), versioned);
        })?;
        let mut recovered = Recovered::new(objects, &meta);
        while !planted(Bug::TailNotReplayed) && recovered.replay(&recovered.page(&mut backend)?)? {}
        let Recovered { objects, head, backlog, pending, log_bytes } = recovered;
        let index = Index::new(head.revision, objects.into_values())
            .map_err(|key| Fault::Damaged(format!("two resources are called {key}")))?;
        let (resources, replayed) = (index.len(), head.revision.0 - meta.checkpointed.0);
        let duration_us = begun_at.elapsed().as_micros() as u64;
        debug!(target: "tessera::store", revision = head.revision.0, resources, replayed, duration_us, "opened");
        let shared = Arc::new(Shared::new(index, pending, reader, &meta, log_bytes, &options));
        let chores = Chores::new(meta);
        Ok(Self { backend, shared, observer, options, head, backlog, chores })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Recovered {
    fn new(objects: HashMap<Uid, Versioned>, meta: &Meta) -> Self {
        let head = Head {
            revision: meta.checkpointed,
            next_uid: meta.next_uid.max(1),
            next_seq: meta.next_seq.max(1),
            latest_at: Timestamp::from_micros(meta.latest_at_us),
        };
        Self {
            objects,
            head,
            backlog: Backlog::default(),
            pending: Vec::new(),
            log_bytes: meta.log_bytes,
        }
    }

    /// The entries that come next.
    fn page<B: Backend>(&self, backend: &mut B) -> Result<Vec<(LogEntry, u64)>, Fault> {
        backend.log_after(self.head.revision, PAGE_COMMITS, &self.objects)
    }

    /// Applies some entries; false when there are none.
    fn replay(&mut self, entries: &[(LogEntry, u64)]) -> Result<bool, Fault> {
        for (entry, bytes) in entries {
            let expected: Revision = self.head.revision.next();
            if entry.revision != expected {
                let found = entry.revision;
                return Err(Fault::Damaged(format!("the log has {found} instead of {expected}")));
            }
            for change in &entry.changes {
                match &change.after {
                    Some(after) => self.objects.insert(change.id, after.clone()),
                    None => self.objects.remove(&change.id),
                };
                self.head.next_uid = self.head.next_uid.max(change.id.0 + 1);
            }
            self.head.revision = entry.revision;
            self.head.next_seq = entry.next_seq();
            self.head.latest_at = entry.at;
            self.pending.extend(entry.audits());
            self.log_bytes += bytes;
            self.backlog.note(entry, *bytes);
        }
        Ok(!entries.is_empty())
    }
}
