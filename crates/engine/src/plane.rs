//! What all parts of an engine share.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tessera_effects::Performer;
use tessera_store::journal::{Change, Journal, JournalError};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::desk::Desk;
use crate::document::Documents;
use crate::early::Door;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::scenarios::Scenarios;

/// The pause before a commit is tried again that a full disk refused.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// Traces that are made at the same time.
pub(crate) const TRACES_MAX: usize = 2;

/// For how long the disk counts as full after a commit that it refused.
const FULL_FOR: Duration = Duration::from_secs(5);

/// What all parts of an engine share.
pub(crate) struct Plane {
    pub(crate) options: Options,
    pub(crate) journal: Journal,
    pub(crate) book: Mutex<Book>,
    pub(crate) scenarios: Arc<Scenarios>,
    pub(crate) documents: Documents,
    pub(crate) performer: Performer,
    pub(crate) outbox: Outbox,
    pub(crate) metrics: Metrics,
    /// Rung when a job waits or a place is free.
    pub(crate) bell: Notify,
    /// Jobs begin to run through it.
    pub(crate) door: tokio::sync::Mutex<Door>,
    /// Who cancels a job that waits, or has one tried again, has a place at it.
    pub(crate) desk: Desk,
    /// Where runs are driven: an expression that takes its time delays other runs, and
    /// not the API.
    pub(crate) runs: Handle,
    /// Places for those who ask for a trace.
    pub(crate) traces: Semaphore,
    /// When a commit was last refused since the journal's disk is full, if none was made since.
    pub(crate) disk_full_at: Mutex<Option<Instant>>,
    pub(crate) stopping: CancellationToken,
}

/// The way back to the plane for what it is made with. It leads nowhere until the plane
/// is complete, and after it has gone.
#[derive(Clone, Default)]
pub(crate) struct Link(Arc<OnceLock<Weak<Plane>>>);

impl Link {
    pub(crate) fn set(&self, plane: &Arc<Plane>) {
        let _ = self.0.set(Arc::downgrade(plane));
    }

    pub(crate) fn plane(&self) -> Option<Arc<Plane>> {
        self.0.get()?.upgrade()
    }
}

impl Plane {
    /// Commits, and notes whether the disk is full.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let result = self.journal.commit(changes).await;
        let is_full = result == Err(JournalError::Full);
        let full_at = is_full.then(Instant::now);
        let was_full = std::mem::replace(&mut *self.disk_full_at.lock(), full_at).is_some();
        if was_full != is_full {
            match is_full {
                true => {
                    tracing::error!(target: "tessera::engine", "the journal's disk is full: jobs wait until there is space");
                }
                false => tracing::info!(target: "tessera::engine", "the journal has space again"),
            }
        }
        result
    }

    /// Whether the journal's disk is full, as far as is known: what waits for space tries again all
    /// the time, and where nothing waits only another try can tell.
    pub(crate) fn disk_is_full(&self) -> bool {
        self.disk_full_at.lock().is_some_and(|at| at.elapsed() < FULL_FOR)
    }

    /// Commits; while the disk is full, waits and tries again.
    pub(crate) async fn commit_patiently(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        loop {
            match self.commit(changes.clone()).await {
                Err(JournalError::Full) => {}
                done => return done,
            }
            tokio::select! {
                () = tokio::time::sleep(FULL_PAUSE) => {}
                () = self.stopping.cancelled() => return Err(JournalError::Closed),
            }
        }
    }
}
