//! Tenants on a fleet: data pipelines that agents install on nodes.
//!
//! The one idea: the manifest and the units travel with the resource, the program does
//! not. What a node has to have is therefore all in the spec, and its [hash](TenantHash)
//! says whether it does.

mod hash;
mod observed;
mod run;
mod spec;
mod status;

pub use hash::TenantHash;
pub use observed::{
    LastRun, Repaired, TenantConflict, TenantNode, TenantNodeState, TenantObserved, TenantService,
    TenantTold,
};
pub use run::{RunRequestId, RunSource, RunState, TenantRun};
pub use spec::TenantSpec;
pub use status::{DesiredTenantStatus, TenantStatus};

use std::borrow::Cow;

use schemars::JsonSchema;

use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::labels::Labels;
use crate::limits;
use crate::node::Node;

/// The kind of tenants.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Tenant;

impl Kind for Tenant {
    const KIND: KindName = KindName::Tenant;
    const KEEPS_DESIRED_STATUS: bool = true;
    const SPEC_BYTES_MAX: usize = limits::TENANT_SPEC_BYTES_MAX;
    type Spec = TenantSpec;
    type Status = TenantStatus;
    type Desired = DesiredTenantStatus;
    type Observed = TenantObserved;

    /// What agents said is about what was declared before, if that is something else.
    fn declared(object: &mut Object<Self>, _before: &Self::Spec) {
        let hash = Some(object.spec.hash());
        if object.observed.hash != hash {
            object.observed.hash = hash;
            object.observed.hash_generation = object.generation;
            object.observed.nodes.iter_mut().for_each(TenantNode::wait);
        }
    }
}

impl Object<Tenant> {
    /// Whether `node` is one of those that it is to be on, as long as it is not being
    /// deleted. What else the node is doing does not matter: a tenant is no workload.
    #[must_use]
    pub fn selects(&self, node: &Object<Node>) -> bool {
        is_part(&self.spec.node_selector, &node.effective_labels())
    }

    /// What is known of it on a node.
    #[must_use]
    pub fn on(&self, node: crate::Uid) -> Option<&TenantNode> {
        self.observed.nodes.iter().find(|it| it.node_id == node)
    }

    /// The runs that are asked for on a node and are not over.
    pub fn open_runs_on(&self, node: crate::Uid) -> impl Iterator<Item = &TenantRun> {
        self.observed.runs.iter().filter(move |run| run.node_id == node && run.is_open())
    }
}

fn is_part(part: &Labels, of: &Labels) -> bool {
    part.iter().all(|(key, value)| of.get(key) == Some(value))
}

/// How people call a service: its suffix, or that it is the primary.
#[must_use]
pub fn service_name(service: Option<&crate::Name>) -> Cow<'_, str> {
    match service {
        Some(suffix) => Cow::Borrowed(suffix.as_str()),
        None => Cow::Borrowed("primary"),
    }
}
