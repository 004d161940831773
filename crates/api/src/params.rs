//! Path, query and header parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tessera_types::{KindName, Name, Revision, Timestamp, Uid};

/// The name of a resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NamePath {
    /// The resource's name.
    pub name: Name,
}

/// A request for a log on a node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NodeLogPath {
    /// The node's name.
    pub name: Name,
    /// The request, as the sync answer named it.
    pub request: String,
}

/// Where a namespaced resource is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NamespaceQuery {
    /// `default` unless given.
    pub namespace: Option<Name>,
}

/// Which resources to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListQuery {
    /// Only this namespace; all unless given.
    pub namespace: Option<Name>,
    /// Only those whose labels match, such as `app=web,zone in (a,b)`.
    pub selector: Option<String>,
    /// Only what belongs to this resource, also through others: its id, or its kind
    /// and name, such as `session/exam-1` or `session/default/exam-1`.
    pub owner: Option<String>,
    /// At most so many; 500 unless given, and never more than 1000.
    pub limit: Option<usize>,
    /// The page after the one that answered with this `next_page`.
    pub page: Option<String>,
}

/// How to declare a resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApplyQuery {
    /// Where it is; must not contradict the manifest.
    pub namespace: Option<Name>,
    /// Say what would come of it, and change nothing.
    pub dry_run: Option<bool>,
}

/// What to delete.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeleteQuery {
    /// `default` unless given.
    pub namespace: Option<Name>,
    /// Only if the resource has this identity.
    pub id: Option<Uid>,
    /// Only if the resource is at this revision.
    pub revision: Option<Revision>,
}

/// Which part of a history.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryQuery {
    /// `default` unless given.
    pub namespace: Option<Name>,
    /// At most so many entries; 500 unless given, and never more than 1000.
    pub limit: Option<usize>,
    /// Only entries older than this one.
    pub before_seq: Option<u64>,
}

/// Which part of a log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogsQuery {
    /// `default` unless given.
    pub namespace: Option<Name>,
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    pub since: Option<Timestamp>,
    /// Go on as lines are written.
    pub follow: Option<bool>,
}

/// Which part of which log of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantLogsQuery {
    /// The node; not needed where the tenant is on one only.
    pub node: Option<Name>,
    /// The suffix of the service; the primary unless given.
    pub service: Option<Name>,
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    pub since: Option<Timestamp>,
    /// Go on as lines are written.
    pub follow: Option<bool>,
}

/// What to watch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WatchQuery {
    /// Only this kind.
    pub kind: Option<KindName>,
    /// Only this namespace.
    pub namespace: Option<Name>,
    /// Only the resource of this name.
    pub name: Option<Name>,
    /// Only those whose labels match; one that stops matching is reported as
    /// deleted.
    pub selector: Option<String>,
    /// Changes after this revision. From now on, unless given; the header
    /// `Last-Event-ID` wins over it.
    pub since: Option<Revision>,
}

/// A key under which a write is applied once, however often it arrives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IdempotencyHeader {
    /// Any text that is unique to the write, at most 128 bytes.
    #[serde(rename = "idempotency-key")]
    pub idempotency_key: Option<String>,
}

/// Which stretch of a calendar.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CalendarQuery {
    /// From when on; now unless given.
    pub from: Option<Timestamp>,
    /// Until when; a day after `from` unless given.
    pub to: Option<Timestamp>,
}
