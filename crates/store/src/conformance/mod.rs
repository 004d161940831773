//! The suite that every backend passes.
//!
//! The one idea: a case knows only the contract. A backend gives a [`Subject`],
//! and [`run`] plays every case on a fresh one; with [`Restarts::BetweenSteps`]
//! the store is stopped and opened again between the steps of each case, which
//! must make no difference to anybody.

mod commits;
mod contention;
mod history;
mod idempotency;
pub mod sample;
mod watching;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tessera_types::{Committed, Revision, Timestamp, Write};

use crate::contract::{BoxFuture, Commit, Observer, Outcome, Store};
use crate::error::CommitError;

/// Somewhere a store can be kept. Its stores should hold only a few commits in
/// memory and write their checkpoint often, so that the suite reaches all ways
/// of answering.
pub trait Subject: Send + Sync + 'static {
    /// Opens the store: the first time empty, later with what it had.
    fn open(&self, observer: Observer) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Stops it, so that it can be opened again.
    fn stop(&self, store: Arc<dyn Store>) -> BoxFuture<'_, ()> {
        Box::pin(async move { store.close().await })
    }
}

/// Whether a store lives through a whole case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// It does.
    Never,
    /// It is stopped and opened between the steps.
    BetweenSteps,
}

/// A case of the suite.
pub type Case = fn(Harness) -> BoxFuture<'static, ()>;

macro_rules! cases {
    ($($module:ident::$case:ident),+ $(,)?) => {
        /// Every case, with its name.
        pub const CASES: &[(&str, Case)] =
            &[$((stringify!($case), |harness| Box::pin($module::$case(harness)))),+];
    };
}

cases! {
    commits::a_creation_needs_absence,
    commits::an_update_needs_the_same_identity_and_revision,
    commits::a_deletion_needs_the_same_identity_and_revision,
    commits::all_writes_are_made_or_none,
    commits::revisions_increase_by_one,
    commits::identities_are_never_reused,
    commits::senseless_commits_are_refused,
    commits::a_tree_is_made_at_once,
    commits::resources_come_back_whole,
    commits::each_part_of_a_declaration_is_kept_by_itself,
    commits::the_observer_knows_before_the_committer,
    contention::exactly_one_of_many_creators_wins,
    contention::no_update_is_lost,
    contention::lists_show_one_moment,
    history::it_outlives_its_resources,
    history::pages_fit_together,
    idempotency::a_retry_changes_nothing,
    idempotency::a_key_belongs_to_one_request,
    idempotency::a_refused_commit_does_not_use_its_key,
    idempotency::concurrent_retries_apply_once,
    idempotency::keys_are_forgotten_after_their_time,
    watching::a_watch_from_any_revision_sees_the_rest,
    watching::watchers_that_reconnect_miss_and_repeat_nothing,
    watching::a_dropped_wait_loses_nothing,
    watching::a_compacted_revision_is_refused,
    watching::compaction_changes_neither_state_nor_history,
    watching::a_watcher_that_keeps_up_is_not_troubled_by_compaction,
    watching::a_revision_that_was_never_reached_is_refused,
    watching::closing_ends_a_watch,
}

/// Plays every case, each on a store of its own.
///
/// # Panics
/// When cases fail; the message names them.
pub async fn run<S: Subject>(make: impl Fn() -> S, restarts: Restarts) {
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let harness = Harness::new(make(), restarts).await;
        // A task of its own, so that one failure does not hide the others.
        if tokio::spawn(case(harness)).await.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "these cases failed with {restarts:?}: {}", failed.join(", "));
}

/// What the observer was told, in order.
pub type Observed = Arc<Mutex<Vec<Arc<Committed>>>>;

/// The store that a case plays with.
pub struct Harness {
    subject: Box<dyn Subject>,
    restarts: Restarts,
    clock_s: AtomicI64,
    /// What the observer was told since the store was opened.
    pub observed: Observed,
    /// None only while it is stopped.
    store: Option<Arc<dyn Store>>,
}

impl Harness {
    async fn new(subject: impl Subject, restarts: Restarts) -> Self {
        let observed = Observed::default();
        let store = subject.open(record_in(&observed)).await;
        let clock_s = AtomicI64::new(1_800_000_000);
        Self { subject: Box::new(subject), restarts, clock_s, observed, store: Some(store) }
    }

    /// Between two steps of a case.
    pub async fn step(&mut self) {
        if self.restarts == Restarts::BetweenSteps {
            self.restart().await;
        }
    }

    /// Stops the store and opens it again.
    pub async fn restart(&mut self) {
        if let Some(store) = self.store.take() {
            self.subject.stop(store).await;
        }
        self.observed.lock().clear();
        self.store = Some(self.subject.open(record_in(&self.observed)).await);
    }

    /// The store.
    ///
    /// # Panics
    /// Never between steps: the store is open then.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().expect("a store is stopped only while it is opened again")
    }

    /// A time that is later than any before.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock_s.fetch_add(1, Ordering::Relaxed) * 1_000_000)
    }

    /// Commits without an idempotency key.
    ///
    /// # Errors
    /// As the store.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Outcome, CommitError> {
        self.store().commit(Commit::new(writes, self.now())).await
    }

    /// Commits what cannot fail, and returns the commit.
    pub async fn apply(&self, writes: Vec<Write>) -> Arc<Committed> {
        self.commit(writes).await.expect("the preconditions hold").committed
    }

    /// The next `count` commits after `from`.
    pub async fn watched(&self, from: Revision, count: usize) -> Vec<Arc<Committed>> {
        let mut watcher = self.store().watch(from);
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            seen.push(watcher.next().await.expect("the commits are there"));
        }
        seen
    }
}

fn record_in(observed: &Observed) -> Observer {
    let observed = Arc::clone(observed);
    Box::new(move |committed| observed.lock().push(Arc::clone(committed)))
}
