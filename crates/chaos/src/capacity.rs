//! Counts what is taken of nodes and hosts, without the product's own accounts: by the resources
//! as a watcher sees them, and by the processes that there are.

use std::collections::BTreeMap;

use tessera_types::{Object, Pod, Resource, Uid};

use crate::system::Room;
use crate::witness::Copy;

/// Nothing is over what it has.
pub(crate) fn check<'a>(state: impl Iterator<Item = &'a Resource> + Clone) -> Result<(), String> {
    nodes(state.clone())?;
    hosts(state)
}

/// No node has more processes than it has room for. What is set aside for a copy is on its
/// command line.
pub(crate) fn count(copies: &[Copy], room: Room) -> Result<(), String> {
    let mut taken: BTreeMap<&str, Vec<&Copy>> = BTreeMap::new();
    for copy in copies {
        taken.entry(&copy.node).or_default().push(copy);
    }
    for (node, copies) in taken {
        let cpu: u64 = copies.iter().map(|copy| copy.cpu).sum();
        if cpu > room.cpu || copies.len() > room.workloads {
            return Err(format!("{node} has {room:?} and runs {copies:?}, which is {cpu}m"));
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tessera_types::Host;
    use tessera_types::host::HostDemand;
    use tessera_types::pod::Binding;
    use tessera_types::timed::Window;

    use super::*;
    use crate::fixture::{at, node, object, running};

    #[test]
    fn a_node_that_gives_more_than_it_has_is_seen() {
        let full = |count: u64, workloads: u32| {
            let node = node("node-0", 1, workloads);
            let all = (0..count).map(|i| running(&format!("w{i}"), i + 2, &node, 7));
            let mut all: Vec<_> = all.map(|it| Resource::Workload(it.into())).collect();
            all.push(Resource::Node(node.into()));
            check(all.iter())
        };
        // Each takes 400 of 1000.
        assert_eq!(full(2, 2), Ok(()));
        assert!(full(3, 3).is_err_and(|wrong| wrong.contains("1200m")));
        assert!(full(2, 1).is_err_and(|wrong| wrong.contains("2 workloads")));
    }

    #[test]
    fn a_host_that_gives_more_than_it_has_at_any_time_is_seen() {
        let mut host = object::<Host>("room", 1, json!({"definition": {"type_key": "room"}}));
        host.observed.capacity.counted = [("seats".to_owned(), 2)].into();
        let pod = |id: u64, from: i64, until: i64| {
            let slot = json!({"start": at(0), "end": at(10)});
            let spec = json!({"definition": {"type_key": "d"}, "timeslot": slot});
            let mut pod = object::<Pod>(&format!("p{id}"), id, spec);
            let counted = [("seats".to_owned(), 1)].into();
            let demand = HostDemand { counted, ..HostDemand::default() };
            let window = Window { from: at(from), until: at(until) };
            let (host_id, host, ports) = (host.id, host.name.clone(), Vec::new());
            pod.observed.binding = Some(Binding { host, host_id, window, demand, ports });
            Resource::Pod(pod.into())
        };
        let booked = |windows: &[(i64, i64)]| {
            let pods = (2..).zip(windows).map(|(id, (from, until))| pod(id, *from, *until));
            let all: Vec<_> = pods.chain([Resource::Host(host.clone().into())]).collect();
            check(all.iter())
        };
        assert_eq!(booked(&[(0, 10), (0, 10), (10, 20), (10, 30)]), Ok(()));
        assert!(booked(&[(0, 10), (0, 10), (9, 20)]).is_err());
    }

    #[test]
    fn a_node_that_runs_more_than_it_has_room_for_is_seen() {
        let copy = |node: &str, cpu: u64| Copy {
            name: "web".to_owned(),
            pid: 7,
            node: node.to_owned(),
            cpu,
        };
        let room = Room { cpu: 200, workloads: 2 };
        assert_eq!(count(&[copy("a", 100), copy("a", 100), copy("b", 200)], room), Ok(()));
        assert!(count(&[copy("a", 100), copy("a", 101)], room).is_err());
        assert!(count(&[copy("a", 1), copy("a", 1), copy("a", 1)], room).is_err());
    }
}
