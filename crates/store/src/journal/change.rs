//! What can be changed, and why it may not be.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::Timestamp;

use crate::engine::backend::Fault;
use crate::journal::CHANGES_MAX;

/// A job's number in its file. Who submits chooses it; it is never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobNumber(pub u64);

impl JobNumber {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for JobNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Keeps a text that many jobs share; nothing happens when it is there.
    Keep {
        /// Its hash.
        hash: Arc<str>,
        /// The text.
        text: Arc<str>,
    },
    /// A new job.
    Create(NewJob),
    /// How a job stands from now on.
    State {
        /// The job.
        job: JobNumber,
        /// Its state.
        body: String,
        /// When it ended, if it has.
        ended_at: Option<Timestamp>,
    },
    /// What came of a job; what came of it before is replaced.
    Outcome {
        /// The job.
        job: JobNumber,
        /// What came of it.
        body: String,
    },
    /// Something has happened to a job.
    Append {
        /// The job.
        job: JobNumber,
        /// The entry's number, which no other entry of the job has.
        seq: u64,
        /// The entry.
        body: String,
    },
    /// An event is to be sent.
    Send {
        /// The job.
        job: JobNumber,
        /// The event's number, which no other event of the job has.
        number: u64,
        /// When, at the earliest.
        at: Timestamp,
        /// The event.
        body: String,
    },
    /// How an event stands from now on.
    Stands {
        /// The job.
        job: JobNumber,
        /// The event's number.
        number: u64,
        /// How it stands.
        standing: Standing,
        /// How often it was sent without success.
        attempts: u32,
        /// When it is sent next; when it was decided, if it is not sent again.
        at: Timestamp,
        /// What went wrong last.
        note: Option<String>,
    },
}

/// A job that is submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Its number.
    pub number: JobNumber,
    /// A key that no other job may have.
    pub key: Option<Arc<str>>,
    /// The hash of a text that it refers to. The text is kept as long as a job does.
    pub text: Option<Arc<str>>,
    /// What was submitted, which never changes.
    pub body: String,
    /// How it stands.
    pub state: String,
}

/// How an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is to be sent.
    Pending,
    /// It has arrived.
    Delivered,
    /// It was given up.
    Dead,
}

impl Standing {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
        }
    }

    pub(super) fn of(code: i64) -> Result<Self, Fault> {
        match code {
            0 => Ok(Self::Pending),
            1 => Ok(Self::Delivered),
            2 => Ok(Self::Dead),
            other => Err(Fault::Damaged(format!("an event cannot stand as {other}"))),
        }
    }
}

/// Why a commit was not made, or a question not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another job has the idempotency key.
    #[error("job {by} has this idempotency key: choose a new one")]
    KeyUsed {
        /// The job.
        by: JobNumber,
    },
    /// A change is of a job or an event that is not there.
    #[error("there is no {0} in the journal")]
    Unknown(String),
    /// A change makes something that is there.
    #[error("{0} is in the journal already")]
    Taken(String),
    /// Too many changes at once.
    #[error("a commit has at most {CHANGES_MAX} changes, this one has {0}: split it")]
    TooManyChanges(usize),
    /// No space is left. Reading goes on.
    #[error("the journal's disk is full: free some space; writes then succeed again")]
    Full,
    /// The file cannot be read or written.
    #[error("the journal failed: {0}")]
    Failed(String),
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Damaged(message) | Fault::Failed(message) => Self::Failed(message),
            Fault::Closed => Self::Closed,
        }
    }
}
