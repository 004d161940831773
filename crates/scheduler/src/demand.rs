//! What a workload asks of a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::workload::{Placement, Port, Protocol, WorkloadSpec};
use tessera_types::{Labels, Name, Object, Uid, Workload};

/// What a node must be able to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executor {
    /// Processes.
    Process,
    /// Containers.
    Container,
}

/// The workloads that are spread together: same namespace, same labels, same
/// node label to spread over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadGroup {
    namespace: Option<Name>,
    labels: Arc<Labels>,
    /// The node label over whose values they are spread.
    pub by: String,
}

/// What a workload asks of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Processor time in millicores.
    pub cpu: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// What runs it.
    pub executor: Executor,
    /// The ports that it takes.
    pub ports: Vec<(u16, Protocol)>,
    /// Whom it is spread with.
    pub spread: Option<Arc<SpreadGroup>>,
    /// Emptiest or fullest node.
    pub placement: Placement,
    /// The spec, for its constraints.
    pub spec: Arc<WorkloadSpec>,
    /// Nodes whose room is promised to others in the time that it is wanted for,
    /// each with the reason.
    pub booked: BTreeMap<Uid, String>,
}

impl Demand {
    /// What `workload` asks for.
    #[must_use]
    pub fn of(workload: &Object<Workload>) -> Self {
        let spec = &workload.spec;
        let spread = spec.spread_by.as_ref().map(|by| {
            Arc::new(SpreadGroup {
                namespace: workload.namespace.clone(),
                labels: workload.labels.clone(),
                by: by.clone(),
            })
        });
        Self {
            cpu: spec.resources.cpu.0,
            memory: spec.resources.memory.0,
            executor: if spec.image.is_some() { Executor::Container } else { Executor::Process },
            ports: spec.host_ports().collect(),
            spread,
            placement: spec.placement,
            spec: Arc::clone(spec),
            booked: BTreeMap::new(),
        }
    }

    /// What is set aside for `workload` where it is placed: until it is placed
    /// again that is what it was placed with, even if its spec has changed.
    #[must_use]
    pub fn placed(workload: &Object<Workload>) -> Self {
        let demand = Self::of(workload);
        match &workload.observed.assigned {
            Some(assigned) => Self {
                cpu: assigned.resources.cpu.0,
                memory: assigned.resources.memory.0,
                ports: assigned.ports.iter().map(Port::on_host).collect(),
                ..demand
            },
            None => demand,
        }
    }
}
