//! The journal of a run: what has happened to it, in order.

use serde::{Deserialize, Serialize};
use tessera_types::Timestamp;

use super::{Error, StepId};

/// Something that has happened to a run. It is stored before the machine is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When. Never before the one before it.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// What can happen to a run after it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// An effect succeeded. What its result is depends on its action.
    Done {
        /// The effect.
        step: StepId,
        /// Its result.
        result: serde_json::Value,
    },
    /// An effect failed.
    Failed {
        /// The effect.
        step: StepId,
        /// Why.
        error: Error,
    },
    /// The time that the machine asked to be woken at has come.
    Woken,
    /// An event came that a task of this run listens to, or may later. It is offered to all tasks
    /// that listen, each that wants it gets it, and one that nobody wants is kept until a task does.
    /// One that is told twice is two events.
    Event(CloudEvent),
    /// Somebody cancels the run.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// Somebody pauses the run: what is under way ends, nothing new begins. Time goes on: what was
    /// over meanwhile, a wait or a timeout, is over when the run is resumed.
    Suspended,
    /// Somebody lets it go on.
    Resumed,
}

/// An event in the JSON format of CloudEvents 1.0: an object of its attributes, with `data` or
/// `data_base64`.
pub type CloudEvent = serde_json::Map<String, serde_json::Value>;
