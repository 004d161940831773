//! The check is given promises that were made by hand: it sees what is too much, and whether that
//! was known when it was promised.

use std::sync::Arc;

use serde_json::json;
use tessera_types::workload::Assigned;
use tessera_types::{Name, Pod, Resource, Revision};

use super::*;
use crate::catalogue::LICENCES;
use crate::check::made::{at, object, world};

/// A node of 4 cores, a pod that has 3 from 100 to 200, and a service that has so many
/// millicores from 50 on.
fn shared(service: u64, not_after: Option<u64>) -> World {
    let mut node = object::<Node>("a", 1, json!({}));
    node.observed.capacity = crate::machine::capacity(4000);
    let mut host = object::<Host>("fleet", 2, json!({"definition": {"type_key": "group"}}));
    let group = json!({"type_key": "group", "version": "1.0.0", "host_type": "node_group",
        "pod_types": ["fleet"]});
    let group = json!({"name": "group", "type_key": "group", "version": "1.0.0", "spec": group});
    host.observed.definition = serde_json::from_value(group).unwrap();
    host.observed.nodes = Some(1);
    let slot = json!({"start": at(100), "end": at(200)});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": slot});
    let mut pod = object::<Pod>("lab", 3, spec);
    let binding = json!({"host": "fleet", "host_id": Uid(2),
        "window": {"from": at(100), "until": at(200)}, "demand": {"cpu": 3000}});
    pod.observed.binding = serde_json::from_value(binding).unwrap();
    let not_after = not_after.map(at);
    let mut web = object::<Workload>("web", 4, json!({"command": "x", "not_after": not_after}));
    web.observed.assigned = Some(Assigned {
        node: Name::new("a").unwrap(),
        node_id: Uid(1),
        since: at(50),
        resources: serde_json::from_value(json!({"cpu": service})).unwrap(),
        on_disconnect: web.spec.on_disconnect,
        ports: Vec::new(),
    });
    world([
        Resource::Node(Arc::new(node)),
        Resource::Host(Arc::new(host)),
        Resource::Pod(Arc::new(pod)),
        Resource::Workload(Arc::new(web)),
    ])
}

#[test]
fn a_service_in_the_room_of_a_pod_is_seen_as_long_as_it_is_there() {
    let seen = |service, not_after, now| {
        // All of it was promised long before.
        let world = shared(service, not_after);
        let mut promised = Promised::default();
        promised.take_in(&world, at(0), at(0));
        promised.check(&world, at(now), at(now))
    };
    assert_eq!(seen(1000, None, 60), Ok(()), "both fit");
    for now in [60, 100, 199] {
        let why = seen(1001, None, now).unwrap_err();
        assert!(why.contains("(4001, 0) of (4000, "), "{why}");
        seen(1001, Some(101), now.min(100)).unwrap_err();
    }
    // At equal times ends come before starts.
    assert_eq!(seen(1001, Some(100), 60), Ok(()));
    assert_eq!(seen(1001, None, 200), Ok(()), "the pod is over");
}

/// Looked at by clocks that show these times, one after the other.
fn seen_at(shown: &[u64], world: &World) -> Result<(), String> {
    let mut promised = Promised::default();
    shown
        .iter()
        .zip(0..)
        .try_for_each(|(shown, look)| promised.check(world, at(*shown), at(1000 * (look + 1))))
}

#[test]
fn what_was_promised_by_a_clock_that_was_ahead_is_not_asked_of_earlier_times() {
    let both = shared(1001, None);
    seen_at(&[60], &both).unwrap_err();
    // The pod was over by that clock, and was not when it was set right.
    assert_eq!(seen_at(&[250, 60], &both), Ok(()));
    // The service comes by a clock that is right.
    let mut promised = Promised::default();
    let alone = shared(0, None);
    assert_eq!(promised.check(&alone, at(250), at(1)), Ok(()));
    assert_eq!(promised.check(&alone, at(60), at(2)), Ok(()));
    promised.check(&both, at(61), at(60)).unwrap_err();
}

#[test]
fn one_that_is_to_end_later_is_promised_the_time_between() {
    let until = |end| shared(1001, Some(end));
    let looks = |worlds: &[World]| {
        let mut promised = Promised::default();
        // There is another node at first.
        let mut node = object::<Node>("b", 9, json!({}));
        node.observed.capacity = crate::machine::capacity(4000);
        let more = worlds[0].all().chain([Resource::Node(Arc::new(node))]);
        promised.check(&World::load(Revision(1), more), at(55), at(1))?;
        worlds.iter().zip(2..).try_for_each(|(it, look)| promised.check(it, at(60), at(look)))
    };
    assert_eq!(looks(&[until(150), shared(1001, None)]), Ok(()), "100 is as it was");
    looks(&[until(100), shared(1001, None)]).unwrap_err();
    looks(&[until(150), until(100), until(150)]).unwrap_err();
}

