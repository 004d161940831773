//! What is known of a run from outside: how it stands, how it ended, what it waits for.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::Timestamp;

use super::{Effect, Error, StepId};
use crate::value::Value;

/// What the shell is to do.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few at a time, and hardly any is the small one")]
pub enum Command {
    /// Begin an effect, and store its end.
    Do(Effect),
    /// Stop an effect. Its end no longer matters. It may have been begun before a crash, so an
    /// effect that nobody here knows is no mistake.
    Cancel(StepId),
}

/// How a run stands: the specification's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    Pending,
    /// An effect is under way.
    Running,
    /// Nothing but time or an event brings it on.
    Waiting,
    /// Paused by somebody.
    Suspended,
    /// Ended by somebody.
    Cancelled,
    /// Ended by an error.
    Faulted,
    /// Done.
    Completed,
}

/// How a run ended. No secret's text is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this output.
    Completed(Value),
    /// With this error.
    Faulted(Error),
    /// Because somebody said so, with the reason.
    Cancelled(Arc<str>),
}

/// A step in the life of a run or of one of its tasks: what lifecycle events, traces and progress
/// are made of. No secret's text is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Its number in the run, from 0 without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The run: the id of this one, or that of a workflow within it.
    pub run: Arc<str>,
    /// The tasks that this run is part of, as JSON pointers, the outermost first; none of the whole.
    pub within: Arc<[Arc<str>]>,
    /// The task; none when it is the run itself.
    pub task: Option<TaskPoint>,
    /// What.
    pub what: Observed,
}

/// Which task is observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPoint {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands in its document, as a JSON pointer.
    pub reference: Arc<str>,
    /// The round of the innermost loop around it, from 0.
    pub iteration: Option<u64>,
}

/// What is observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// The task is to run.
    Created,
    /// It runs.
    Started,
    /// Its condition does not hold, so it does not run.
    Skipped,
    /// It is paused.
    Suspended,
    /// It goes on.
    Resumed,
    /// Its error is caught and it is tried again.
    Retried {
        /// The number of the retry, from 1.
        attempt: u32,
        /// When it begins.
        at: Timestamp,
        /// Why.
        error: Error,
    },
    /// It was ended before it was done.
    Cancelled,
    /// It ended with an error.
    Faulted(Error),
    /// It is done, with this output.
    Completed(Value),
    /// It began to listen for events that belong together.
    CorrelationStarted,
    /// It has them; the values in common by name.
    CorrelationCompleted(Value),
    /// Something else that a person may want to know.
    Note(String),
}

/// What a task listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The task, as a JSON pointer.
    pub task: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// The types of the events that it may consume. None: any type.
    pub types: Option<Vec<Arc<str>>>,
    /// Whether it waits for one of each.
    pub needs_all: bool,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.types.as_deref() {
            None => write!(f, "any event"),
            Some([only]) => write!(f, "an event {only}"),
            Some(types) if self.needs_all => write!(f, "each of the events {}", types.join(", ")),
            Some(types) => write!(f, "one of the events {}", types.join(", ")),
        }?;
        write!(f, " ({})", self.task)
    }
}

impl Status {
    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Cancelled | Self::Faulted | Self::Completed)
    }
}
