//! Node groups on which services run and pods are booked: what is promised is never
//! given away, counted here from the bindings and the nodes alone; and whoever is
//! refused or waits has no room.

use proptest::prelude::*;
use serde_json::json;
use tessera_reconciler::admission::AdmissionError;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    Host, HostDefinition, Name, Pod, PodDefinition, Timestamp, Uid, Workload, Write,
};

use crate::plane::Plane;

const LICENCES: u64 = 3;
const PORTS: usize = 3;
const SIZES: [u64; 4] = [500, 1000, 1500, 2500];

#[derive(Clone, Debug)]
enum Asked {
    /// A service with so many millicores, and when it ends if it does, in seconds.
    Service { size: usize, ends: Option<u64> },
    /// A pod with one workload, its start and its length.
    Pod { size: usize, start: u64, length: u64 },
    /// The service that was asked for so many steps ago ends at another time, or never.
    Ends { back: usize, ends: Option<u64> },
    /// So many seconds pass.
    Time(u64),
    /// The pod or service that was asked for so many steps ago goes.
    Delete(usize),
}

fn asked() -> impl Strategy<Value = Asked> {
    let size = 0..SIZES.len();
    prop_oneof![
        3 => (size.clone(), prop::option::weighted(0.6, 10..120u64))
            .prop_map(|(size, ends)| Asked::Service { size, ends }),
        5 => (size, 5..100u64, 1..40u64)
            .prop_map(|(size, start, length)| Asked::Pod { size, start, length }),
        3 => (1..6usize, prop::option::weighted(0.7, 5..120u64))
            .prop_map(|(back, ends)| Asked::Ends { back, ends }),
        2 => (1..30u64).prop_map(Asked::Time),
        1 => (1..6usize).prop_map(Asked::Delete),
    ]
}

/// Two groups: `a-group` of the first nodes, and `fleet` of all others.
fn plane(nodes: &[(u64, bool)]) -> Plane {
    let mut plane = Plane::new();
    let first: Vec<_> = nodes
        .iter()
        .enumerate()
        .filter(|(_, (_, is_first))| *is_first)
        .map(|(i, _)| format!("node-{i}"))
        .collect();
    plane.apply::<HostDefinition>(json!({"name": "group", "spec": {
        "type_key": "group", "version": "1.0.0", "host_type": "node_group", "pod_types": ["fleet"],
        "capacity": {"counted": {"licences": LICENCES},
            "ports": [{"first": 7000, "last": 7000 + PORTS - 1}]},
    }}));
    plane.apply::<Host>(json!({"name": "a-group", "spec": {"definition": {"type_key": "group"},
        "nodes": [{"label": "node", "in": first.iter().map(String::as_str).chain(["none"])
            .collect::<Vec<_>>()}]}}));
    plane.apply::<Host>(json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}));
    for (i, size) in SIZES.iter().enumerate() {
        plane.apply::<PodDefinition>(json!({"name": format!("lab-{i}"), "spec": {
            "type_key": format!("lab-{i}"), "version": "1.0.0", "pod_type": "fleet",
            "workloads": [{"name": "vm", "spec": {
                "command": "vm", "resources": {"cpu": format!("{size}m")},
            }}],
            "demand": {"counted": {"licences": 1}, "ports": 1},
            "lead_time": "2s", "teardown_buffer": "4s",
        }}));
    }
    for (i, (cpu, _)) in nodes.iter().enumerate() {
        plane.node(&format!("node-{i}"), *cpu);
    }
    plane.settle();
    plane
}

/// What is held of a group: from when until when, how many millicores, and for a
/// pod its port.
struct Held {
    from: Timestamp,
    until: Timestamp,
    cpu: u64,
    port: Option<u16>,
}

