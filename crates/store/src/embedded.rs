//! The handle of a store that this crate keeps, whatever its backend.

use std::sync::Arc;
use std::sync::mpsc;

use parking_lot::Mutex;
use tessera_types::{HistoryEntry, KindName, Resource, ResourceKey, Revision, limits};
use tokio::sync::{Semaphore, oneshot};

use crate::contract::{
    AuditEntry, BoxFuture, Commit, HistoryPage, Lane, Listed, Outcome, Store, Watcher,
};
use crate::engine::{Engine, Job};
use crate::error::{CommitError, StoreError};
use crate::memory::MemoryBackend;
use crate::shared::SharedStore;
use crate::stats::Stats;
use crate::watcher::EmbeddedFeed;
use crate::writer::Message;

/// Commits of each lane that wait for the writer, at most; further ones wait for a place.
const QUEUE_MAX: usize = 4096;

/// A store that this crate keeps, in memory or in a file. Cheap to clone; when
/// the last clone is dropped the store is closed, which [`Store::close`] can be
/// asked for to wait for.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: SharedStore,
    submit: Submit,
}

/// How a request reaches the engine.
#[derive(Clone)]
enum Submit {
    /// At once, on the caller's thread: nothing depends on the scheduling of
    /// threads, which the simulation needs. None once it is closed.
    Inline(Arc<Mutex<Option<Engine<MemoryBackend>>>>),
    /// Through a queue to the writer's thread.
    Queued { queue: mpsc::Sender<Message>, places: Places },
}

/// Places in the queue, of each lane its own.
#[derive(Clone)]
struct Places {
    prompt: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

impl Places {
    fn new() -> Self {
        let places = || Arc::new(Semaphore::new(QUEUE_MAX));
        Self { prompt: places(), bulk: places() }
    }

    fn of(&self, lane: Lane) -> &Semaphore {
        match lane {
            Lane::Prompt => &self.prompt,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl EmbeddedStore {
    pub(crate) fn inline(engine: Engine<MemoryBackend>) -> Self {
        let shared = Arc::clone(engine.shared());
        Self { shared, submit: Submit::Inline(Arc::new(Mutex::new(Some(engine)))) }
    }

    pub(crate) fn queued(shared: SharedStore, queue: mpsc::Sender<Message>) -> Self {
        Self { shared, submit: Submit::Queued { queue, places: Places::new() } }
    }

    async fn submit(&self, commit: Commit) -> Result<Outcome, CommitError> {
        let (job, answer) = Job::new(commit);
        match &self.submit {
            Submit::Inline(engine) => {
                with_engine(engine, |engine| engine.commit_batch(job, || None));
                answer.await
            }
            Submit::Queued { queue, places } => {
                let _place =
                    places.of(job.lane()).acquire().await.map_err(|_| CommitError::Closed)?;
                queue.send(Message::Commit(job)).map_err(|_| CommitError::Closed)?;
                answer.await
            }
        }
        .unwrap_or(Err(CommitError::Closed))
    }

    async fn request_compaction(&self, up_to: Revision) -> Result<Revision, StoreError> {
        let (answer, done) = oneshot::channel();
        match &self.submit {
            Submit::Inline(engine) => with_engine(engine, |engine| engine.compact(up_to, answer)),
            Submit::Queued { queue, .. } => {
                let _ = queue.send(Message::Compact { up_to, answer });
            }
        }
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn request_close(&self) {
        match &self.submit {
            Submit::Inline(engine) => {
                if let Some(mut engine) = engine.lock().take() {
                    engine.close();
                }
            }
            Submit::Queued { queue, .. } => {
                let (answer, done) = oneshot::channel();
                if queue.send(Message::Close(answer)).is_ok() {
                    // The writer answers, or has ended for another reason.
                    let _ = done.await;
                }
            }
        }
    }
}

/// Runs `action` and the chores that follow from it, unless the store is closed. How much time
/// has passed plays no part, as the simulation has a time of its own.
fn with_engine(
    engine: &Mutex<Option<Engine<MemoryBackend>>>,
    action: impl FnOnce(&mut Engine<MemoryBackend>),
) {
    let mut engine = engine.lock();
    let Some(engine) = engine.as_mut() else { return };
    action(engine);
    while engine.press_on() {}
}

impl Store for EmbeddedStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, CommitError>> {
        Box::pin(self.submit(commit))
    }

    fn get(&self, key: &ResourceKey) -> Option<Resource> {
        self.shared.index.read().get(key).map(|versioned| versioned.resource.clone())
    }

    fn list(&self, kind: KindName) -> Listed {
        self.shared.index.read().list(kind)
    }

    fn snapshot(&self) -> Listed {
        self.shared.index.read().snapshot()
    }

    fn revision(&self) -> Revision {
        self.shared.index.read().revision()
    }

    fn watch(&self, from: Revision) -> Watcher {
        Watcher::new(EmbeddedFeed::new(Arc::clone(&self.shared), from))
    }

    fn history(
        &self,
        key: &ResourceKey,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<HistoryEntry>, StoreError>> {
        let key = key.clone();
        Box::pin(async move {
            let found = self.shared.history(Some(key), bounded(page)).await?;
            Ok(found.into_iter().map(|audit| audit.entry).collect())
        })
    }

    fn history_all(&self, page: HistoryPage) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        Box::pin(async move { Ok(self.shared.history(None, bounded(page)).await?) })
    }

    fn compact(&self, up_to: Revision) -> BoxFuture<'_, Result<Revision, StoreError>> {
        Box::pin(self.request_compaction(up_to))
    }

    fn compacted(&self) -> Revision {
        self.shared.compacted_at()
    }

    fn stats(&self) -> Stats {
        self.shared.stats()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.request_close())
    }
}

fn bounded(page: HistoryPage) -> HistoryPage {
    HistoryPage { limit: page.limit.min(limits::PAGE_MAX), ..page }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("revision", &self.revision()).finish_non_exhaustive()
    }
}
