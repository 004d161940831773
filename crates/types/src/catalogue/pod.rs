//! Pod definitions: what is provisioned, and on which hosts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use crate::host::{HostDemand, node_port};
use crate::limits;
use crate::name::Name;
use crate::omitted::is_default;
use crate::time::Duration;
use crate::timed::{Lifecycle, OverridesPolicy, RetryPolicy};
use crate::validate::{Invalid, Validate, check_len};
use crate::workload::{Constraint, WorkloadSpec};

definition_spec! {
    /// A type of pod.
    pub struct PodDefinitionSpec {
        /// What provisions it.
        pub pod_type: PodType,
        /// For `fleet`: the workloads that it is made of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub workloads: Vec<PodWorkload>,
        /// What it takes of its host. For `fleet` at least what its workloads set
        /// aside, which is also what is taken when nothing is said.
        #[serde(default, skip_serializing_if = "HostDemand::is_nothing")]
        pub demand: HostDemand,
        /// Which hosts it may be on.
        #[serde(default, skip_serializing_if = "is_default")]
        pub host: HostRequirement,
        /// How long before its start its provisioning begins; as its part when not
        /// given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub lead_time: Option<Duration>,
        /// How long after its end its teardown may take; as its part when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub teardown_buffer: Option<Duration>,
        /// How its provisioning is tried again. A try has succeeded when all
        /// workloads run: those without a health check for a second, since a
        /// program that cannot do its work mostly ends at once.
        #[serde(default)]
        pub provision: RetryPolicy,
        /// What else runs in which of its states.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle: Lifecycle,
        /// How this and what the content says of a phase go together.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle_overrides_policy: OverridesPolicy,
        /// Facts for those who use it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub parameters: BTreeMap<String, String>,
    }
}

/// What provisions a pod.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PodType {
    /// Workloads on Tessera's own nodes.
    Fleet,
    /// A lab of a CML worker on AWS.
    CmlOnAws,
    /// Hardware that RADKit reaches.
    RocRadkit,
    /// Virtual machines of Proxmox VE.
    Proxmox,
    /// Virtual machines of VMware.
    Vmware,
}

impl PodType {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::CmlOnAws => "cml_on_aws",
            Self::RocRadkit => "roc_radkit",
            Self::Proxmox => "proxmox",
            Self::Vmware => "vmware",
        }
    }
}

impl fmt::Display for PodType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A workload of a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PodWorkload {
    /// Its name, unique in the pod.
    pub name: Name,
    /// What runs. Its window is the pod's: `not_before` and `not_after` are not
    /// given here. `{port.N}` in `args`, in values of `env` and in a health check's
    /// `exec` stands for the N-th port that the pod was given (1 is the first).
    pub spec: WorkloadSpec,
}

/// Which hosts a pod may be on: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostRequirement {
    /// The type key of the lab location that the host is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The type key of a delivery environment that the host serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_environment: Option<String>,
    /// The class of licences that the host has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_class: Option<String>,
    /// What the host's labels must be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Constraint>,
}

impl HostRequirement {
    /// The fields in which both ask for something else, so that no host has both:
    /// each with what `self` and what `other` asks for. They are refused at
    /// admission.
    pub fn contradictions<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'static str, &'a str, &'a str)> {
        [
            ("location", &self.location, &other.location),
            ("delivery_environment", &self.delivery_environment, &other.delivery_environment),
            ("licence_class", &self.licence_class, &other.licence_class),
        ]
        .into_iter()
        .filter_map(|(field, mine, theirs)| Some((field, mine.as_deref()?, theirs.as_deref()?)))
        .filter(|(_, mine, theirs)| mine != theirs)
    }

    /// What holds when both must and there are no
    /// [contradictions](Self::contradictions): what either says, and all label
    /// constraints.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let either = |one: &Option<String>, other: &Option<String>| one.clone().or(other.clone());
        Self {
            location: either(&self.location, &other.location),
            delivery_environment: either(&self.delivery_environment, &other.delivery_environment),
            licence_class: either(&self.licence_class, &other.licence_class),
            labels: self.labels.iter().chain(&other.labels).cloned().collect(),
        }
    }
}

impl PodDefinitionSpec {
    /// What it takes of its host: what is declared, and at least what its
    /// workloads set aside and the ports that they take of their nodes.
    #[must_use]
    pub fn taken(&self) -> HostDemand {
        let mut demand = self.demand.clone();
        let resources = self.workloads.iter().map(|workload| workload.spec.resources);
        let (cpu, memory) =
            resources.fold((0, 0), |sum, one| (sum.0 + one.cpu.0, sum.1 + one.memory.0));
        demand.cpu.0 = demand.cpu.0.max(cpu);
        demand.memory.0 = demand.memory.0.max(memory);
        for port in self.workloads.iter().flat_map(|workload| workload.spec.host_ports()) {
            *demand.counted.entry(node_port(port)).or_default() += 1;
        }
        demand
    }
}

impl Validate for HostRequirement {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        let path = format!("{path}.labels");
        check_len(&path, self.labels.len(), limits::LIST_MAX, problems);
        for (i, constraint) in self.labels.iter().enumerate() {
            constraint.validate(&format!("{path}[{i}]"), problems);
        }
    }
}

impl Validate for PodDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        self.demand.validate(&format!("{path}.demand"), problems);
        self.host.validate(&format!("{path}.host"), problems);
        self.provision.validate(&format!("{path}.provision"), problems);
        self.lifecycle.validate(&format!("{path}.lifecycle"), problems);
        // Where it says nothing, that of its part or of its timeslot decides.
        let buffer = self.teardown_buffer;
        let message = buffer.and_then(|buffer| self.lifecycle.has_no_time_to_tear_down(buffer));
        if let Some(message) = message {
            problems.push(Invalid::new(&format!("{path}.teardown_buffer"), message));
        }
        let path = format!("{path}.workloads");
        check_len(&path, self.workloads.len(), limits::CHILDREN_MAX, problems);
        match (self.pod_type, self.workloads.is_empty()) {
            (PodType::Fleet, true) => {
                problems.push(Invalid::new(&path, "a fleet pod has at least one workload"));
            }
            (PodType::Fleet, false) | (_, true) => {}
            (other, false) => problems.push(Invalid::new(
                &path,
                format!("a {other} pod has no workloads: only fleet pods have"),
            )),
        }
        let mut names = HashSet::new();
        for (i, workload) in self.workloads.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if !names.insert(&workload.name) {
                let message =
                    format!("there is a workload `{}` already: names differ", workload.name);
                problems.push(Invalid::new(&format!("{path}.name"), message));
            }
            workload.validate(&path, problems);
        }
    }
}

impl Validate for PodWorkload {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        let path = format!("{path}.spec");
        self.spec.validate(&path, problems);
        let windows = [("not_before", self.spec.not_before), ("not_after", self.spec.not_after)];
        for (field, value) in windows {
            if value.is_some() {
                problems.push(Invalid::new(
                    &format!("{path}.{field}"),
                    "the window of a pod's workload is the pod's: remove it",
                ));
            }
        }
    }
}
