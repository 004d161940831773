//! How a failed commit is answered.

use tessera_api::ApiError;
use tessera_store::{CommitError, StoreError, WatchError};
use tessera_types::Problem;
use tessera_types::problem::Code;

/// The problem of a commit that was refused or failed.
pub(crate) fn of_commit(error: CommitError) -> Problem {
    match error {
        CommitError::Conflict { key, expected, found, .. } => {
            Problem::new(Code::Conflict, format!("{key} has changed meanwhile"))
                .instance(key)
                .fact("expected_revision", expected)
                .fact("found_revision", found)
                .remedy("read it again, and repeat the change")
        }
        CommitError::KeyReused => Problem::new(
            Code::IdempotencyKeyReused,
            "the idempotency key was used for another request",
        )
        .remedy("choose a new key for each write"),
        CommitError::Invalid(why) => Problem::new(Code::InvalidRequest, why.to_string()),
        CommitError::Full => {
            Problem::new(Code::StorageFull, "the store's disk is full; nothing was changed")
                .remedy("free some space on the control plane's disk, then repeat the request")
        }
        CommitError::Closed => stopping(),
        CommitError::Failed(detail) => {
            tracing::error!(target: "tessera::store", %detail, "a commit failed");
            Problem::new(Code::StorageFailed, "the store cannot write; nothing was changed")
                .remedy("see the control plane's log")
        }
    }
}

/// The problem of a history that cannot be read.
pub(crate) fn of_store(error: StoreError) -> Problem {
    match error {
        StoreError::Closed => stopping(),
        StoreError::Full => of_commit(CommitError::Full),
        StoreError::Failed(detail) => {
            tracing::error!(target: "tessera::store", %detail, "the store cannot read");
            Problem::new(Code::StorageFailed, "the store cannot read")
                .remedy("see the control plane's log")
        }
    }
}

/// The problem of a watch that cannot go on.
pub(crate) fn of_watch(error: WatchError) -> Problem {
    let remedy = "list the resources, then watch from the list's revision";
    match error {
        WatchError::Compacted { oldest } => Problem::new(
            Code::Compacted,
            format!("the changes before revision {oldest} are no longer kept"),
        )
        .fact("oldest_revision", oldest)
        .remedy(remedy),
        WatchError::Ahead { newest } => Problem::new(
            Code::Compacted,
            format!("the store has not got further than revision {newest}"),
        )
        .fact("newest_revision", newest)
        .remedy(remedy),
        WatchError::Closed => stopping(),
        WatchError::Failed(detail) => of_store(StoreError::Failed(detail)),
    }
}

/// The problem of a request that arrives while the control plane stops.
pub(crate) fn stopping() -> Problem {
    Problem::new(Code::Unavailable, "the control plane is stopping").remedy("try again in a moment")
}

/// As the answer to a request.
pub(crate) fn commit_error(error: CommitError) -> ApiError {
    of_commit(error).into()
}
