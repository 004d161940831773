//! A commit with its events as they are sent, each encoded when it is first wanted.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use tessera_types::api::WatchEvent;
use tessera_types::{Change, Committed, Revision};

/// What a change means to a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// What it follows was made or changed.
    Changed,
    /// It is gone, or does not match any more.
    Deleted,
}

/// A commit with its events.
pub(crate) struct Encoded {
    committed: Arc<Committed>,
    changed: Box<[OnceLock<Event>]>,
    deleted: Box<[OnceLock<Event>]>,
}

/// One event as bytes, with its id before it.
struct Event {
    bytes: Bytes,
    id_bytes: usize,
}

impl Encoded {
    pub(crate) fn new(committed: Arc<Committed>) -> Self {
        let none = || committed.changes.iter().map(|_| OnceLock::new()).collect();
        let (changed, deleted) = (none(), none());
        Self { committed, changed, deleted }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.committed.revision
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.committed.changes
    }

    /// The event of a change, with the commit's id where it is the last for its watcher.
    pub(crate) fn event(&self, change: usize, meaning: Meaning, with_id: bool) -> Bytes {
        let events = match meaning {
            Meaning::Changed => &self.changed,
            Meaning::Deleted => &self.deleted,
        };
        let event = events[change].get_or_init(|| self.encode(&self.changes()[change], meaning));
        event.bytes.slice(if with_id { 0 } else { event.id_bytes }..)
    }

    fn encode(&self, change: &Change, meaning: Meaning) -> Event {
        let revision = self.revision();
        let event = match (&change.after, meaning) {
            (Some(resource), Meaning::Changed) => {
                WatchEvent::Changed { revision, resource: resource.clone() }
            }
            _ => WatchEvent::Deleted {
                revision,
                kind: change.key.kind,
                namespace: change.key.namespace.clone(),
                name: change.key.name.clone(),
                id: change.id,
            },
        };
        Event { bytes: encode(Some(revision), &event), id_bytes: id(Some(revision)).len() }
    }
}

/// An event as it is sent, by the standard of server-sent events.
pub(crate) fn encode(revision: Option<Revision>, event: &impl Serialize) -> Bytes {
    let mut text = id(revision).into_bytes();
    text.extend_from_slice(b"data: ");
    // Our own types are all representable, and writing into a vector does not fail.
    let _ = serde_json::to_writer(&mut text, event);
    text.extend_from_slice(b"\n\n");
    text.into()
}

fn id(revision: Option<Revision>) -> String {
    revision.map(|revision| format!("id: {revision}\n")).unwrap_or_default()
}
