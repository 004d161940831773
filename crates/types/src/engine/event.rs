//! Events about jobs, and what became of those that nobody took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::{JobError, JobId, JobStatus, Progress, ScenarioName};
use crate::time::Timestamp;

/// The source of the engine's events, unless it is told otherwise.
pub const EVENT_SOURCE: &str = "scenario-engine";

/// What an event says about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEventKind {
    /// It has begun.
    Started,
    /// It has come further.
    Progress,
    /// It came to its end.
    Completed,
    /// It could not.
    Failed,
    /// It was not wanted any more.
    Cancelled,
}

impl JobEventKind {
    /// Every kind.
    pub const ALL: &'static [Self] =
        &[Self::Started, Self::Progress, Self::Completed, Self::Failed, Self::Cancelled];

    /// The event's `type`.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Started => "scenario_engine.job.started.v1",
            Self::Progress => "scenario_engine.job.progress.v1",
            Self::Completed => "scenario_engine.job.completed.v1",
            Self::Failed => "scenario_engine.job.failed.v1",
            Self::Cancelled => "scenario_engine.job.cancelled.v1",
        }
    }

    /// The kind of events of this `type`.
    #[must_use]
    pub fn of_type(event_type: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.event_type() == event_type)
    }

    /// Whether nothing follows it, unless a person has the job tried again.
    #[must_use]
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// The `data` of an event about a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobEventData {
    /// The job.
    pub job_id: JobId,
    /// Its scenario.
    pub scenario: ScenarioName,
    /// How it stands.
    pub status: JobStatus,
    /// Which attempt it is at.
    pub attempt: u32,
    /// The event's number within the job: one with a lower number is older.
    pub sequence: u64,
    /// How far the job is.
    pub progress: Progress,
    /// What it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// What it came to, once it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The definition of the pod that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_definition_id: Option<String>,
    /// What the submission had as metadata.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// Events that were given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    /// By job and number; the first of many.
    pub items: Vec<DeadLetter>,
    /// How many there are.
    pub total: u64,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// The job that it is about.
    pub job: JobId,
    /// Its number within the job.
    pub sequence: u64,
    /// Where it was sent.
    pub callback_url: String,
    /// How often.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event.
    pub event: Value,
}

/// Which events that were given up are to be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    /// Only those about this job; all when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Only the one of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// How many events are sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// How many.
    pub replayed: u64,
}

/// What became of events for jobs that listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventsTaken {
    /// Of each event, in the order of the request.
    pub events: Vec<EventTaken>,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventTaken {
    /// The event's id.
    pub id: String,
    /// The event's source.
    pub source: String,
    /// The jobs that were given it and have not had it before.
    pub jobs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_tells_the_kind() {
        for kind in JobEventKind::ALL {
            assert_eq!(JobEventKind::of_type(kind.event_type()), Some(*kind));
        }
        assert_eq!(JobEventKind::of_type("scenario_engine.job.started.v2"), None);
    }
}
