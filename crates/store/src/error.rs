//! Everything that can go wrong, with what to do about it.

use std::io;
use std::path::PathBuf;

use tessera_types::{ResourceKey, Revision, Uid, limits};

use crate::options::WRITES_MAX;

/// Why nothing was committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A precondition does not hold.
    #[error("{key} is at revision {found}, not {expected}: read it again")]
    Conflict {
        /// The resource.
        key: ResourceKey,
        /// What was asked for; 0 means that there must be none.
        expected: Revision,
        /// What there is; 0 means that there is none.
        found: Revision,
        /// The identity of what there is; 0 means that there is none.
        found_id: Uid,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request: choose a new one")]
    KeyReused,
    /// The request makes no sense, whatever the state.
    #[error("{0}")]
    Invalid(#[from] InvalidCommit),
    /// No space is left. Reading goes on.
    #[error("the store's disk is full: free some space; writes then succeed again")]
    Full,
    /// The backend failed. The commit is not visible; only when the machine or
    /// the process then dies at once may it be found after the restart.
    #[error("the store cannot write: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What is wrong with a request to commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommit {
    /// It has no writes.
    #[error("a commit needs at least one write")]
    Empty,
    /// It has too many.
    #[error("a commit has at most {WRITES_MAX} writes, this one has {0}: split it")]
    TooManyWrites(usize),
    /// It writes the same resource twice.
    #[error("{0} is written twice in one commit: join the two writes")]
    WrittenTwice(ResourceKey),
    /// It makes a resource whose owner has no identity and is not made earlier in
    /// the same commit.
    #[error(
        "{key} belongs to {owner}, which has no identity and is not made earlier in the commit"
    )]
    OwnerUnknown {
        /// The resource.
        key: ResourceKey,
        /// Its owner.
        owner: ResourceKey,
    },
    /// Its idempotency key is empty or too long.
    #[error("an idempotency key has 1 to {max} bytes, this one has {0}", max = limits::IDEMPOTENCY_KEY_BYTES_MAX)]
    KeyLength(usize),
}

/// Why the store could not do what is neither a commit nor a watch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// No space is left.
    #[error("the store's disk is full: free some space")]
    Full,
    /// The backend failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a watch ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The commits after the given revision are no longer all there.
    #[error("the commits before revision {oldest} are gone: list again, then watch from there")]
    Compacted {
        /// The oldest commit that is still there.
        oldest: Revision,
    },
    /// The revision is one that this store has not reached, so it is another
    /// store's or was lost with a restored backup.
    #[error(
        "the store has not got further than revision {newest}: list again, then watch from there"
    )]
    Ahead {
        /// The newest commit.
        newest: Revision,
    },
    /// The store was closed, and what is left of its commits cannot be read.
    #[error("the store is closed")]
    Closed,
    /// The log could not be read.
    #[error("the log cannot be read: {0}")]
    Failed(String),
}

/// Why a store could not be opened. Nothing in the file was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use{}: stop that process, or use another file", path.display(), holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The database.
        path: PathBuf,
        /// The process, if it could be found out.
        holder: Option<u32>,
    },
    /// A newer release wrote it.
    #[error("{} has format {found}, and this release knows formats up to {known}: use the release that wrote it or a newer one", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is understood.
        known: u32,
    },
    /// It is something else.
    #[error("{} is not a store of Tessera ({why}): use another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: &'static str,
    },
    /// It was a store, and something is broken in it.
    #[error("{} is damaged ({what}): restore it from a backup", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is broken.
        what: String,
    },
    /// The file system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The database engine refused something.
    #[error("cannot open {}: {message}", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What the engine says.
        message: String,
    },
}
