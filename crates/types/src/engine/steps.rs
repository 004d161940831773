//! The trace of a job: what it did, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{JobId, JobStatus};
use crate::omitted::is_default;
use crate::state::state_enum;
use crate::time::Timestamp;

/// The trace of a job's current attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobSteps {
    /// The job.
    pub job: JobId,
    /// Which attempt.
    pub attempt: u32,
    /// How the job stands.
    pub status: JobStatus,
    /// Entries of its journal.
    pub entries: u64,
    /// The tasks that it has come to, in that order; the last ones where there are many.
    pub steps: Vec<JobStep>,
}

/// A task that was begun, or passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobStep {
    /// The task, as a JSON pointer into its document.
    pub task: String,
    /// Of a task of another workflow: the tasks that run it, as JSON pointers into theirs, the
    /// outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// Which round of the loop around it; none outside of loops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
    /// How it stands.
    pub status: StepStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How often it was tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
    /// Why it faulted, also where that was caught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

state_enum! {
    /// How a task stands.
    StepStatus {
        /// It is under way.
        Running,
        /// It is paused.
        Suspended,
        /// It came to its end.
        Completed,
        /// It could not.
        Faulted,
        /// It was not wanted any more.
        Cancelled,
        /// Its condition did not hold.
        Skipped,
    }
}
