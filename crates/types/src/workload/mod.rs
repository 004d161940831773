//! Workloads: one process or container that should run.

mod observed;
mod spec;
mod status;
mod validate;

pub use observed::{Assigned, Exit, ExitOutcome, Health, Instance, WorkloadObserved};
pub use spec::{
    Backoff, Constraint, HealthCheck, HttpProbe, Mount, OnDisconnect, Placement, Port, Protocol,
    Resources, Restart, RestartPolicy, Signal, Stop, TcpProbe, WorkloadSpec,
};
pub use status::{DesiredWorkloadStatus, WorkloadStatus};

use crate::envelope::Object;
use crate::kind::{Kind, KindName};

/// What is said of a copy that was stopped because its agent was, and in order.
pub const STOPPED_WITH_AGENT: &str = "stopped together with its agent";

/// The kind of workloads.
#[derive(Clone, Debug, PartialEq, schemars::JsonSchema)]
pub struct Workload;

impl Kind for Workload {
    const KIND: KindName = KindName::Workload;
    const KEEPS_DESIRED_STATUS: bool = false;
    type Spec = WorkloadSpec;
    type Status = WorkloadStatus;
    type Desired = DesiredWorkloadStatus;
    type Observed = WorkloadObserved;

    fn declared(object: &mut Object<Self>, before: &WorkloadSpec) {
        if !object.spec.launches_like(before) {
            object.observed.launch_generation = object.generation;
        }
    }
}