#[test]
fn what_was_promised_before_a_node_left_is_not_held_against_anybody() {
    let (one, more) = (shared(500, None), shared(2000, None));
    let with_another = |world: &World| {
        let mut node = object::<Node>("b", 9, json!({}));
        node.observed.capacity = crate::machine::capacity(4000);
        World::load(Revision(1), world.all().chain([Resource::Node(Arc::new(node))]))
    };
    let mut promised = Promised::default();
    assert_eq!(promised.check(&with_another(&more), at(60), at(1)), Ok(()));
    assert_eq!(promised.check(&more, at(61), at(2)), Ok(()));
    // What is promised after that is promised of what is left.
    let mut promised = Promised::default();
    assert_eq!(promised.check(&with_another(&one), at(60), at(1)), Ok(()));
    assert_eq!(promised.check(&one, at(61), at(2)), Ok(()));
    promised.check(&more, at(62), at(3)).unwrap_err();
}

/// The only host, and pods that hold so many licences and these ports from 100 to 200, or right
/// after that.
fn hold(pods: &[(u64, &[u16], bool)]) -> World {
    let capacity =
        json!({"counted": {"licences": LICENCES}, "ports": [{"first": 7000, "last": 7007}]});
    let spec = json!({"definition": {"type_key": "group"}, "capacity": capacity});
    let host = object::<Host>("fleet", 1, spec);
    let mut resources = vec![Resource::Host(Arc::new(host))];
    for (id, (licences, ports, is_later)) in (2..).zip(pods) {
        let from = if *is_later { 200 } else { 100 };
        let (from, until) = (at(from), at(from + 100));
        let slot = json!({"start": from, "end": until});
        let spec = json!({"definition": {"type_key": "lab"}, "timeslot": slot});
        let mut pod = object::<Pod>(&format!("p{id}"), id, spec);
        let binding = json!({"host": "fleet", "host_id": Uid(1), "ports": ports,
            "window": {"from": from, "until": until},
            "demand": {"counted": {"licences": licences}}});
        pod.observed.binding = serde_json::from_value(binding).unwrap();
        resources.push(Resource::Pod(Arc::new(pod)));
    }
    world(resources)
}

#[test]
fn a_host_of_which_more_is_held_than_it_has_is_seen() {
    let seen = |pods: &[(u64, &[u16], bool)]| seen_at(&[60], &hold(pods));
    assert_eq!(seen(&[(LICENCES - 1, &[7000], false), (1, &[7001], false)]), Ok(()));
    let seen_by = |pods: &[(u64, &[u16], bool)]| {
        let why = seen(pods).unwrap_err();
        assert!(
            why.contains("fleet is over capacity") || why.contains("fleet gives port"),
            "{why}"
        );
    };
    seen_by(&[(LICENCES, &[7000], false), (1, &[7001], false)]);
    seen_by(&[(1, &[7000], false), (1, &[7000], false)]);
    seen_by(&[(1, &[7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008], false)]);
    assert_eq!(seen(&[(LICENCES, &[7000], false), (1, &[7000], true)]), Ok(()), "one by one");
}

#[test]
fn what_is_said_to_be_promised_is_recounted() {
    let world = |service| {
        let world = shared(service, Some(60));
        let ready = world.nodes.iter().map(|node| {
            let mut node = Object::<Node>::clone(node);
            node.status = NodeStatus::Ready;
            Resource::Node(Arc::new(node))
        });
        let ready: Vec<_> = ready.collect();
        let others = world.all().filter(|one| !matches!(one, Resource::Node(_)));
        World::load(Revision(1), others.chain(ready))
    };
    let seen = |cpu, not_after: Option<u64>, service, wall| {
        let spec = json!({"command": "x", "resources": {"cpu": cpu},
            "not_after": not_after.map(at)});
        let wants = object::<Workload>("wants", 9, spec);
        is_promised(&world(service), &wants, Uid(1), at(wall))
    };
    // The pod takes 3 of 4 cores from 100 to 200, and a service so many until 60.
    assert!(seen(1001, None, 0, 70) && !seen(1000, None, 0, 70));
    assert!(!seen(4000, Some(100), 0, 70) && seen(4000, Some(101), 0, 70));
    assert!(seen(1000, Some(80), 3001, 55) && !seen(1000, Some(80), 3001, 60));
    assert!(!seen(4000, None, 0, 200), "the pod is over");
}
