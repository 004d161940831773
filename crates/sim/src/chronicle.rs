//! Every commit that a run makes, and the death of the control plane right after one.
//!
//! The one idea: it outlives the control plane as the disk does. So whoever compares runs
//! looks at what was committed, whatever the control plane that did it knew of it.

use std::sync::{Arc, Mutex, MutexGuard};

use tessera_types::Committed;

/// The commits of a run. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chronicle(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    /// Those that nobody has looked at.
    fresh: Vec<Arc<Committed>>,
    count: u64,
    /// The control plane dies right after this one.
    dies_after: Option<u64>,
    is_dead: bool,
}

impl Chronicle {
    /// The control plane dies right after this commit.
    pub(crate) fn dies_after(&self, commit: u64) {
        self.contents().dies_after = Some(commit);
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("one thread")
    }

    /// Writes one down, in the moment in which it is durable.
    pub(crate) fn write(&self, committed: &Arc<Committed>) {
        let mut contents = self.contents();
        contents.fresh.push(Arc::clone(committed));
        contents.count += 1;
        contents.is_dead |= contents.dies_after == Some(contents.count);
    }

    /// Whether the control plane is dead, and only has not noticed: it commits nothing, and
    /// nothing of what it says is heard.
    pub(crate) fn is_dead(&self) -> bool {
        self.contents().is_dead
    }

    /// There is another control plane from now on.
    pub(crate) fn is_buried(&self) {
        self.contents().is_dead = false;
    }

    /// What was committed since this was called last.
    pub(crate) fn fresh(&self) -> Vec<Arc<Committed>> {
        std::mem::take(&mut self.contents().fresh)
    }

    pub(crate) fn count(&self) -> u64 {
        self.contents().count
    }
}
