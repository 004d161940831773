//! How failures are answered.

use tessera_store::journal::JournalError;
use tessera_types::Problem;
use tessera_types::engine::{JobError, JobId};
use tessera_types::problem::Code;
use tessera_workflow::machine::{Error, kind};

/// The problem of a commit that was not made, or of a question that was not answered.
pub(crate) fn of_journal(error: JournalError) -> Problem {
    match error {
        JournalError::Full => {
            Problem::new(Code::StorageFull, "the journal's disk is full; nothing was changed")
                .remedy("free some space on the engine's disk, then repeat the request")
        }
        JournalError::Closed => stopping(),
        other => {
            tracing::error!(target: "tessera::engine", error = %other, "the journal failed");
            Problem::new(Code::StorageFailed, "the journal cannot be read or written")
                .remedy("see the engine's log")
        }
    }
}

/// The problem of a request that arrives while the engine stops.
pub(crate) fn stopping() -> Problem {
    Problem::new(Code::Unavailable, "the engine is stopping").remedy("try again in a moment")
}

/// The problem of a job that is not there.
pub(crate) fn no_job(id: &JobId) -> Problem {
    Problem::not_found(format!("job {id}"))
}

/// The error of a run, as a job has it.
pub(crate) fn job_error(error: &Error) -> JobError {
    JobError {
        kind: error.kind.to_string(),
        status: error.status,
        title: error.title.as_deref().map(str::to_owned),
        detail: error.detail.as_deref().map(str::to_owned),
        instance: error.instance.to_string(),
    }
}

/// The error of a run that fails because of the engine, or of a limit of its.
pub(crate) fn runtime(detail: impl Into<std::sync::Arc<str>>) -> Error {
    Error::new(kind::RUNTIME, 500, "The job cannot go on", detail)
}
