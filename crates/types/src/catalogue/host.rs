//! Host definitions: types of things that pods are placed on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use super::pod::PodType;
use crate::host::HostCapacity;
use crate::omitted::is_default;
use crate::timed::{Lifecycle, OverridesPolicy};
use crate::validate::{Invalid, Validate};

definition_spec! {
    /// A type of host.
    pub struct HostDefinitionSpec {
        /// What it is.
        pub host_type: HostType,
        /// The pod types that it takes.
        pub pod_types: Vec<PodType>,
        /// What it has. A node group has besides this what its nodes have.
        #[serde(default, skip_serializing_if = "is_default")]
        pub capacity: HostCapacity,
        /// The class of licences that it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub licence_class: Option<String>,
        /// What runs in which of its states.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle: Lifecycle,
        /// How this and what the content says of a phase go together.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle_overrides_policy: OverridesPolicy,
    }
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostType {
    /// Nodes of the fleet, by their labels.
    NodeGroup,
    /// A server with its own management, such as a lab server.
    Server,
    /// A hypervisor.
    Hypervisor,
    /// Hardware that is booked as a whole.
    Appliance,
}

impl fmt::Display for HostType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NodeGroup => "node_group",
            Self::Server => "server",
            Self::Hypervisor => "hypervisor",
            Self::Appliance => "appliance",
        })
    }
}

impl Validate for HostDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        self.capacity.validate(&format!("{path}.capacity"), problems);
        self.lifecycle.validate(&format!("{path}.lifecycle"), problems);
        let pod_types = format!("{path}.pod_types");
        if self.pod_types.is_empty() {
            problems.push(Invalid::new(&pod_types, "name the pod types that it takes"));
        }
        let is_group = self.host_type == HostType::NodeGroup;
        if let Some(wrong) = self.pod_types.iter().find(|one| (**one == PodType::Fleet) != is_group)
        {
            let message = if is_group {
                format!("a node group takes fleet pods, not {wrong}")
            } else {
                format!("{wrong} pods are on node groups, and this is a {}", self.host_type)
            };
            problems.push(Invalid::new(&pod_types, message));
        }
        if is_group && (self.capacity.cpu.0 > 0 || self.capacity.memory.0 > 0) {
            problems.push(Invalid::new(
                &format!("{path}.capacity"),
                "a node group has the cpu and memory of its nodes: remove them here",
            ));
        }
    }
}
