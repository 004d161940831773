//! Hosts: what pods are placed on, with what they have and when.

mod amounts;

pub use amounts::{Amounts, HostCapacity, HostDemand, PortRange, is_node_port, node_port};

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{DefinitionSelector, HostDefinitionSpec, Pinned};
use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::limits;
use crate::quantity::{Bytes, Millicores};
use crate::time::Timestamp;
use crate::timed::{DeclaredTimeslot, DesiredTimedStatus, TimedObserved, TimedStatus, timed_kind};
use crate::validate::{Invalid, Validate, check_len};
use crate::workload::Constraint;

/// The kind of hosts.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Host;

impl Kind for Host {
    const KIND: KindName = KindName::Host;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = HostSpec;
    type Status = TimedStatus;
    type Desired = DesiredTimedStatus;
    type Observed = HostObserved;

    fn settle(spec: &mut Arc<HostSpec>, existing: Option<&HostSpec>, now: Timestamp) {
        let spec = Arc::make_mut(spec);
        if let Some(timeslot) = &mut spec.timeslot {
            timeslot.settle(existing.and_then(|one| one.timeslot.as_ref()), now);
        }
    }
}

timed_kind!(Host);

/// What a person declares of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Its type.
    pub definition: DefinitionSelector,
    /// When it can be used; always when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeslot: Option<DeclaredTimeslot>,
    /// What it has, instead of what its definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<HostCapacity>,
    /// The type key of the lab location that it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The type keys of the delivery environments that it serves; any when none
    /// is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivery_environments: Vec<String>,
    /// For a node group: the nodes that belong to it, all of them when nothing
    /// is given. A node belongs to one group at most: to the first by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Constraint>,
}

impl Validate for HostSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
        if let Some(timeslot) = &self.timeslot {
            timeslot.validate(&format!("{path}.timeslot"), problems);
        }
        if let Some(capacity) = &self.capacity {
            capacity.validate(&format!("{path}.capacity"), problems);
        }
        let path = format!("{path}.nodes");
        check_len(&path, self.nodes.len(), limits::LIST_MAX, problems);
        for (i, constraint) in self.nodes.iter().enumerate() {
            constraint.validate(&format!("{path}[{i}]"), problems);
        }
    }
}

/// What Tessera knows of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostObserved {
    /// What it has in common with all timed resources.
    #[serde(flatten)]
    pub timed: TimedObserved,
    /// Its definition as it was when the host was declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<HostDefinitionSpec>>,
    /// What it has: as declared, and for a node group what its nodes have.
    pub capacity: HostCapacity,
    /// For a node group: the largest workload that a node of it could take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_node: Option<LargestNode>,
    /// For a node group: how many nodes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
}

/// The largest amounts that any one node of a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LargestNode {
    /// Processor time.
    pub cpu: Millicores,
    /// Memory.
    pub memory: Bytes,
}
