//! A service is not placed where its room is promised to a session.

use std::sync::Arc;

use serde_json::json;
use tessera_reconciler::{Reconciler, World};
use tessera_types::{
    Actor, BootTime, Duration, Host, Kind, KindName, Name, Node, Now, Object, Pod, Resource,
    ResourceKey, Revision, Timestamp, Uid, Workload, Write,
};

const HOUR: Duration = Duration::from_secs(3600);

fn at(hours: u64) -> Timestamp {
    Timestamp::EPOCH.plus(HOUR.times(hours))
}

fn object<K: Kind>(kind: KindName, name: &str, id: u64, spec: serde_json::Value) -> Object<K> {
    let key = ResourceKey::new(kind, None, Name::new(name).unwrap());
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    let mut object = Object::<K>::new(&key, spec, Actor::API, at(0));
    object.id = Uid(id);
    object.revision = Revision(1);
    object
}

fn observed<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// One node of 4 cores in a group, of which a pod has 3 from hour 2 to hour 3.
fn world(workload: serde_json::Value) -> World {
    let mut node = object::<Node>(KindName::Node, "a", 1, json!({}));
    node.status = tessera_types::node::NodeStatus::Ready;
    node.observed = observed(json!({
        "capacity": {"cpu": 4000, "memory": 4096, "workloads": 10},
        "executors": {"process": true}
    }));
    let mut host =
        object::<Host>(KindName::Host, "group", 2, json!({"definition": {"type_key": "nodes"}}));
    host.observed = observed(json!({
        "definition": {"name": "nodes", "type_key": "nodes", "version": "1.0.0", "spec": {
            "type_key": "nodes", "version": "1.0.0", "host_type": "node_group", "pod_types": ["fleet"]
        }},
        "capacity": {"cpu": 4000, "memory": 4096}
    }));
    let mut pod = object::<Pod>(
        KindName::Pod,
        "lab",
        3,
        json!({"definition": {"type_key": "lab"}, "timeslot": {"start": at(2), "end": at(3)}}),
    );
    pod.observed = observed(json!({"binding": {
        "host": "group", "host_id": Uid(2), "window": {"from": at(2), "until": at(3)},
        "demand": {"cpu": 3000}
    }}));
    let workload = object::<Workload>(KindName::Workload, "web", 4, workload);
    let resources = [
        Resource::Node(Arc::new(node)),
        Resource::Host(Arc::new(host)),
        Resource::Pod(Arc::new(pod)),
        Resource::Workload(Arc::new(workload)),
    ];
    World::load(Revision(1), resources)
}

#[test]
fn two_that_are_placed_at_once_do_not_both_take_what_is_left_for_one() {
    let mut world = world(json!({"command": "x", "resources": {"cpu": 1000}}));
    let other = object::<Workload>(
        KindName::Workload,
        "other",
        5,
        json!({"command": "x", "resources": {"cpu": 1000}}),
    );
    let all = world.all().chain([Resource::Workload(Arc::new(other))]).collect::<Vec<_>>();
    world = World::load(Revision(1), all);
    let now = Now { wall: at(0), boot: BootTime::default() };
    world.started(now.boot, HOUR);
    world.heard(Uid(1), now.boot, HOUR);
    let pass = Reconciler::new(&world).pass(&world, now, 100);
    assert!(pass.books());
    let placed = pass.writes.iter().flat_map(|(_, writes)| writes).filter(|write| {
        matches!(write, Write::Update { resource: Resource::Workload(it), .. }
            if it.observed.assigned.is_some())
    });
    assert_eq!(placed.count(), 1);
}

/// Nothing happens at the end of what is promised: the time alone makes room.
#[test]
fn one_that_waits_for_the_end_of_a_promise_is_looked_at_then() {
    let world = world(json!({"command": "x", "resources": {"cpu": 2000}}));
    let second = Duration::from_secs(1);
    let before = BootTime::default().plus(HOUR);
    let mut world = world;
    world.started(before, HOUR);
    world.heard(Uid(1), before, HOUR);
    let mut reconciler = Reconciler::new(&world);
    let wall = Timestamp::EPOCH.plus(HOUR.times(3)).minus(second);
    let now = Now { wall, boot: before };
    let placed = |pass: &tessera_reconciler::Pass| pass.stats.workloads_placed;
    assert_eq!(placed(&reconciler.pass(&world, now, 100)), 0);
    assert_eq!(reconciler.next_in(now), Some(second));
    let now = Now { wall: at(3), boot: before.plus(second) };
    assert_eq!(placed(&reconciler.pass(&world, now, 100)), 1);
}

/// What becomes of the workload: its node, or what it waits for.
fn placed(spec: serde_json::Value) -> Result<Name, String> {
    let mut world = world(spec);
    let now = Now { wall: at(0), boot: BootTime::default() };
    world.started(now.boot, HOUR);
    world.heard(Uid(1), now.boot, HOUR);
    let pass = Reconciler::new(&world).pass(&world, now, 100);
    let written = pass.writes.iter().flat_map(|(_, writes)| writes).find_map(|write| match write {
        Write::Update { resource: Resource::Workload(workload), .. } => Some(workload),
        _ => None,
    });
    let workload = written.expect("something is decided");
    match &workload.observed.assigned {
        Some(assigned) => Ok(assigned.node.clone()),
        None => Err(workload.waiting_for.as_ref().unwrap().message.clone()),
    }
}

#[test]
fn a_service_without_an_end_leaves_what_is_promised_later() {
    let refusal = placed(json!({"command": "x", "resources": {"cpu": 2000}})).unwrap_err();
    assert!(refusal.contains("promised to sessions (group: cpu: 1000m of 4000m free"), "{refusal}");
    assert!(refusal.contains("pod/default/lab"), "{refusal}");
}

#[test]
fn one_that_ends_before_or_fits_beside_is_placed() {
    let ends = json!({"command": "x", "resources": {"cpu": 2000}, "not_after": at(2)});
    assert_eq!(placed(ends).unwrap().as_str(), "a");
    assert_eq!(placed(json!({"command": "x", "resources": {"cpu": 1000}})).unwrap().as_str(), "a");
    assert_eq!(placed(json!({"command": "x"})).unwrap().as_str(), "a");
}
