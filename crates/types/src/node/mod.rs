//! Nodes: machines that run an agent.

mod status;

pub use status::{DesiredNodeStatus, NodeStatus};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::labels::Labels;
use crate::quantity::{Bytes, Millicores};
use crate::time::Timestamp;
use crate::validate::{Invalid, Validate};
use crate::workload::Resources;

/// The kind of nodes.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Node;

impl Kind for Node {
    const KIND: KindName = KindName::Node;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = NodeSpec;
    type Status = NodeStatus;
    type Desired = DesiredNodeStatus;
    type Observed = NodeObserved;

    fn selected_by(object: &Object<Self>) -> Cow<'_, Labels> {
        Cow::Owned(object.effective_labels())
    }
}

/// What a person declares of a node. A node makes itself known: nothing needs
/// to be declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSpec {
    /// Kept free for the machine itself.
    #[serde(skip_serializing_if = "Resources::is_nothing")]
    pub reserved: Resources,
    /// At most so many workloads; what the agent says when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads_max: Option<u32>,
}

impl Validate for NodeSpec {
    fn validate(&self, _: &str, _: &mut Vec<Invalid>) {}
}

/// What an agent says of its machine, and what the control plane adds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NodeObserved {
    /// What the machine has.
    pub capacity: Capacity,
    /// Labels that the agent gave: `node`, `os`, `arch`, and those of its
    /// command line. A label of the resource itself wins over one of these.
    pub agent_labels: Labels,
    /// What it can run.
    pub executors: Executors,
    /// The agent's version.
    pub agent_version: String,
    /// The agent's installation: two of them cannot have one name.
    pub agent_id: String,
    /// For an Offline node: from when on no copy that is declared
    /// `on_disconnect: stop` can be alive on it, as shown by the wall clock. It
    /// is decided by another, which nobody can set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<Timestamp>,
}

/// An amount of everything that placement counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Capacity {
    /// Processor time.
    pub cpu: Millicores,
    /// Memory.
    pub memory: Bytes,
    /// Number of workloads.
    pub workloads: u32,
}

/// What a node can run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Executors {
    /// Processes.
    pub process: bool,
    /// Containers, by this runtime, such as `podman 4.3.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// It only behaves as if.
    pub simulated: bool,
    /// Whether the limits of `resources` are enforced.
    pub limits: bool,
}

impl Executors {
    /// Whether processes can be run, or seem to be.
    #[must_use]
    pub fn runs_processes(&self) -> bool {
        self.process || self.simulated
    }

    /// Whether containers can be run, or seem to be.
    #[must_use]
    pub fn runs_containers(&self) -> bool {
        self.container.is_some() || self.simulated
    }
}

impl fmt::Display for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.simulated {
            return f.write_str("simulated");
        }
        match (&self.container, self.process) {
            (Some(runtime), true) => write!(f, "process, {runtime}"),
            (Some(runtime), false) => f.write_str(runtime),
            (None, _) => f.write_str("process"),
        }
    }
}

impl Object<Node> {
    /// The value of a label: the resource's own, else the agent's.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).or_else(|| self.observed.agent_labels.get(key)).map(String::as_str)
    }

    /// All its labels: the agent's, overlaid with its own.
    #[must_use]
    pub fn effective_labels(&self) -> Labels {
        let mut labels = self.observed.agent_labels.clone();
        labels.extend((*self.labels).clone());
        labels
    }

    /// What workloads may use: the machine's capacity less what is reserved.
    #[must_use]
    pub fn allocatable(&self) -> Capacity {
        let capacity = self.observed.capacity;
        Capacity {
            cpu: Millicores(capacity.cpu.0.saturating_sub(self.spec.reserved.cpu.0)),
            memory: Bytes(capacity.memory.0.saturating_sub(self.spec.reserved.memory.0)),
            workloads: self.spec.workloads_max.unwrap_or(capacity.workloads),
        }
    }
}
