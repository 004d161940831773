//! Jobs: programs that run once, in the window of the resource that owns them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{DefinitionSelector, JobDefinitionSpec, Pinned};
use crate::kind::{Kind, KindName};
use crate::name::Name;
use crate::session::validate_env;
use crate::state::{State, state_enum};
use crate::time::Timestamp;
use crate::validate::{Invalid, Validate};

/// The kind of jobs.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Job;

impl Kind for Job {
    const KIND: KindName = KindName::Job;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = JobSpec;
    type Status = JobStatus;
    type Desired = DesiredJobStatus;
    type Observed = JobObserved;
}

/// What is declared of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Its type.
    pub definition: DefinitionSelector,
    /// The phase of its owner that it runs for, if it runs for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Name>,
    /// Which try of that phase it is; 1 is the first.
    #[serde(default = "one")]
    pub attempt: u32,
    /// Facts for its program, as environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

impl Validate for JobSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
        validate_env(&format!("{path}.env"), &self.env, problems);
    }
}

state_enum! {
    /// Where a job is in its life.
    JobStatus {
        /// It has not begun.
        Pending,
        /// Its program runs.
        Running,
        /// Its program has done its work.
        Succeeded,
        /// Its program failed, or took too long.
        Failed,
        /// It is not wanted any more.
        Cancelled,
    }
}

impl State for JobStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Pending;

    fn may_become(self, to: Self) -> bool {
        match self {
            Self::Pending => matches!(to, Self::Running | Self::Failed | Self::Cancelled),
            Self::Running => matches!(to, Self::Succeeded | Self::Failed | Self::Cancelled),
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }
}

impl JobStatus {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What is wanted of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredJobStatus {
    /// It does its work.
    #[default]
    Succeeded,
    /// It is stopped.
    Cancelled,
}

impl fmt::Display for DesiredJobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "Succeeded",
            Self::Cancelled => "Cancelled",
        })
    }
}

/// What Tessera knows of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JobObserved {
    /// Its definition as it was when the job was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<JobDefinitionSpec>>,
    /// When it is over at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The workload that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<Name>,
    /// Its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The result of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobResult {
    /// The score, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The highest possible score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f64>,
    /// All that it said, as it said it.
    #[serde(default)]
    pub output: serde_json::Value,
}
