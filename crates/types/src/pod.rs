//! Pods: provisioned environments, each on a host for the time of its window.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{DefinitionSelector, HostRequirement, Pinned, PodDefinitionSpec};
use crate::envelope::Object;
use crate::host::HostDemand;
use crate::identity::Uid;
use crate::kind::{Kind, KindName};
use crate::name::Name;
use crate::omitted::is_default;
use crate::session::validate_env;
use crate::time::Timestamp;
use crate::timed::{
    DeclaredTimeslot, DesiredTimedStatus, OnLate, TimedObserved, TimedStatus, Window, timed_kind,
};
use crate::validate::{Invalid, Validate};

/// The kind of pods.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Pod;

impl Kind for Pod {
    const KIND: KindName = KindName::Pod;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = PodSpec;
    type Status = TimedStatus;
    type Desired = DesiredTimedStatus;
    type Observed = PodObserved;

    fn settle(spec: &mut Arc<PodSpec>, existing: Option<&PodSpec>, now: Timestamp) {
        let spec = Arc::make_mut(spec);
        spec.timeslot.settle(existing.map(|one| &one.timeslot), now);
    }
}

timed_kind!(Pod);

/// What is declared of a pod, by a person or by the admission of its session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PodSpec {
    /// Its type.
    pub definition: DefinitionSelector,
    /// When it is wanted. Its end must be given unless it belongs to a part.
    pub timeslot: DeclaredTimeslot,
    /// What its host must be, besides what its definition says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host: HostRequirement,
    /// What happens when it is late.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_late: OnLate,
    /// Facts for its workloads, as environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Validate for PodSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
        self.host.validate(&format!("{path}.host"), problems);
        validate_env(&format!("{path}.env"), &self.env, problems);
        let path = format!("{path}.timeslot");
        self.timeslot.validate(&path, problems);
        if self.timeslot.end.is_none() && self.timeslot.duration.is_none() {
            problems.push(Invalid::new(&path, "it has no end: give `end` or `duration`"));
        }
    }
}

/// What Tessera knows of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PodObserved {
    /// What it has in common with all timed resources.
    #[serde(flatten)]
    pub timed: TimedObserved,
    /// Its definition as it was when the pod was admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<PodDefinitionSpec>>,
    /// Its host, for the time that it holds capacity there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// Capacity of a host that a pod holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// The host.
    pub host: Name,
    /// The host's identity.
    pub host_id: Uid,
    /// For how long: from `provision_at` to `cleanup_deadline`.
    pub window: Window,
    /// How much.
    pub demand: HostDemand,
    /// The ports that it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}