fn held(plane: &Plane, group: &Group) -> Vec<Held> {
    let of_pods = plane.world.pods.iter().filter_map(|pod| {
        let binding = pod.observed.binding.as_ref().filter(|it| it.host_id == group.id)?;
        let window = binding.window;
        assert_eq!(binding.demand.counted["licences"], 1);
        let port = Some(*binding.ports.first().expect("it asked for one"));
        Some(Held { from: window.from, until: window.until, cpu: binding.demand.cpu.0, port })
    });
    let services = plane.world.workloads.iter().filter(|workload| workload.owner.is_none());
    let of_services = services.filter_map(|workload| {
        let assigned = workload.observed.assigned.as_ref()?;
        let is_here = group.nodes.iter().any(|(id, _)| *id == assigned.node_id);
        let until = workload.spec.not_after.unwrap_or(Timestamp::MAX);
        let cpu = workload.spec.resources.cpu.0;
        is_here.then_some(Held { from: assigned.since, until, cpu, port: None })
    });
    of_pods.chain(of_services).collect()
}

/// A group with its nodes, as the names say and not as the calendars do.
struct Group {
    id: Uid,
    nodes: Vec<(Uid, u64)>,
}

fn groups(plane: &Plane, nodes: &[(u64, bool)]) -> [Group; 2] {
    [("a-group", true), ("fleet", false)].map(|(name, first)| Group {
        id: plane.get::<Host>(name).id,
        nodes: nodes
            .iter()
            .enumerate()
            .filter(|(_, (_, is_first))| *is_first == first)
            .map(|(i, (cpu, _))| {
                let name = Name::new(&format!("node-{i}")).unwrap();
                (plane.world.nodes.find(None, &name).unwrap().id, *cpu)
            })
            .collect(),
    })
}

impl Group {
    fn cpu(&self) -> u64 {
        self.nodes.iter().map(|(_, cpu)| cpu).sum()
    }

    /// Whether this much more, and a licence and a port if it is a pod, is free at
    /// every instant of the window.
    fn has_room(
        &self,
        held: &[Held],
        (from, until): (Timestamp, Timestamp),
        cpu: u64,
        is_pod: bool,
    ) -> bool {
        let overlapping: Vec<_> =
            held.iter().filter(|one| one.from < until && from < one.until).collect();
        let ports: std::collections::BTreeSet<_> =
            overlapping.iter().filter_map(|one| one.port).collect();
        let instants = overlapping.iter().map(|one| one.from.max(from)).chain([from]);
        let has_port = !is_pod || ports.len() < PORTS;
        has_port
            && instants.into_iter().all(|at| {
                let now = || overlapping.iter().filter(|one| one.from <= at && at < one.until);
                let used: u64 = now().map(|one| one.cpu).sum();
                let pods = now().filter(|one| one.port.is_some()).count() as u64;
                used + cpu <= self.cpu() && (!is_pod || pods < LICENCES)
            })
    }

    fn check(&self, held: &[Held]) -> Result<(), TestCaseError> {
        for one in held {
            let now = || held.iter().filter(|it| it.from <= one.from && one.from < it.until);
            let cpu: u64 = now().map(|it| it.cpu).sum();
            let mut ports: Vec<_> = now().filter_map(|it| it.port).collect();
            prop_assert!(cpu <= self.cpu(), "{cpu} of {} at {}", self.cpu(), one.from);
            prop_assert!(ports.len() as u64 <= LICENCES);
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(ports.len(), now().filter(|it| it.port.is_some()).count());
        }
        Ok(())
    }
}

/// No node has more than it is large, and no pod's workload is on another group's.
fn check_nodes(plane: &Plane, groups: &[Group]) -> Result<(), TestCaseError> {
    for (id, cpu) in groups.iter().flat_map(|group| &group.nodes) {
        let on = plane.world.workloads_on(*id);
        let used: u64 = on.map(|workload| workload.spec.resources.cpu.0).sum();
        prop_assert!(used <= *cpu, "a node of {cpu} has {used}");
    }
    for workload in plane.world.workloads.iter() {
        let pod = workload.owner.as_ref().and_then(|owner| plane.world.pods.get(owner.id));
        let Some(binding) = pod.and_then(|pod| pod.observed.binding.as_ref()) else { continue };
        let Some(assigned) = &workload.observed.assigned else { continue };
        let group = groups.iter().find(|group| group.id == binding.host_id).unwrap();
        prop_assert!(group.nodes.iter().any(|(id, _)| *id == assigned.node_id));
    }
    Ok(())
}

