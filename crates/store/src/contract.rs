//! The contract that every backend satisfies.
//!
//! The one idea: a commit is all of its writes or none, and everything else is
//! a view of the sequence of commits.

use std::pin::Pin;
use std::sync::Arc;

use tessera_types::limits;
use tessera_types::{
    Committed, HistoryEntry, KindName, Resource, ResourceKey, Revision, Timestamp, Write,
};

use crate::error::{CommitError, StoreError, WatchError};
use crate::stats::Stats;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is told of each commit, in order, when it is durable and before its
/// committer is answered. It runs on the thread that commits, so it must be
/// quick, and must not commit. `get` and `list` may be some commits ahead of it.
pub type Observer = Box<dyn Fn(&Arc<Committed>) + Send + Sync>;

/// An observer for whoever needs none.
#[must_use]
pub fn no_observer() -> Observer {
    Box::new(|_| ())
}

/// A request to change the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// What to write; each resource at most once. The preconditions are checked
    /// against the state before the commit. A resource may be made together with
    /// its owner: an owner with the identity 0 is the resource of that name that
    /// an earlier write of the same commit makes.
    pub writes: Vec<Write>,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// The time of the commit. It is also the store's only clock: ages are
    /// measured from the latest one seen.
    pub at: Timestamp,
    /// With which others it waits for its turn.
    pub lane: Lane,
}

impl Commit {
    /// A commit without an idempotency key, in the lane of what somebody waits for.
    #[must_use]
    pub fn new(writes: Vec<Write>, at: Timestamp) -> Self {
        Self { writes, idempotency: None, at, lane: Lane::Prompt }
    }
}

/// A line in which commits wait for their turn. The lanes take turns, so that however much waits in one, it holds up
/// the other by no more than one of its commits for each. A store that has all its commits in one line is correct too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// What somebody or a time waits for.
    #[default]
    Prompt,
    /// What comes in thousands at once and can wait.
    Bulk,
}

/// Names a request, so that a retry after a lost answer applies once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdempotencyKey {
    /// Chosen by the caller.
    pub key: String,
    /// A hash of the request; the same key with another one is refused.
    pub fingerprint: u64,
}

/// What came of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The commit. When replayed: the revision and time of the original, with
    /// the resources that it changed as they are now.
    pub committed: Arc<Committed>,
    /// Whether the idempotency key was known, so that nothing was written.
    pub replayed: bool,
}

/// Resources as they were together at one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The revision; watching from it misses nothing and repeats nothing.
    pub revision: Revision,
    /// Ordered by kind, namespace and name.
    pub resources: Vec<Resource>,
}

/// A page of history, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Only entries before this one: the `seq` of the last entry of the page
    /// before. None for the newest.
    pub before_seq: Option<u64>,
    /// At most so many entries; no more than [`limits::PAGE_MAX`] in any case.
    pub limit: usize,
}

impl Default for HistoryPage {
    fn default() -> Self {
        Self { before_seq: None, limit: limits::PAGE_DEFAULT }
    }
}

/// An entry of the history of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose.
    pub key: ResourceKey,
    /// What happened.
    pub entry: HistoryEntry,
}

/// A revisioned store. The control plane holds it as `Arc<dyn Store>`.
pub trait Store: Send + Sync {
    /// Applies all of the writes or none. When it returns an outcome, the commit
    /// is durable, and `get`, `list`, `history` and the observer know of it.
    ///
    /// A known idempotency key is answered before anything else is looked at,
    /// also when the retry has no writes left. A future that is dropped may or
    /// may not have committed.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, CommitError>>;

    /// The resource, as of the last commit.
    fn get(&self, key: &ResourceKey) -> Option<Resource>;

    /// All resources of a kind.
    fn list(&self, kind: KindName) -> Listed;

    /// All resources of all kinds.
    fn snapshot(&self) -> Listed;

    /// The revision of the last commit.
    fn revision(&self) -> Revision;

    /// Every commit after `from`, exactly once and in order.
    fn watch(&self, from: Revision) -> Watcher;

    /// The transitions of whatever had this key, newest first, also of resources
    /// that are gone.
    fn history(
        &self,
        key: &ResourceKey,
        page: HistoryPage,
    ) -> BoxFuture<'_, Result<Vec<HistoryEntry>, StoreError>>;

    /// The transitions of all resources, newest first.
    fn history_all(&self, page: HistoryPage) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>>;

    /// Forgets the commits up to `up_to`, as far as watching is concerned, and
    /// returns how far it went. State and history stay.
    fn compact(&self, up_to: Revision) -> BoxFuture<'_, Result<Revision, StoreError>>;

    /// The newest commit that was forgotten; a watch may begin from here or later.
    fn compacted(&self) -> Revision;

    /// Figures for metrics.
    fn stats(&self) -> Stats;

    /// Finishes what is under way and lets go of the files. Afterwards commits
    /// are refused, and `get` and `list` go on answering from memory.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Where a watcher's commits come from.
pub trait Feed: Send {
    /// As [`Watcher::next`].
    fn next(&mut self) -> BoxFuture<'_, Result<Arc<Committed>, WatchError>>;
}

/// Follows the commits from some revision on. A slow one costs no memory: it
/// reads from the log what the ring of recent commits no longer has.
pub struct Watcher(Box<dyn Feed>);

impl Watcher {
    /// A watcher over the backend's own feed.
    pub fn new(feed: impl Feed + 'static) -> Self {
        Self(Box::new(feed))
    }

    /// The next commit, as soon as there is one. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`WatchError`]; the next call then answers the same, or goes on where it
    /// was when the cause was passing.
    pub async fn next(&mut self) -> Result<Arc<Committed>, WatchError> {
        self.0.next().await
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}
