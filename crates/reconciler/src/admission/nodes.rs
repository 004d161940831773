//! Whether the nodes of a group can run a pod at all, each workload on one of them.
//!
//! A group has the sum of its nodes, but a workload is on one: that must be large
//! enough, run its sort, meet its constraints, and no two that take the same port of
//! their node can share it. Which node it is, is decided when it is placed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_scheduler::Executor;
use tessera_types::catalogue::{HostType, PodDefinitionSpec, PodType, PodWorkload};
use tessera_types::workload::Protocol;
use tessera_types::{Host, Node, Object};

use crate::host::counts;
use crate::world::World;

/// Why no arrangement on the nodes of a group runs the pod, worded as "2 …".
pub(super) fn why_no_node(
    world: &World,
    host: &Object<Host>,
    host_type: HostType,
    definition: &PodDefinitionSpec,
) -> Option<String> {
    if host_type != HostType::NodeGroup || definition.pod_type != PodType::Fleet {
        return None;
    }
    let nodes: Vec<_> = world.nodes_of(host.id).filter(|node| counts(node)).collect();
    if let ([], Some(first)) = (nodes.as_slice(), definition.workloads.first()) {
        let has_any = world.nodes_of(host.id).next().is_some();
        let which = if has_any { "that is Ready" } else { "at all" };
        return Some(format!("have no node {which} for workload {}", first.name));
    }
    let unplaced = definition.workloads.iter().find_map(|workload| {
        let reason = why_none_takes(&nodes, workload)?;
        Some(format!("have no node that {reason} for workload {}", workload.name))
    });
    unplaced.or_else(|| too_few_for_ports(&nodes, definition))
}

fn runs(node: &Object<Node>, workload: &PodWorkload) -> bool {
    let executors = &node.observed.executors;
    match executor(workload) {
        Executor::Process => executors.runs_processes(),
        Executor::Container => executors.runs_containers(),
    }
}

fn executor(workload: &PodWorkload) -> Executor {
    if workload.spec.image.is_some() { Executor::Container } else { Executor::Process }
}

fn is_large_enough(node: &Object<Node>, workload: &PodWorkload) -> bool {
    let (has, needs) = (node.allocatable(), workload.spec.resources);
    has.cpu >= needs.cpu && has.memory >= needs.memory
}

fn meets_constraints(node: &Object<Node>, workload: &PodWorkload) -> bool {
    if workload.spec.constraints.is_empty() {
        return true;
    }
    let labels = node.effective_labels();
    workload.spec.constraints.iter().all(|one| one.is_met_by(&labels))
}

fn takes(node: &Object<Node>, workload: &PodWorkload) -> bool {
    runs(node, workload) && is_large_enough(node, workload) && meets_constraints(node, workload)
}

/// What none of the nodes has; none when one takes the workload.
fn why_none_takes(nodes: &[&Arc<Object<Node>>], workload: &PodWorkload) -> Option<String> {
    let any =
        |has: fn(&Object<Node>, &PodWorkload) -> bool| nodes.iter().any(|node| has(node, workload));
    if any(takes) {
        return None;
    }
    let sort = match executor(workload) {
        Executor::Process => "processes",
        Executor::Container => "containers",
    };
    let constraints: Vec<_> = workload.spec.constraints.iter().map(ToString::to_string).collect();
    Some(if !any(is_large_enough) {
        "is large enough".to_owned()
    } else if !any(runs) {
        format!("runs {sort}")
    } else if !any(meets_constraints) {
        format!("has {}", constraints.join(" and "))
    } else {
        format!("runs {sort}, is large enough and meets the constraints, all at once,")
    })
}

/// The first port that more workloads take than there are nodes for them.
fn too_few_for_ports(
    nodes: &[&Arc<Object<Node>>],
    definition: &PodDefinitionSpec,
) -> Option<String> {
    let mut takers: BTreeMap<(u16, Protocol), Vec<&PodWorkload>> = BTreeMap::new();
    for workload in &definition.workloads {
        for port in workload.spec.host_ports() {
            takers.entry(port).or_default().push(workload);
        }
    }
    let ((port, protocol), takers) =
        takers.into_iter().find(|(_, takers)| !each_has_its_own(nodes, takers))?;
    Some(format!(
        "have too few nodes for the {} workloads that take port {port}/{protocol} of theirs",
        takers.len()
    ))
}

/// Whether each workload can have a node for itself.
fn each_has_its_own(nodes: &[&Arc<Object<Node>>], workloads: &[&PodWorkload]) -> bool {
    let mut taken_by = vec![None; nodes.len()];
    (0..workloads.len()).all(|one| {
        let mut tried = vec![false; nodes.len()];
        finds_a_node(one, nodes, workloads, &mut taken_by, &mut tried)
    })
}

/// Gives workload `one` a node; another may have to move for it.
fn finds_a_node(
    one: usize,
    nodes: &[&Arc<Object<Node>>],
    workloads: &[&PodWorkload],
    taken_by: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for at in 0..nodes.len() {
        if tried[at] || !takes(nodes[at], workloads[one]) {
            continue;
        }
        tried[at] = true;
        let is_free = match taken_by[at] {
            None => true,
            Some(other) => finds_a_node(other, nodes, workloads, taken_by, tried),
        };
        if is_free {
            taken_by[at] = Some(one);
            return true;
        }
    }
    false
}