/// A service that waits just after it was declared fits on no node, or would take
/// what is promised.
fn check_waits(plane: &Plane, groups: &[Group], name: &str) -> Result<(), TestCaseError> {
    let Some(service) = plane.find::<Workload>(name) else { return Ok(()) };
    if service.observed.assigned.is_some() || service.status != WorkloadStatus::Pending {
        return Ok(());
    }
    let cpu = service.spec.resources.cpu.0;
    let until = service.spec.not_after.unwrap_or(Timestamp::MAX);
    for group in groups {
        let is_free = group.has_room(&held(plane, group), (plane.now.wall, until), cpu, false);
        for (id, has) in &group.nodes {
            let on = plane.world.workloads_on(*id);
            let used: u64 = on.map(|workload| workload.spec.resources.cpu.0).sum();
            prop_assert!(
                !is_free || used + cpu > *has,
                "{name} could be placed: {:?}",
                service.waiting_for
            );
        }
    }
    Ok(())
}

fn service(plane: &Plane, name: &str, size: u64, ends: Option<u64>) -> serde_json::Value {
    let not_after = ends.map(|seconds| plane.at(seconds).to_string());
    json!({"name": name, "spec": {
        "command": "web", "resources": {"cpu": format!("{size}m")}, "not_after": not_after,
    }})
}

/// A service ends at another time: refused only where the time that it would have
/// more is not free.
fn check_ends(
    plane: &mut Plane,
    groups: &[Group],
    name: &str,
    ends: Option<u64>,
) -> Result<(), TestCaseError> {
    let Some(before) = plane.find::<Workload>(name) else { return Ok(()) };
    let cpu = before.spec.resources.cpu.0;
    let old = before.spec.not_after.unwrap_or(Timestamp::MAX).max(plane.now.wall);
    let new = ends.map_or(Timestamp::MAX, |seconds| plane.at(seconds));
    let on = before.observed.assigned.as_ref().map(|assigned| assigned.node_id);
    let group = groups.iter().find(|group| group.nodes.iter().any(|(id, _)| Some(*id) == on));
    let fits = group.is_none_or(|group| {
        new <= old || group.has_room(&held(plane, group), (old, new), cpu, false)
    });
    let declared = service(plane, name, cpu, ends);
    match plane.try_apply::<Workload>(declared) {
        Ok(_) => prop_assert!(fits, "{name} may end at {new}"),
        Err(AdmissionError::Booked(why)) => prop_assert!(!fits, "{name} may not: {why}"),
        Err(other) => prop_assert!(false, "{name}: {other}"),
    }
    plane.settle();
    Ok(())
}

#[test]
fn a_service_does_not_end_later_where_its_room_is_booked() {
    let mut plane = plane(&[(2500, false)]);
    let noon = plane.now.wall;
    let ending = |plane: &mut Plane, ends: Option<u64>| {
        let declared = service(plane, "web", 2500, ends);
        let answer = plane.try_apply::<Workload>(declared);
        plane.settle();
        answer
    };
    ending(&mut plane, Some(60)).unwrap();
    plane.apply::<Pod>(json!({"name": "exam", "spec": {
        "definition": {"type_key": "lab-3"},
        "timeslot": {"start": plane.at(82).to_string(), "duration": "20s"},
    }}));
    for ends in [None, Some(81)] {
        let Err(AdmissionError::Booked(why)) = ending(&mut plane, ends) else {
            panic!("it takes what is booked")
        };
        assert!(why.contains("pod/default/exam"), "{why}");
        let before = plane.get::<Workload>("web").spec.not_after;
        assert_eq!(before, Some(noon.plus(tessera_types::Duration::from_secs(60))));
    }
    // Up to the beginning of what is booked, and earlier again.
    for ends in [Some(80), Some(70)] {
        ending(&mut plane, ends).unwrap();
    }
    plane.delete::<Pod>("exam");
    plane.settle();
    ending(&mut plane, None).unwrap();
    assert_eq!(plane.get::<Host>("fleet").waiting_for, None);
}

