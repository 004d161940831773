//! The bodies of the HTTP API that are not resources themselves.

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::Schema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::change::HistoryEntry;
use crate::envelope::Object;
use crate::identity::{Revision, Uid};
use crate::kind::{Kind, KindName, Resource, ResourceKey};
use crate::name::Name;
use crate::node::Capacity;
use crate::problem::Problem;
use crate::quantity::{Bytes, Millicores};
use crate::tenant::RunRequestId;
use crate::time::Timestamp;

/// One page of a list, in the order of namespace and name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(rename = "{K}List", bound = "K: Kind + JsonSchema")]
pub struct List<K: Kind> {
    /// The resources.
    pub items: Vec<std::sync::Arc<Object<K>>>,
    /// The state of the store that the page shows; watch from here.
    pub revision: Revision,
    /// What to ask for the next page with; none after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<String>,
}

/// What declaring one manifest came to, or (dry run) would come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(rename = "{K}Applied", bound = "K: Kind + JsonSchema")]
pub struct Applied<K: Kind> {
    /// What happened.
    pub outcome: ApplyOutcome,
    /// The resource afterwards.
    pub resource: std::sync::Arc<Object<K>>,
    /// What is different, for a dry run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldChange>,
    /// Where a workload would run, for a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlannedPlacement>,
}

/// What declaring a manifest came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplyOutcome {
    /// There was none.
    Created,
    /// It is different now.
    Updated,
    /// It was as declared.
    Unchanged,
}

impl std::fmt::Display for ApplyOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        })
    }
}

/// One field that a declaration changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Where, as a dotted path: `spec.args[0]`.
    pub path: String,
    /// The value before; none when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// The value after; none when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}

/// Where a workload would run if it were declared now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedPlacement {
    /// The node; none when it would wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// Why, in words.
    pub message: String,
}

/// Many manifests to declare at once. Each is declared by itself: one that is
/// refused does not keep the others out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The manifests, at most [`crate::limits::BATCH_MAX`]; each as for `PUT`,
    /// with its `kind`.
    pub manifests: Vec<ManifestText>,
}

/// A manifest of any kind as JSON, which is read once its kind is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestText(Box<RawValue>);

impl ManifestText {
    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl From<&serde_json::Value> for ManifestText {
    fn from(manifest: &serde_json::Value) -> Self {
        let text = RawValue::from_string(manifest.to_string());
        Self(text.expect("a value is printed as valid JSON"))
    }
}

impl PartialEq for ManifestText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl JsonSchema for ManifestText {
    fn is_referenceable() -> bool {
        false
    }

    fn schema_name() -> String {
        serde_json::Value::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        serde_json::Value::json_schema(generator)
    }
}

/// Asks for a run of a tenant's service on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunTenantRequest {
    /// What names the run; drawn by whoever asks.
    pub request_id: RunRequestId,
    /// The node.
    pub node: Name,
    /// The suffix of the service; the primary when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
}

/// What each manifest of an [`ApplyRequest`] came to, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyResponse {
    /// One result for each manifest.
    pub results: Vec<ApplyResult>,
}

/// What one manifest of a batch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyResult {
    /// The resource, when the manifest could be read so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ResourceKey>,
    /// What happened; none when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ApplyOutcome>,
    /// The resource's generation afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The resource's revision afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// What of it has no effect, if anything: such as declaring again what is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A page of a resource's history, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The entries.
    pub items: Vec<HistoryEntry>,
    /// What to ask for the next (older) page with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
}

/// One event of `GET /v1/watch`. Its SSE id is the revision, so a client that
/// sends `Last-Event-ID` goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchEvent {
    /// A resource was made or changed.
    Changed {
        /// The commit.
        revision: Revision,
        /// The resource as it is now.
        resource: Resource,
    },
    /// A resource is gone, or (with a selector) does not match any more.
    Deleted {
        /// The commit.
        revision: Revision,
        /// Its kind.
        kind: KindName,
        /// Its namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<Name>,
        /// Its name.
        name: Name,
        /// Its identity.
        id: Uid,
    },
    /// Everything up to this commit has been said.
    Bookmark {
        /// The commit.
        revision: Revision,
    },
    /// The watch cannot go on; the last event of the stream.
    Failed {
        /// Why, and what to do.
        problem: Problem,
    },
}

/// What nodes have and what of it is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Top {
    /// The nodes by name.
    pub nodes: Vec<NodeTop>,
    /// The workloads that hold a node, by namespace and name.
    pub workloads: Vec<WorkloadTop>,
}

/// What one node has and what of it is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeTop {
    /// The node.
    pub name: Name,
    /// Its status.
    pub status: crate::node::NodeStatus,
    /// What workloads may use.
    pub allocatable: Capacity,
    /// What is set aside for those it has.
    pub allocated: Capacity,
    /// What is really used, as the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// When the agent was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_at: Option<Timestamp>,
}

/// What one workload may use and really uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadTop {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its node.
    pub node: Name,
    /// What is set aside for it.
    pub allocated: crate::workload::Resources,
    /// What it really uses, as the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
}

/// What is really in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Used {
    /// Processor time, as a mean since the last measurement.
    pub cpu: Millicores,
    /// Resident memory.
    pub memory: Bytes,
}

/// What the control plane says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Whether it serves.
    pub ready: bool,
    /// Its version.
    pub version: String,
    /// The store's revision.
    pub revision: Revision,
    /// What is not ready, if anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// A body that is documented as `T` and read as plain JSON, so that the handler
/// decides how strictly to decode it and what an error says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Body<T> {
    /// The JSON.
    pub json: serde_json::Value,
    #[serde(skip)]
    documented_as: std::marker::PhantomData<fn() -> T>,
}

impl<T> Body<T> {
    /// The body that carries `json`.
    #[must_use]
    pub fn new(json: serde_json::Value) -> Self {
        Self { json, documented_as: std::marker::PhantomData }
    }
}

impl<T: JsonSchema> JsonSchema for Body<T> {
    fn is_referenceable() -> bool {
        T::is_referenceable()
    }
    fn schema_name() -> String {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
