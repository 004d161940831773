//! The checks are given histories with a fault, made by hand: each sees its own.

use std::sync::Arc;

use serde_json::json;
use tessera_types::timed::Timeslot;
use tessera_types::{Name, OwnerRef, WaitReason, WaitingFor, Workload};

use super::*;
use crate::check::made::{at, object, world};

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

#[test]
fn what_is_deleted_waits_for_its_teardown_only_where_the_clock_was_ahead() {
    let slot = json!({"start": at(1000), "end": at(1100)});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": slot});
    let mut pod = object::<Pod>("a", 1, spec);
    let buffer = Duration::from_secs(30);
    pod.observed.timed.timeslot = Some(Timeslot {
        start: at(1000),
        end: at(1100),
        lead_time: Duration::ZERO,
        teardown_buffer: buffer,
    });
    pod.status = TimedStatus::TearingDown;
    pod.deletion_requested_at = Some(at(5));
    let (reason, message) = (WaitReason::Children, "job/a".to_owned());
    pod.waiting_for = Some(WaitingFor { reason, message, since: at(5), until: None });
    let seen = |wall, was_ahead| explained(&pod, false, at(wall), was_ahead).is_ok();
    // Its cleanup deadline is at 1130, and it may be a minute late.
    assert!(seen(10, true) && seen(1189, true));
    assert!(!seen(10, false) && !seen(1191, true));
}

#[test]
fn a_part_and_a_host_that_begin_too_early_or_outlive_their_time_are_seen() {
    fn seen<K: Timed<Status = TimedStatus> + Tabled>(spec: serde_json::Value) {
        let mut timed = object::<K>("a", 1, spec);
        let secs = Duration::from_secs;
        let (lead_time, teardown_buffer) = (secs(10), secs(30));
        let slot = Timeslot { start: at(1000), end: at(1100), lead_time, teardown_buffer };
        K::timed_mut(&mut timed).timeslot = Some(slot);
        let is_early = |begun| {
            let mut timed = timed.clone();
            K::timed_mut(&mut timed).provisioned_at = Some(at(begun));
            let world = world([K::wrap(Arc::new(timed))]);
            Seen::default().nothing_is_early(&world).is_err()
        };
        assert!(is_early(989) && !is_early(990), "{}", K::KIND);
        timed.status = TimedStatus::TearingDown;
        let is_late = |wall| {
            let world = world([K::wrap(Arc::new(timed.clone()))]);
            let is_over = |it: &Object<K>| it.status == TimedStatus::Terminated;
            is_over_in_time::<K>(&world, at(wall), is_over).is_err()
        };
        assert!(is_late(1131) && !is_late(1130), "{}", K::KIND);
    }
    let slot = json!({"start": at(1000), "end": at(1100)});
    let of = json!({"type_key": "x"});
    seen::<SessionPart>(
        json!({"definition": of, "timeslot": slot, "part": "one", "order": 0, "gate": "none"}),
    );
    seen::<Host>(json!({"definition": of, "timeslot": slot}));
    seen::<Pod>(json!({"definition": of, "timeslot": slot}));
}