#[test]
fn whoever_waits_is_looked_at_when_a_service_is_to_end_earlier() {
    let mut plane = plane(&[(2770, false), (1230, false)]);
    plane.apply::<Pod>(json!({"name": "lab", "spec": {
        "definition": {"type_key": "lab-3"},
        "timeslot": {"start": plane.at(10).to_string(), "duration": "5s"},
    }}));
    plane.apply::<Workload>(service(&plane, "first", 1000, None));
    plane.settle();
    plane.apply::<Workload>(service(&plane, "second", 1000, Some(30)));
    plane.settle();
    let is_placed =
        |plane: &Plane, name: &str| plane.get::<Workload>(name).observed.assigned.is_some();
    assert!(is_placed(&plane, "first") && !is_placed(&plane, "second"));
    // Before the pod begins, so that both have room beside it.
    plane.apply::<Workload>(service(&plane, "first", 1000, Some(5)));
    plane.settle();
    assert!(is_placed(&plane, "second"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_promised_of_a_group_is_never_given_away(
        nodes in prop::collection::vec((1000..4000u64, any::<bool>()), 1..5),
        asked in prop::collection::vec(asked(), 1..24),
    ) {
        let mut plane = plane(&nodes);
        let groups = groups(&plane, &nodes);
        for (i, one) in asked.iter().enumerate() {
            let name = format!("x{i}");
            match one {
                Asked::Service { size, ends } => {
                    let declared = service(&plane, &name, SIZES[*size], *ends);
                    plane.apply::<Workload>(declared);
                    plane.settle();
                    check_waits(&plane, &groups, &name)?;
                }
                Asked::Pod { size, start, length } => {
                    let window = (plane.at(start - 2), plane.at(start + length + 4));
                    let fits = groups.iter().any(|group| {
                        group.nodes.iter().any(|(_, cpu)| *cpu >= SIZES[*size])
                            && group.has_room(&held(&plane, group), window, SIZES[*size], true)
                    });
                    let answer = plane.try_apply::<Pod>(json!({"name": name, "spec": {
                        "definition": {"type_key": format!("lab-{size}")},
                        "timeslot": {"start": plane.at(*start).to_string(),
                            "duration": format!("{length}s")},
                    }}));
                    match answer {
                        Ok(_) => prop_assert!(fits, "{one:?} was admitted"),
                        Err(AdmissionError::DoesNotFit(why)) => {
                            prop_assert!(!fits, "{one:?} was refused: {why}");
                        }
                        Err(other) => prop_assert!(false, "{one:?}: {other}"),
                    }
                    plane.settle();
                }
                Asked::Ends { back, ends } => {
                    let name = format!("x{}", i.saturating_sub(*back));
                    check_ends(&mut plane, &groups, &name, *ends)?;
                }
                Asked::Time(seconds) => plane.run(*seconds),
                Asked::Delete(back) => {
                    let name = format!("x{}", i.saturating_sub(*back));
                    if plane.find::<Pod>(&name).is_some() {
                        plane.delete::<Pod>(&name);
                    } else if plane.find::<Workload>(&name).is_some() {
                        plane.delete::<Workload>(&name);
                    }
                    plane.settle();
                }
            }
            for group in &groups {
                group.check(&held(&plane, group))?;
            }
            check_nodes(&plane, &groups)?;
        }
    }
}

/// So many nodes in one group, and a type of pods that take a port of their node.
fn with_fixed_port(nodes: usize) -> Plane {
    let mut plane = plane(&vec![(4000, false); nodes]);
    plane.apply::<PodDefinition>(json!({"name": "web", "spec": {
        "type_key": "web", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "web", "spec": {"command": "web", "ports": [{"port": 8080}]}}],
    }}));
    plane
}

