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
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::scenarios::Scenarios;
use crate::traces::Traces;

/// The pause before something is tried again that the journal has failed to store.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 1000 });

/// For how long the journal counts as in trouble after a commit that it did not make.
const TROUBLE_FOR: Duration = Duration::from_secs(5);

/// What keeps the journal from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its disk is full.
    Full,
    /// Its disk does not take what is written.
    Failing,
}

impl Trouble {
    fn of(error: &JournalError) -> Option<Self> {
        match error {
            JournalError::Full => Some(Self::Full),
            JournalError::Failed(_) => Some(Self::Failing),
            _ => None,
        }
    }

    /// What is wrong, and what comes of it.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Full => "the journal's disk is full: jobs wait until there is space",
            Self::Failing => {
                "the journal cannot be written: jobs wait until it can; the log says why"
            }
        }
    }
}

/// What is known of the journal from the last commit that was begun, of those that have ended.
///
/// Commits overlap, and one that was begun before another may end after it: its end is then no news.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Commits begun.
    begun: u64,
    /// Which of them this is the outcome of.
    of: u64,
    /// What kept it from being made, and when; none if it was made.
    trouble: Option<(Trouble, Instant)>,
}

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
    pub(crate) memory: Memory,
    /// Places for runs that are replayed: what they will hold is not known before.
    pub(crate) replays: Semaphore,
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
    pub(crate) traces: Traces,
    pub(crate) outcome: Mutex<Outcome>,
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
    /// Commits, and notes whether the journal can be written.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let number = {
            let mut outcome = self.outcome.lock();
            outcome.begun += 1;
            outcome.begun
        };
        let result = self.make(changes).await;
        self.note(number, result.as_ref().err().and_then(Trouble::of));
        result
    }

    /// Notes how the commit of a number has ended, unless one that was begun later has before it.
    fn note(&self, number: u64, trouble: Option<Trouble>) {
        let before = {
            let mut outcome = self.outcome.lock();
            if number < outcome.of {
                return;
            }
            outcome.of = number;
            std::mem::replace(&mut outcome.trouble, trouble.map(|it| (it, Instant::now())))
        };
        match trouble {
            _ if before.map(|(it, _)| it) == trouble => {}
            Some(trouble) => tracing::error!(target: "tessera::engine", "{}", trouble.detail()),
            None => tracing::info!(target: "tessera::engine", "the journal can be written again"),
        }
    }

    #[cfg(not(test))]
    async fn make(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        self.journal.commit(changes).await
    }

    #[cfg(test)]
    async fn make(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        self.options.faults.commit(&self.journal, changes).await
    }

    /// What keeps the journal from being written, as far as is known: what waits for it tries again
    /// all the time, and where nothing waits only another try can tell.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let noted = self.outcome.lock().trouble;
        noted.filter(|(_, at)| at.elapsed() < TROUBLE_FOR).map(|(trouble, _)| trouble)
    }

    /// Commits; while the disk is full, waits and tries again.
    pub(crate) async fn commit_patiently(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        loop {
            match self.commit(changes.clone()).await {
                Err(JournalError::Full) => {}
                done => return done,
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = self.stopping.cancelled() => return Err(JournalError::Closed),
            }
        }
    }
}
