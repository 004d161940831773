//! What Tessera knows of a timed resource besides its status.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifecycle::{Lifecycle, OverridesPolicy};
use super::pipeline::PipelineProgress;
use super::timeslot::Timeslot;
use crate::catalogue::{JobDefinitionSpec, Pinned, ReportDefinitionSpec};
use crate::envelope::Object;
use crate::kind::Kind;
use crate::limits;
use crate::name::Name;
use crate::state::Actor;
use crate::time::{Duration, Timestamp};

/// What Tessera knows of every timed resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TimedObserved {
    /// The window that holds now: as declared, extended or shifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeslot: Option<Timeslot>,
    /// The definitions of the jobs of its phases, by the phase's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<Name, Pinned<JobDefinitionSpec>>,
    /// The definition of its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Pinned<ReportDefinitionSpec>>,
    /// When its provisioning began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_at: Option<Timestamp>,
    /// When it became Active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it stopped being Active for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What was decided when it was late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<Lateness>,
    /// The phases of its present state that have begun, in order; while it is graded
    /// also those of Active, to which it may go back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseRun>,
    /// How the steps of its pipelines stand, by the phase's name; of a phase that is
    /// over until it begins anew.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pipeline_progress: BTreeMap<Name, PipelineProgress>,
    /// Jobs of the engine that are not wanted any more and have not been cancelled yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwanted_jobs: Vec<UnwantedJob>,
    /// What operators and events ask for and has not been seen to yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Requested>,
    /// What could not be removed by its deadline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
}

/// A job of the engine that is not wanted any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnwantedJob {
    /// What its events and the engine know the try of its step by.
    pub correlation_id: String,
    /// The engine's id of the job, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Its scenario, `name@version`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scenario: String,
}

impl fmt::Display for UnwantedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "engine-job/{}", self.job_id.as_ref().unwrap_or(&self.correlation_id))
    }
}

/// What came of a timed resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took place.
    Completed,
    /// It failed.
    Failed,
    /// Somebody cancelled it, or its parent gave it up.
    Cancelled,
    /// It did not take place: it was too late, and is declared so.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        })
    }
}

/// Why a resource is Failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The phase that failed, or the child.
    pub of: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time: of a child that failed, the cause of that.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for Failure {
    /// The cause first: `workload/desk-web exited with code 3, so phase provision failed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, so {} failed", self.message, self.of)
    }
}

/// A boundary of a timeslot that a resource can be late for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// The beginning of its provisioning.
    ProvisionAt,
    /// The opening of its window.
    Start,
    /// The end of its window.
    End,
}

/// What was decided about a resource that was late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lateness {
    /// What it was late for.
    pub boundary: Boundary,
    /// By how much.
    pub by: Duration,
    /// What was decided.
    pub decision: LateDecision,
    /// When.
    pub at: Timestamp,
}

/// What was decided about a resource that was late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateDecision {
    /// It does not take place.
    Skipped,
    /// It has less time.
    Shortened,
    /// It takes place later.
    Shifted,
}

/// A phase that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRun {
    /// The phase; `provision` and `teardown` are the resource's own steps.
    pub name: Name,
    /// How it stands.
    pub state: PhaseState,
    /// Which try this is; 1 is the first.
    pub attempt: u32,
    /// Since when it stands so.
    pub since: Timestamp,
    /// For `workflow`: the job of this try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Name>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseState {
    /// It runs.
    Running,
    /// A try has failed, and what it left behind is removed before the next.
    CleaningUp,
    /// It waits for the next try.
    BackingOff,
    /// It is done.
    Done,
    /// It has failed as often as it may.
    Failed,
}

impl fmt::Display for PhaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::CleaningUp => "cleaning up",
            Self::BackingOff => "backing off",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// Something that an operator or an event asks of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Grade what was done.
    Grade,
    /// End before the window does.
    Finish,
    /// Try the failed phase again.
    Retry,
    /// Open the gate that waits for somebody's approval.
    Approve,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Grade => "grade",
            Self::Finish => "finish",
            Self::Retry => "retry",
            Self::Approve => "approve",
        })
    }
}

/// A request that has not been seen to yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requested {
    /// What is asked for.
    pub request: Request,
    /// Who asks.
    pub by: Actor,
    /// The event that asks, as `type id`, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A kind of timed resources.
pub trait Timed: Kind {
    /// What it has in common with all timed resources.
    fn timed(object: &Object<Self>) -> &TimedObserved;

    /// The same, to change it.
    fn timed_mut(object: &mut Object<Self>) -> &mut TimedObserved;

    /// What runs in which of its states; none before it was admitted.
    fn lifecycle(object: &Object<Self>) -> Option<&Lifecycle>;

    /// How its definition and the content of its pod go together.
    fn overrides_policy(object: &Object<Self>) -> OverridesPolicy;
}

/// A kind is timed whose status holds what timed resources have in common in
/// `timed`, and the definition that it was made from in `definition`.
macro_rules! timed_kind {
    ($kind:ident) => {
        impl $crate::timed::Timed for $kind {
            fn timed(object: &Object<Self>) -> &TimedObserved {
                &object.observed.timed
            }

            fn timed_mut(object: &mut Object<Self>) -> &mut TimedObserved {
                &mut object.observed.timed
            }

            fn lifecycle(object: &Object<Self>) -> Option<&$crate::timed::Lifecycle> {
                object.observed.definition.as_ref().map(|pinned| &pinned.spec.lifecycle)
            }

            fn overrides_policy(object: &Object<Self>) -> $crate::timed::OverridesPolicy {
                let pinned = object.observed.definition.as_ref();
                pinned.map(|it| it.spec.lifecycle_overrides_policy).unwrap_or_default()
            }
        }
    };
}

pub(crate) use timed_kind;

impl TimedObserved {
    /// The oldest request of this sort.
    #[must_use]
    pub fn requested(&self, request: Request) -> Option<&Requested> {
        self.requests.iter().find(|one| one.request == request)
    }

    /// Adds a request, unless the same is waiting already. False when it is not
    /// added.
    pub fn request(&mut self, requested: Requested) -> bool {
        let is_new = self.requested(requested.request).is_none()
            && self.requests.len() < limits::REQUESTS_MAX;
        if is_new {
            self.requests.push(requested);
        }
        is_new
    }

    /// Takes all requests of this sort away: they are seen to.
    pub fn served(&mut self, request: Request) -> Option<Requested> {
        let first = self.requested(request).cloned();
        self.requests.retain(|one| one.request != request);
        first
    }

    /// The run of a phase in the present state.
    #[must_use]
    pub fn phase(&self, name: &Name) -> Option<&PhaseRun> {
        self.phases.iter().find(|run| run.name == *name)
    }
}
