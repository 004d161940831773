//! Nodes: what is wanted of them, and what is in use on them.

use std::collections::HashMap;

use dropshot::HttpResponseAccepted;
use tessera_api::ApiError;
use tessera_types::api::{NodeTop, Top, Used, WorkloadTop};
use tessera_types::node::{Capacity, DesiredNodeStatus};
use tessera_types::{
    Bytes, KindName, Millicores, Name, Node, Object, Problem, ResourceKey, Uid, Workload,
};

use crate::plane::Plane;

/// Sets what is wanted of a node, in the turn of an admission: who has booked something
/// of its group by then is among those who are told to be short of it, and who books
/// later finds the group without it.
pub(super) async fn desire(
    plane: &Plane,
    name: Name,
    desired: DesiredNodeStatus,
) -> Result<HttpResponseAccepted<Object<Node>>, ApiError> {
    let key = ResourceKey::new(KindName::Node, None, name);
    let _turn = plane.turn_to_book(KindName::Node).await;
    let node = plane
        .edit::<Node>(&key, |edit| {
            if edit.object.deletion_requested_at.is_some() {
                return Err(crate::declare::refused(
                    &key,
                    &tessera_types::manifest::Refusal::BeingDeleted,
                ));
            }
            edit.desire(desired);
            Ok::<(), Problem>(())
        })
        .await?;
    Ok(HttpResponseAccepted((*node).clone()))
}

/// What nodes have, and what of it is in use.
pub(super) fn top(plane: &Plane) -> Top {
    let world = plane.world.read();
    let mut used = HashMap::new();
    let nodes = world
        .nodes
        .iter()
        .map(|node| {
            let agent = plane.agents.get(&node.name).filter(|agent| agent.node_id == node.id);
            let usage = agent.as_ref().and_then(|agent| agent.usage.as_ref());
            used.extend(
                usage.iter().flat_map(|usage| &usage.workloads).map(|one| (one.id, one.used)),
            );
            NodeTop {
                name: node.name.clone(),
                status: node.status,
                allocatable: node.allocatable(),
                allocated: allocated(world.workloads_on(node.id).map(|workload| &**workload)),
                used: usage.map(|usage| usage.node),
                last_heard_at: agent.map(|agent| agent.heard_at),
            }
        })
        .collect();
    let workloads = world.workloads.iter().filter_map(|one| workload_top(one, &used)).collect();
    Top { nodes, workloads }
}

fn allocated<'a>(workloads: impl Iterator<Item = &'a Object<Workload>>) -> Capacity {
    let assigned = workloads.filter_map(|workload| workload.observed.assigned.as_ref());
    assigned.fold(Capacity::default(), |sum, assigned| Capacity {
        cpu: Millicores(sum.cpu.0 + assigned.resources.cpu.0),
        memory: Bytes(sum.memory.0 + assigned.resources.memory.0),
        workloads: sum.workloads + 1,
    })
}

fn workload_top(workload: &Object<Workload>, used: &HashMap<Uid, Used>) -> Option<WorkloadTop> {
    let assigned = workload.observed.assigned.as_ref()?;
    Some(WorkloadTop {
        namespace: workload.namespace.clone()?,
        name: workload.name.clone(),
        node: assigned.node.clone(),
        allocated: assigned.resources,
        used: used.get(&workload.id).copied(),
    })
}
