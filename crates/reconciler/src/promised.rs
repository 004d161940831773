//! What of nodes is promised to others than the workload that wants a place.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_scheduler::Demand;
use tessera_scheduler::calendar::{Booking, Clash};
use tessera_types::host::{HostDemand, node_port};
use tessera_types::timed::Window;
use tessera_types::{Bytes, Millicores, Node, Now, Object, Timestamp, Uid, Workload};

use crate::bookings::is_service;
use crate::pass::Pass;
use crate::world::World;

/// What stands in the way of a workload that nobody holds for it.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    /// The nodes on which what it needs is promised, each with the reason.
    pub(crate) nodes: BTreeMap<Uid, String>,
    /// When the first of these promises ends, if one does. Nothing else may happen then.
    pub(crate) until: Option<Timestamp>,
}

/// The nodes on which what `workload` needs is promised to sessions, at some time
/// before it ends.
pub(crate) fn booked(
    workload: &Object<Workload>,
    demand: &Demand,
    world: &World,
    now: Now,
    pass: &Pass,
) -> Promised {
    let mut booked = Promised::default();
    if world.hosts.is_empty() || !is_service(workload) || planted(Bug::PromisedToOthers) {
        return booked;
    }
    let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
    let booking = Booking {
        window: Window { from: now.wall, until },
        demand: HostDemand {
            cpu: Millicores(demand.cpu),
            memory: Bytes(demand.memory),
            counted: demand.ports.iter().map(|port| (node_port(*port), 1)).collect(),
            ports: 0,
        },
        instead_of: Some(workload.id),
    };
    for host in world.hosts.iter() {
        let clash =
            pass.calendar(host.id, world).and_then(|calendar| calendar.fits(&booking).err());
        if let Some(Clash::Taken(taken)) = clash {
            let why = format!("{}: {taken}", host.name);
            booked.nodes.extend(world.nodes_of(host.id).map(|node| (node.id, why.clone())));
            let end = Some(taken.window.until).filter(|end| *end < Timestamp::MAX);
            booked.until = booked.until.into_iter().chain(end).min();
        }
    }
    booked
}

/// The nodes that another group counts than the one on which the pod of `workload`
/// is booked: what they have is promised there.
pub(crate) fn of_other_groups(workload: &Object<Workload>, world: &World) -> BTreeMap<Uid, String> {
    let pod = workload.owner.as_ref().and_then(|owner| world.pods.get(owner.id));
    let Some(binding) = pod.and_then(|pod| pod.observed.binding.as_ref()) else {
        return BTreeMap::new();
    };
    let other = |node: &Arc<Object<Node>>| {
        let group = world.group_of(node.id).filter(|group| group.id != binding.host_id)?;
        let why = format!("of host/{}, and its pod is on host/{}", group.name, binding.host);
        Some((node.id, why))
    };
    world.nodes.iter().filter_map(other).collect()
}

/// The nodes of the group on which the pod of `workload` is booked: they are few, and what
/// is promised there is promised to it. Of those that the function above leaves, they come
/// first; the others belong to no group.
pub(crate) fn of_its_group(
    workload: &Object<Workload>,
    world: &World,
) -> impl Iterator<Item = Uid> {
    let pod = workload.owner.as_ref().and_then(|owner| world.pods.get(owner.id));
    let host = pod.and_then(|pod| pod.observed.binding.as_ref()).map(|binding| binding.host_id);
    host.into_iter().flat_map(move |host| world.nodes_of(host)).map(|node| node.id)
}

/// What makes two demands alike to every node.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct DemandShape {
    cpu: u64,
    memory: u64,
    executor: tessera_scheduler::Executor,
    ports: Vec<(u16, tessera_types::workload::Protocol)>,
    constraints: Vec<String>,
    booked: Vec<Uid>,
}

impl DemandShape {
    pub(crate) fn of(demand: &Demand) -> Self {
        Self {
            cpu: demand.cpu,
            memory: demand.memory,
            executor: demand.executor,
            ports: demand.ports.clone(),
            constraints: demand.spec.constraints.iter().map(|one| format!("{one:?}")).collect(),
            booked: demand.booked.keys().copied().collect(),
        }
    }
}
