//! A store for tests that does not take what a test says.

use std::path::Path;
use std::sync::Arc;

use tessera_store::{
    AuditEntry, BoxFuture, Commit, CommitError, HistoryPage, Listed, Observer, OpenError, Outcome,
    Stats, Store, StoreError, Watcher,
};
use tessera_types::{HistoryEntry, KindName, Resource, ResourceKey, Revision, Write};

type Refuses = fn(&Write) -> bool;

/// Refuses every commit with such a write in it; else it is the store within.
struct PickyStore {
    within: Arc<dyn Store>,
    refuses: Refuses,
}

/// Opens a store that refuses such writes.
pub(crate) fn open(
    refuses: Refuses,
) -> impl FnOnce(&Path, Observer) -> Result<Arc<dyn Store>, OpenError> {
    move |path, observer| {
        let options = tessera_store::Options::default();
        let within = Arc::new(tessera_store::sqlite::open(path, options, observer)?);
        Ok(Arc::new(PickyStore { within, refuses }))
    }
}

impl Store for PickyStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, CommitError>> {
        if commit.writes.iter().any(self.refuses) {
            return Box::pin(async { Err(CommitError::Failed("a fault for the test".to_owned())) });
        }
        self.within.commit(commit)
    }

    fn get(&self, key: &ResourceKey) -> Option<Resource> {
        self.within.get(key)
    }

    fn list(&self, kind: KindName) -> Listed {
        self.within.list(kind)
    }

    fn snapshot(&self) -> Listed {
        self.within.snapshot()
    }

    fn revision(&self) -> Revision {
        self.within.revision()
    }

    fn watch(&self, from: Revision) -> Watcher {
        self.within.watch(from)
    }

    fn history(
        &self,
        key: &ResourceKey,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<HistoryEntry>, StoreError>> {
        self.within.history(key, page)
    }

    fn history_all(&self, page: HistoryPage) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        self.within.history_all(page)
    }

    fn compact(&self, up_to: Revision) -> BoxFuture<'_, Result<Revision, StoreError>> {
        self.within.compact(up_to)
    }

    fn compacted(&self) -> Revision {
        self.within.compacted()
    }

    fn stats(&self) -> Stats {
        self.within.stats()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.within.close()
    }
}
