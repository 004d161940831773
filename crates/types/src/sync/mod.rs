//! What agents and the control plane say to each other.
//!
//! An agent registers its node, then keeps one `sync` call open: the request is
//! its heartbeat and says which state of its assignments it knows, the answer
//! brings a newer one as soon as there is one. What happens to its copies it
//! says in `report` calls beside it. Both are level-triggered: an answer lists
//! all assignments of the node, and a report is numbered and states what is, so
//! losing, repeating or delaying any message does no harm.

mod held;
mod logs;

pub use held::Held;
pub use logs::{
    LogChunk, LogChunkAnswer, LogEnd, LogEnding, LogItem, LogLine, LogRequest, LogStream,
    TenantLogRequest,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::api::Used;
use crate::identity::{Epoch, Revision, Uid};
use crate::labels::Labels;
use crate::name::Name;
use crate::node::{Capacity, Executors};
use crate::omitted::is_default;
use crate::state::state_enum;
use crate::tenant::{
    Repaired, RunRequestId, RunSource, TenantConflict, TenantHash, TenantService, TenantSpec,
};
use crate::time::{Duration, Timestamp};
use crate::workload::{Exit, Health, Instance, WorkloadSpec, WorkloadStatus};

/// An agent introduces its node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// The agent's installation; made once and kept in its state folder.
    pub agent_id: String,
    /// This start of the agent, drawn at random. The one that registers last
    /// supersedes those before it, for good.
    pub session: String,
    /// Which start of the installation this is, as it counts them from 1 on; 0 where it does
    /// not. What an earlier start has asked may come late: it does not supersede a later one
    /// that is there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: u64,
    /// The agent's version.
    pub version: String,
    /// What the machine has.
    pub capacity: Capacity,
    /// The node's labels.
    #[serde(default)]
    pub labels: Labels,
    /// What it can run.
    pub executors: Executors,
}

/// The answer to a [`Registration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Registered {
    /// The node's identity.
    pub node_id: Uid,
    /// How long a node counts as reachable after it was last heard of.
    pub lease: Duration,
}

/// A heartbeat that waits for news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncRequest {
    /// As in the registration.
    pub session: String,
    /// The revision of the assignments that the agent has; 0 for none.
    pub since: Revision,
    /// Whether the answer may leave out assignments that the agent has:
    /// [`SyncResponse::since`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What the agent has, as [`Held::digest`] says it, where it was told of all of it and asks
    /// with `since` 0, as it registered anew: [`SyncResponse::unchanged`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// How long the answer may wait for news.
    pub wait: Duration,
    /// The [`SyncResponse::at`] of the last answer, when all that had happened on the
    /// node by then is told: no report waits to be acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// What the machine and the copies on it use, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Whether this is the agent's last word: it ends, and nothing runs on the node
    /// any more. The node is Offline as soon as this is answered, and no lease runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

/// What a machine and the copies on it really use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The machine.
    pub node: Used,
    /// The copies.
    #[serde(default)]
    pub workloads: Vec<WorkloadUsage>,
}

/// What one copy really uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadUsage {
    /// The workload's identity.
    pub id: Uid,
    /// What it uses.
    pub used: Used,
}

/// The answer to a [`SyncRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncResponse {
    /// The lease now runs from the moment at which the request was sent.
    pub lease: Duration,
    /// The control plane's wall clock when it answered. The agent says it again: what
    /// it told before that is at least as new, whatever its own clock shows.
    pub at: Timestamp,
    /// The revision of what is below; what to ask with next time.
    pub revision: Revision,
    /// Which assignments are left out of those below: the ones that have not changed
    /// after this revision, none of which has gone since. 0 where all are there.
    #[serde(default, skip_serializing_if = "Revision::is_zero")]
    pub since: Revision,
    /// Whether what the agent said in [`SyncRequest::held`] that it has is all that is assigned,
    /// as of `revision`: nothing is listed then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// All assignments of the node but those that are left out, when there is anything
    /// new. Whatever the agent has beside all of these it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignments: Option<Vec<Assignment>>,
    /// All tenants that the node has to do with, when there is anything new, of these or of
    /// the assignments: both are there then, as of one revision. Whatever the agent has installed beside them it uninstalls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<TenantAssignment>>,
    /// Logs that somebody wants to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_requests: Vec<LogRequest>,
    /// Logs of tenants that somebody wants to read. They are a list of their own, so that an
    /// agent that does not know of them leaves them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant_log_requests: Vec<TenantLogRequest>,
}

/// One copy of one workload that a node has to do with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The workload's identity.
    pub id: Uid,
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// The placement; a copy of an older one is stopped.
    pub epoch: Epoch,
    /// The workload's generation.
    pub generation: u64,
    /// Whether it is to be stopped.
    pub stop: bool,
    /// The number of the last report that was applied in this epoch.
    pub report_seq: u64,
    /// The spec, when it is news to an agent that knows [`SyncRequest::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Arc<WorkloadSpec>>,
}

/// One tenant that a node has to do with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantAssignment {
    /// The tenant's identity.
    pub id: Uid,
    /// Its name, which its units carry.
    pub name: Name,
    /// The tenant's generation.
    pub generation: u64,
    /// The hash of what is to be installed.
    pub hash: TenantHash,
    /// Which time it is that the tenant is to come to the node or to leave it.
    #[serde(default)]
    pub turn: u64,
    /// Whether it is to be uninstalled, and told to be gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
    /// Whether the control plane has to be told how it is, even where nothing has changed
    /// since it was: what it knew was about something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report: bool,
    /// The spec, when it is news to an agent that knows [`SyncRequest::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Arc<TenantSpec>>,
    /// The runs that are asked for and of which the agent has not told the end. Each is
    /// started once, however often it is listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunRequest>,
}