fn web(plane: &mut Plane, name: &str, start: u64) -> Result<usize, String> {
    let start = plane.at(start).to_string();
    let applied = plane.try_apply::<Pod>(json!({"name": name, "spec": {
        "definition": {"type_key": "web"}, "host": {"labels": []},
        "timeslot": {"start": start, "duration": "10s"}}}));
    plane.settle();
    applied.map_err(|error| match error {
        AdmissionError::DoesNotFit(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    })
}

fn a_service(plane: &mut Plane, name: &str) -> std::sync::Arc<tessera_types::Object<Workload>> {
    plane.apply::<Workload>(json!({"name": name,
        "spec": {"command": "web", "ports": [{"port": 8080}]}}));
    plane.settle();
    plane.get::<Workload>(name)
}

#[test]
fn a_port_that_a_definition_names_is_held_on_as_many_nodes_as_there_are() {
    for nodes in [1, 2] {
        let mut plane = with_fixed_port(nodes);
        for one in 0..nodes {
            web(&mut plane, &format!("web-{one}"), 20).unwrap();
        }
        let refusal = web(&mut plane, "one-too-many", 25).unwrap_err();
        assert!(refusal.contains("port 8080/tcp"), "{refusal}");
        // Ends come before starts.
        web(&mut plane, "after", 30).unwrap();
        let held = plane.pod("after").observed.binding.clone().unwrap().demand.counted;
        assert_eq!(held.get("port 8080/tcp"), Some(&1));
        plane.run(26);
        assert_eq!(plane.pod("web-0").status, tessera_types::timed::TimedStatus::Active);
        plane.run(10);
        assert_eq!(plane.pod("after").status, tessera_types::timed::TimedStatus::Active);
    }
}

#[test]
fn a_port_is_not_promised_that_a_service_has_and_the_other_way_about() {
    let mut plane = with_fixed_port(1);
    assert_eq!(a_service(&mut plane, "first").status, WorkloadStatus::Running);
    let refusal = web(&mut plane, "web", 20).unwrap_err();
    assert!(refusal.contains("port 8080/tcp") && refusal.contains("workload"), "{refusal}");
    plane.delete::<Workload>("first");
    plane.settle();
    web(&mut plane, "web", 20).unwrap();
    let second = a_service(&mut plane, "second");
    assert_eq!(second.status, WorkloadStatus::Pending);
    let message = &second.waiting_for.as_ref().unwrap().message;
    assert!(message.contains("port 8080/tcp") && message.contains("pod/default/web"), "{message}");
}

/// A group that loses a node says so, and one that is declared with fewer is refused.
#[test]
fn a_group_with_fewer_nodes_than_pods_with_one_port_is_overbooked() {
    let mut plane = with_fixed_port(2);
    web(&mut plane, "web-0", 60).unwrap();
    web(&mut plane, "web-1", 60).unwrap();
    let narrowed = plane.try_apply::<Host>(json!({"name": "fleet", "spec": {
        "definition": {"type_key": "group"}, "nodes": [{"label": "node", "in": ["node-0"]}]}}));
    let Err(AdmissionError::Booked(message)) = narrowed else { panic!("{narrowed:?}") };
    assert!(message.contains("port 8080/tcp"), "{message}");
    plane.cut_off("node-1");
    plane.run(20);
    let waiting = plane.get::<Host>("fleet").waiting_for.clone().unwrap();
    assert!(waiting.message.contains("port 8080/tcp"), "{}", waiting.message);
}

/// What is booked while a node can be reached may be written down after it is lost.
#[test]
fn a_group_is_overbooked_by_what_was_decided_before_its_node_was_lost() {
    let mut before = with_fixed_port(2);
    web(&mut before, "web-1", 60).unwrap();
    let decided = before.pod("web-1");
    let mut plane = with_fixed_port(2);
    web(&mut plane, "web-0", 60).unwrap();
    plane.cut_off("node-1");
    plane.run(20);
    assert_eq!(plane.get::<Host>("fleet").waiting_for, None);
    plane.commit(vec![Write::create((*decided).clone())]);
    plane.settle();
    let waiting = plane.get::<Host>("fleet").waiting_for.clone().unwrap();
    assert!(waiting.message.contains("port 8080/tcp"), "{}", waiting.message);
}
