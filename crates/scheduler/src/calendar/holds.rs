//! Who holds what, ordered by when it starts.

use std::collections::HashMap;
use std::sync::Arc;

use tessera_types::host::Amounts;
use tessera_types::{Timestamp, Uid};

use super::load::Load;
use tessera_types::timed::Window;

/// What one pod or service holds of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When. An empty window holds nothing.
    pub window: Window,
    /// How much.
    pub amounts: Amounts,
    /// Which ports.
    pub ports: Vec<u16>,
    /// Who, as people read it: `pod/default/a`.
    pub label: String,
}

/// A hold in the books.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: Uid,
    pub(super) hold: Hold,
    /// The same amounts by index.
    pub(super) load: Load,
}

/// All holds of a host. The windows lie side by side in memory: reading a
/// thousand of them takes about a microsecond.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    /// By start, then id.
    by_start: Vec<(Window, Arc<Held>)>,
    by_id: HashMap<Uid, Arc<Held>>,
}

impl Holds {
    pub(super) fn insert(&mut self, held: Held) {
        let place = self.place(held.hold.window.from, held.id);
        let held = Arc::new(held);
        self.by_start.insert(place, (held.hold.window, Arc::clone(&held)));
        self.by_id.insert(held.id, held);
    }

    pub(super) fn remove(&mut self, id: Uid) -> Option<Arc<Held>> {
        let held = self.by_id.remove(&id)?;
        let place = self.place(held.hold.window.from, id);
        self.by_start.remove(place);
        Some(held)
    }

    fn place(&self, from: Timestamp, id: Uid) -> usize {
        self.by_start.partition_point(|(window, held)| (window.from, held.id) < (from, id))
    }

    pub(super) fn get(&self, id: Uid) -> Option<&Held> {
        self.by_id.get(&id).map(AsRef::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.by_start.len()
    }

    /// All of them, by start.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_start.iter().map(|(_, held)| held.as_ref())
    }

    /// Those that overlap `window`, by start.
    pub(super) fn overlapping(&self, window: Window) -> impl Iterator<Item = &Held> {
        let end = self.by_start.partition_point(|(held, _)| held.from < window.until);
        self.by_start[..end]
            .iter()
            .filter(move |(held, _)| held.overlaps(&window))
            .map(|(_, held)| held.as_ref())
    }
}
