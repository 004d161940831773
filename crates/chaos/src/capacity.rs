//! Counts what is taken of nodes and hosts, by the resources as a watcher sees them, and
//! without the product's own accounts.

use std::collections::BTreeMap;

use tessera_types::{Object, Pod, Resource, Uid};

/// Nothing is over what it has.
pub(crate) fn check<'a>(state: impl Iterator<Item = &'a Resource> + Clone) -> Result<(), String> {
    nodes(state.clone())?;
    hosts(state)
}

fn nodes<'a>(state: impl Iterator<Item = &'a Resource> + Clone) -> Result<(), String> {
    let mut taken: BTreeMap<Uid, (u64, u64, u64)> = BTreeMap::new();
    for resource in state.clone() {
        let Resource::Workload(workload) = resource else { continue };
        if let Some(assigned) = &workload.observed.assigned {
            let sum = taken.entry(assigned.node_id).or_default();
            sum.0 += assigned.resources.cpu.0;
            sum.1 += assigned.resources.memory.0;
            sum.2 += 1;
        }
    }
    for resource in state {
        let Resource::Node(node) = resource else { continue };
        let has = &node.observed.capacity;
        let (cpu, memory, workloads) = taken.get(&node.id).copied().unwrap_or_default();
        if cpu > has.cpu.0 || memory > has.memory.0 || workloads > u64::from(has.workloads) {
            let taken = format!("{cpu}m, {memory} bytes, {workloads} workloads");
            return Err(format!("{} has {has:?} and gives {taken}", node.name));
        }
    }
    Ok(())
}

fn hosts<'a>(state: impl Iterator<Item = &'a Resource> + Clone) -> Result<(), String> {
    let pods: Vec<&Object<Pod>> = state
        .clone()
        .filter_map(|resource| match resource {
            Resource::Pod(pod) if pod.observed.binding.is_some() => Some(&**pod),
            _ => None,
        })
        .collect();
    for resource in state {
        let Resource::Host(host) = resource else { continue };
        for (thing, has) in &host.observed.capacity.counted {
            // It is fullest where something begins.
            for first in &pods {
                let Some(begin) = first.observed.binding.as_ref() else { continue };
                let at_once = pods.iter().filter_map(|pod| {
                    let binding = pod.observed.binding.as_ref()?;
                    let is_held =
                        binding.host_id == host.id && binding.window.contains(begin.window.from);
                    is_held.then(|| binding.demand.counted.get(thing).copied().unwrap_or_default())
                });
                let sum: u64 = at_once.sum();
                if sum > *has {
                    let at = begin.window.from;
                    return Err(format!("{} has {has} {thing} and gives {sum} at {at}", host.name));
                }
            }
        }
    }
    Ok(())
}
