//! A run that goes on after its end is seen, unless its node cannot be told.

use std::sync::Arc;

use serde_json::json;
use tessera_types::timed::Timeslot;
use tessera_types::{Epoch, Name, OwnerRef, Pod, Resource};

use super::*;
use crate::check::made::{object, world};
use crate::check::rules::tests::{at, machine};

/// What is declared of the only run of the machine, which knows of no end before 60.
fn declared(not_after: Option<u64>) -> Object<Workload> {
    let end = not_after.map(|end| at(end).to_string());
    let mut workload = object::<Workload>("a", 1, json!({"command": "x", "not_after": end}));
    workload.observed.epoch = Epoch(1);
    workload
}

fn looks(machine: Machine, resources: Vec<Resource>) -> Result<(), String> {
    let (world, mut overdue) = (world(resources), Overdue::default());
    let machines = [machine];
    (0..90).try_for_each(|second| {
        let now = at(10 + second);
        overdue.check(&world, &machines, now, now)
    })
}

fn registered() -> Machine {
    let mut machine = machine();
    machine.is_registered = true;
    machine
}

#[test]
fn a_shorter_window_that_the_agent_does_not_know_is_seen() {
    let of = |end| vec![Resource::Workload(Arc::new(declared(end)))];
    assert_eq!(looks(registered(), of(Some(90))), Ok(()));
    assert_eq!(looks(registered(), of(None)), Ok(()));
    let seen = looks(registered(), of(Some(15))).unwrap_err();
    assert!(seen.contains("should have ended"), "{seen}");
    let mut away = registered();
    away.is_cut_off = true;
    assert_eq!(looks(away, of(Some(15))), Ok(()));
}

#[test]
fn what_outlives_its_pod_is_seen() {
    let slot = json!({"start": at(0), "end": at(10)});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": slot});
    let of = |buffer| {
        let mut pod = object::<Pod>("p", 2, spec.clone());
        let (lead_time, teardown_buffer) = (Duration::ZERO, Duration::from_secs(buffer));
        let slot = Timeslot { start: at(0), end: at(10), lead_time, teardown_buffer };
        pod.observed.timed.timeslot = Some(slot);
        let mut workload = declared(None);
        let name = Name::new("p").unwrap();
        workload.owner = Some(OwnerRef { kind: KindName::Pod, name, id: pod.id });
        vec![Resource::Workload(Arc::new(workload)), Resource::Pod(Arc::new(pod))]
    };
    assert_eq!(looks(registered(), of(60)), Ok(()));
    assert!(looks(registered(), of(5)).is_err());
}