/// A run that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRequest {
    /// What names it.
    pub id: RunRequestId,
    /// The suffix of the service; none for the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
}

state_enum! {
    /// How a tenant is on a node, as its agent sees it.
    InstallState {
        /// It is being installed, or brought up to date.
        Installing,
        /// It is installed as the hash says.
        Installed,
        /// Something is in its place that is not its own. Nothing was changed.
        Conflict,
        /// It cannot be installed. The agent goes on trying.
        Failed,
        /// It is being removed.
        Removing,
        /// Nothing of it is left.
        Removed,
    }
}

/// How a tenant is on a node now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantReport {
    /// The tenant's identity.
    pub id: Uid,
    /// Increases with every report of this tenant in a session of the agent, from 1 on; one
    /// that is not newer than the last applied is ignored.
    pub seq: u64,
    /// The generation that it is about.
    pub generation: u64,
    /// The [`TenantAssignment::turn`] that the agent had heard of; an agent of an earlier
    /// release does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// How it is.
    pub state: InstallState,
    /// The hash of what is installed, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TenantHash>,
    /// Why it is so, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is in its place; at most [`crate::limits::TENANT_CONFLICTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<TenantConflict>,
    /// What somebody changed and was put right, since it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// Its services, the primary first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<TenantService>,
    /// What came of runs that were asked for, of those that have not been acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunReport>,
}

/// What came of a run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// What names it.
    pub id: RunRequestId,
    /// Whether the service was running already, so that this is that run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// What systemd calls this run of the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How it ended, when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// How a run ended that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// In systemd's word: `success`, `exit-code`, `timeout`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What `tesseractl tenant run-now` exits with for it.
    pub exit_code: i32,
    /// Whose exit code that is; none where it was never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RunSource>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

state_enum! {
    /// What a copy does, as its agent sees it.
    CopyState {
        /// It is being started, or is not healthy yet.
        Provisioning,
        /// It runs.
        Running,
        /// It ended and waits to be started again.
        BackingOff,
        /// It is being stopped.
        Stopping,
        /// It was stopped and is gone. Final in its epoch.
        Stopped,
        /// It ended well. Final in its epoch.
        Completed,
        /// It ended and is not started again. Final in its epoch.
        Failed,
    }
}

impl CopyState {
    /// Whether nothing follows in this epoch.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Completed | Self::Failed)
    }

    /// The workload's status that corresponds to it.
    #[must_use]
    pub const fn status(self) -> WorkloadStatus {
        match self {
            Self::Provisioning => WorkloadStatus::Provisioning,
            Self::Running => WorkloadStatus::Running,
            Self::BackingOff => WorkloadStatus::BackingOff,
            Self::Stopping => WorkloadStatus::Stopping,
            Self::Stopped => WorkloadStatus::Stopped,
            Self::Completed => WorkloadStatus::Completed,
            Self::Failed => WorkloadStatus::Failed,
        }
    }
}

/// What a copy does now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The workload's identity.
    pub id: Uid,
    /// The copy's placement.
    pub epoch: Epoch,
    /// Increases with every report of this epoch, also over a restart of the
    /// agent; one that is not newer than the last applied is ignored.
    pub seq: u64,
    /// When it came to be so.
    pub at: Timestamp,
    /// What it does.
    pub state: CopyState,
    /// Why, in words.
    pub reason: String,
    /// How often it was started again in this epoch.
    pub restarts: u32,
    /// The live copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// When it starts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_at: Option<Timestamp>,
    /// How it ended last. Its last lines are in the first report of that end; where
    /// a later one has none, they are as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// What its health check says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What goes wrong at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Reports of one agent, oldest first for each copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportRequest {
    /// As in the registration.
    pub session: String,
    /// The reports; at most [`crate::limits::REPORTS_MAX`], and no more than fit
    /// in a body.
    pub reports: Vec<Report>,
    /// How tenants are on the node, oldest first for each; at most
    /// [`crate::limits::REPORTS_MAX`], and no more than fit in a body. What is left away
    /// stands: an agent says what has changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantReport>,
}

/// The answer to a [`ReportRequest`]. Each report in it is dealt with, and the
/// agent forgets it, but for those that are named in `refused`, `refused_tenants` and `postponed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportResponse {
    /// Workloads whose reports were refused because the epoch is not theirs or
    /// the workload is gone, and tenants that are gone or not on this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<Uid>,
    /// Reports that cannot be taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedReport>,
    /// Reports of tenants that cannot be taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_tenants: Vec<RefusedTenantReport>,
    /// Workloads and tenants of which the store does not take what was reported, for now:
    /// to be reported again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postponed: Vec<Uid>,
}

/// A report that cannot be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedReport {
    /// The workload's identity.
    pub id: Uid,
    /// The copy's placement.
    pub epoch: Epoch,
    /// The report's number.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// A report of a tenant that cannot be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedTenantReport {
    /// The tenant's identity.
    pub id: Uid,
    /// The report's number.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: String,
}
