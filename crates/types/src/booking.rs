//! The bodies of the HTTP API about time: plans, calendars, changes of a
//! session's window, events, seeding.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::ApplyOutcome;
use crate::envelope::Object;
use crate::host::HostCapacity;
use crate::kind::ResourceKey;
use crate::name::Name;
use crate::problem::Problem;
use crate::session::Session;
use crate::time::{Duration, Timestamp};
use crate::timed::{Timeslot, Window};

/// How much later or earlier a session ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StretchRequest {
    /// By how much.
    pub by: Duration,
    /// The part whose end moves. When not given, the one that takes place now,
    /// or else the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Name>,
}

/// Whose gate is opened, or what is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartRequest {
    /// The part, by its name in the session. When not given, for an approval the
    /// only one whose gate waits for it, and for another try the first that is
    /// Failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Name>,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approved {
    /// The part whose gate is open now, by its name in the session.
    pub part: Name,
    /// Whether this opened it.
    pub outcome: ApprovalOutcome,
    /// What there is to say.
    pub message: String,
    /// The session as it is now.
    pub resource: Object<Session>,
}

/// Whether an approval opened a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalOutcome {
    /// It did.
    Opened,
    /// The gate was open already; nothing has changed.
    Unchanged,
}

/// What declaring manifests would come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanResponse {
    /// One plan for each session and each pod among the manifests.
    pub plans: Vec<Plan>,
}

/// What a session or a pod would come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The session or the pod.
    pub key: ResourceKey,
    /// Whether it exists already: then it is judged as it is, with the definitions that
    /// it was made from, as declaring it would.
    #[serde(default)]
    pub exists: bool,
    /// What declaring it would come to; none when it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ApplyOutcome>,
    /// What of the manifest would have no effect, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its window; none when that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeslot: Option<Timeslot>,
    /// What would be made, or would have another window, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<PlannedResource>,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The earliest start at which it would fit, when it does not fit as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_start: Option<Timestamp>,
}

/// A resource that would be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedResource {
    /// Which.
    pub key: ResourceKey,
    /// The resource it would belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
    /// Its definition, with the version.
    pub definition: String,
    /// Its window.
    pub timeslot: Timeslot,
    /// When its provisioning would begin.
    pub provision_at: Timestamp,
    /// When nothing of it would be left.
    pub cleanup_deadline: Timestamp,
    /// For a pod: its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// For a pod: its ports there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// What of a host is taken when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostCalendar {
    /// The host.
    pub host: Name,
    /// The time that is shown.
    pub window: Window,
    /// What the host has.
    pub capacity: HostCapacity,
    /// When it can be used; always when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Window>,
    /// Who holds something of it in that time, by the beginning of the hold.
    pub holds: Vec<CalendarHold>,
    /// How much is taken, from each time at which that changes.
    pub steps: Vec<CalendarStep>,
    /// What is booked that the host does not have any more, at any time: the
    /// case that comes first, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<String>,
}

/// A share of a host that is held for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalendarHold {
    /// Who holds it, such as `pod/default/exam-1-lab`.
    pub holder: String,
    /// For how long; one that ends with the year 9999 has no end.
    pub window: Window,
    /// How much.
    pub amounts: crate::host::Amounts,
    /// Which ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// How much of a host is taken from a time on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalendarStep {
    /// From when on.
    pub at: Timestamp,
    /// How much.
    pub amounts: crate::host::Amounts,
    /// How many ports.
    pub ports: u64,
}

/// What became of the events of one request, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventsAnswer {
    /// One for each event.
    pub events: Vec<EventAnswer>,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventAnswer {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// What became of it.
    pub outcome: EventOutcome,
    /// The resource that it was for, as `sessionpart/default/exam-1-theory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventOutcome {
    /// It asks something of a resource, which was written down.
    Accepted,
    /// It was here before, by its source and id. Nothing was changed.
    Duplicate,
    /// Nothing waits for it. Nothing was changed.
    Unmatched,
}

/// Definitions for the catalogue: all are taken, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedRequest {
    /// The manifests, each with its `kind`.
    pub manifests: Vec<serde_json::Value>,
    /// Whether seeded definitions that are not among them are removed.
    #[serde(default)]
    pub prune: bool,
    /// Say what would come of it, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What seeding came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedResponse {
    /// What was new.
    pub created: Vec<ResourceKey>,
    /// What has a higher version now: from, to.
    pub updated: BTreeMap<String, [String; 2]>,
    /// What was as seeded before.
    pub unchanged: usize,
    /// What was removed.
    pub pruned: Vec<ResourceKey>,
    /// What would fail as things are now, as jobs of which the engine has no scenario: each with
    /// its definition and path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
