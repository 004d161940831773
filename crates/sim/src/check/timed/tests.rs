//! The checks are given histories with a fault, made by hand: each sees its own.

use std::sync::Arc;

use serde_json::json;
use tessera_types::workload::Assigned;
use tessera_types::{Actor, Kind, Name, Node, OwnerRef, ResourceKey, Workload};

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

fn object<K: Kind>(name: &str, id: u64, spec: serde_json::Value) -> Object<K> {
    let key = ResourceKey::new(K::KIND, None, Name::new(name).unwrap());
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    let mut object = Object::<K>::new(&key, spec, Actor::API, at(0));
    object.id = Uid(id);
    object.revision = Revision(1);
    object
}

fn world(resources: impl IntoIterator<Item = Resource>) -> World {
    World::load(Revision(1), resources)
}

/// The workload of a job that was in these states, one after the other.
fn of_job(path: &[WorkloadStatus], epoch: u64) -> World {
    let mut workload = object::<Workload>("job-a", 2, json!({"command": "x"}));
    workload.owner =
        Some(OwnerRef { kind: KindName::Job, name: Name::new("a").unwrap(), id: Uid(1) });
    workload.observed.epoch = Epoch(epoch);
    let made = workload.state_history.last().cloned().unwrap();
    for arrow in path.windows(2) {
        let mut entry = made.clone();
        (entry.from, entry.to) = (Some(arrow[0]), arrow[1]);
        Arc::make_mut(&mut workload.state_history).push(entry);
    }
    workload.status = *path.last().unwrap();
    world([Resource::Workload(Arc::new(workload))])
}

#[test]
fn a_job_that_is_started_again_is_seen() {
    use WorkloadStatus::{Completed, Failed, Pending, Running, Scheduled, Stopped};
    for end in [Completed, Failed, Stopped] {
        let once = [Pending, Scheduled, Running, end];
        assert_eq!(no_job_runs_twice(&of_job(&once, 1)), Ok(()));
        let again = [Pending, Scheduled, Running, end, Pending];
        let seen = no_job_runs_twice(&of_job(&again, 1)).unwrap_err();
        assert!(seen.contains("runs twice"), "{seen}");
    }
    // Lost, and placed somewhere else without an end in between.
    no_job_runs_twice(&of_job(&[Pending, Scheduled], 2)).unwrap_err();
}

/// The only host, and pods that hold so many licences and these ports from 100 to 200, or right
/// after that.
fn held(pods: &[(u64, &[u16], bool)]) -> World {
    let host = object::<Host>("fleet", 1, json!({"definition": {"type_key": "group"}}));
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
    let seen = |pods: &[(u64, &[u16], bool)]| no_host_over_capacity(&held(pods));
    assert_eq!(seen(&[(LICENCES - 1, &[7000], false), (1, &[7001], false)]), Ok(()));
    let seen_by = |pods: &[(u64, &[u16], bool)]| {
        let why = seen(pods).unwrap_err();
        assert!(why.contains("fleet is over capacity"), "{why}");
    };
    seen_by(&[(LICENCES, &[7000], false), (1, &[7001], false)]);
    seen_by(&[(1, &[7000], false), (1, &[7000], false)]);
    seen_by(&[(1, &[7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008], false)]);
    assert_eq!(seen(&[(LICENCES, &[7000], false), (1, &[7000], true)]), Ok(()), "one by one");
}

#[test]
fn an_orphan_and_a_report_that_nobody_makes_are_seen() {
    let owned_by = |owner| {
        let slot = json!({"start": at(100), "end": at(200)});
        let spec = json!({"definition": {"type_key": "x"}, "timeslot": slot, "part": "one",
            "order": 0, "gate": "none"});
        let mut part = object::<SessionPart>("s-one", 2, spec);
        part.owner = Some(OwnerRef {
            kind: KindName::Session,
            name: Name::new("s").unwrap(),
            id: Uid(owner),
        });
        part
    };
    let slot = json!({"start": at(100), "end": at(200)});
    let session =
        object::<Session>("s", 1, json!({"definition": {"type_key": "x"}, "timeslot": slot}));
    let seen = |others: Vec<Resource>| {
        let session = Resource::Session(Arc::new(session.clone()));
        nothing_is_orphaned(&world(others.into_iter().chain([session])))
    };
    assert_eq!(seen(vec![Resource::SessionPart(Arc::new(owned_by(1)))]), Ok(()));
    let orphan = seen(vec![Resource::SessionPart(Arc::new(owned_by(9)))]).unwrap_err();
    assert!(orphan.contains("which is gone"), "{orphan}");

    let with_report = |status| {
        let mut part = owned_by(1);
        part.status = status;
        let mut report = object::<Report>("r", 3, json!({"definition": {"type_key": "x"}}));
        report.owner =
            Some(OwnerRef { kind: KindName::SessionPart, name: part.name.clone(), id: part.id });
        let host = object::<Host>("fleet", 4, json!({"definition": {"type_key": "group"}}));
        seen(vec![
            Resource::SessionPart(Arc::new(part)),
            Resource::Report(Arc::new(report)),
            Resource::Host(Arc::new(host)),
        ])
    };
    assert_eq!(with_report(TimedStatus::Active), Ok(()));
    let never = with_report(TimedStatus::Terminated).unwrap_err();
    assert!(never.contains("is never made"), "{never}");
}

/// A node of 4 cores, a pod that has 3 from 100 to 200, and a service that has so many
/// millicores from 50 on.
fn shared(service: u64, not_after: Option<u64>) -> World {
    let mut node = object::<Node>("a", 1, json!({}));
    node.observed.capacity = crate::machine::capacity(4000);
    let host = object::<Host>("fleet", 2, json!({"definition": {"type_key": "group"}}));
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
    let seen =
        |service, not_after, now| no_group_over_its_nodes(&shared(service, not_after), at(now));
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
