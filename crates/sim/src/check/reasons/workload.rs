//! What workloads say that they wait for.

use tessera_reconciler::World;
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::workload::{DesiredWorkloadStatus, Port, WorkloadStatus};
use tessera_types::{Node, Object, Transition, WaitReason, WaitingFor, Workload};

use super::super::promised::is_promised;
use super::{Look, is_placed_within_reach, is_reachable};

/// Whether nothing more happens to it unless somebody wants something else.
pub(in crate::check) fn is_at_rest(workload: &Object<Workload>) -> bool {
    use WorkloadStatus::{Completed, Failed, Running, Stopped};
    matches!(workload.status, Running | Stopped | Completed | Failed)
}

/// Whether what a workload says that it waits for is so.
pub(in crate::check) fn is_right(
    look: &Look<'_>,
    workload: &Object<Workload>,
    waiting: &WaitingFor,
) -> Result<(), String> {
    let world = look.world;
    use WorkloadStatus::{BackingOff, Lost, Pending, Provisioning, Scheduled, Stopped, Stopping};
    let (status, observed) = (workload.status, &workload.observed);
    let assigned = observed.assigned.as_ref();
    let is_here = is_placed_within_reach(world, workload);
    let is_so = match waiting.reason {
        WaitReason::NoNodeFits => {
            let says_so = waiting.message.contains("promised to sessions");
            let is_free = |node: &&std::sync::Arc<Object<Node>>| {
                takes(world, node, workload)
                    && !(says_so && is_promised(world, workload, node.id, look.wall))
            };
            if let Some(node) = world.nodes.iter().find(is_free) {
                return Err(format!("and {} takes it", node.name));
            }
            status == Pending && assigned.is_none()
        }
        WaitReason::NotBefore => {
            status == Pending
                && waiting.until.is_some()
                && waiting.until == workload.spec.not_before
        }
        WaitReason::NodeOffline => {
            status == Lost && assigned.is_some_and(|it| !is_reachable(world, it.node_id))
        }
        // One that was stopped with its agent begins again with that.
        WaitReason::Agent if status == BackingOff => is_here && observed.next_start_at.is_none(),
        WaitReason::Agent => is_here && status == Scheduled,
        WaitReason::Start => is_here && status == Provisioning,
        WaitReason::Backoff if status == Stopped => {
            is_closed_early(workload) && waiting.until < workload.spec.not_after
        }
        WaitReason::Backoff => {
            is_here && status == BackingOff && waiting.until == observed.next_start_at
        }
        WaitReason::Stop => is_here && status == Stopping && observed.trouble.is_none(),
        WaitReason::Unkillable => is_here && status == Stopping && observed.trouble.is_some(),
        _ => false,
    };
    if is_so { Ok(()) } else { Err("and that is not so".to_owned()) }
}

/// Whether its window is over by its node's clock, and it is wanted: its agent has stopped it unasked,
/// and said why.
pub(in crate::check) fn is_closed_early(workload: &Object<Workload>) -> bool {
    let says_so =
        |entry: &Transition<WorkloadStatus>| entry.reason.contains("not_after has passed");
    workload.status == WorkloadStatus::Stopped
        && workload.desired_status == DesiredWorkloadStatus::Running
        && workload.deletion_requested_at.is_none()
        && match workload.state_history.as_slice() {
            [.., stopping, stopped] => {
                stopped.from == Some(WorkloadStatus::Stopping)
                    && stopping.by.is_agent()
                    && stopped.by.is_agent()
                    && (says_so(stopping) || says_so(stopped))
            }
            _ => false,
        }
}

/// Whether a node has room for a workload and takes it, counted from what is placed.
fn takes(world: &World, node: &Object<Node>, workload: &Object<Workload>) -> bool {
    let labels = node.effective_labels();
    let is_open = node.status == NodeStatus::Ready
        && node.desired_status == DesiredNodeStatus::Ready
        && node.deletion_requested_at.is_none();
    let has_labels = workload.spec.constraints.iter().all(|one| one.is_met_by(&labels));
    let placed = || {
        let on_it = world.workloads_on(node.id).filter(|other| other.id != workload.id);
        on_it.filter_map(|other| other.observed.assigned.as_ref())
    };
    let (cpu, memory, count) = placed().fold((0, 0, 0), |(cpu, memory, count), one| {
        (cpu + one.resources.cpu.0, memory + one.resources.memory.0, count + 1)
    });
    let mut taken = placed().flat_map(|one| one.ports.iter().map(Port::on_host));
    let ports: Vec<_> = workload.spec.ports.iter().map(Port::on_host).collect();
    let capacity = node.allocatable();
    is_open
        && has_labels
        && cpu + workload.spec.resources.cpu.0 <= capacity.cpu.0
        && memory + workload.spec.resources.memory.0 <= capacity.memory.0
        && count < capacity.workloads
        && !taken.any(|port| ports.contains(&port))
}
