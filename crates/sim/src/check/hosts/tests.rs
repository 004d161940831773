//! The checks are given hosts that were made by hand: each sees its own.

use serde_json::{Value, json};
use tessera_types::{Pod, Resource, WaitReason, WaitingFor};

use super::*;
use crate::check::made::{at, object, world};

/// A pod that was made from this version of its definition.
fn pod(version: &str, revision: u64) -> World {
    let slot = json!({"start": at(100), "end": at(200)});
    let mut pod =
        object::<Pod>("a", 1, json!({"definition": {"type_key": "lab"}, "timeslot": slot}));
    let spec: Value = json!({"type_key": "lab", "version": version, "pod_type": "fleet"});
    let spec: Arc<PodDefinitionSpec> = Arc::new(serde_json::from_value(spec).unwrap());
    let (name, type_key) = ("lab".parse().unwrap(), spec.type_key.clone());
    let version = spec.version.clone();
    pod.observed.definition = Some(Pinned { name, type_key, version, spec });
    pod.revision = Revision(revision);
    World::load(Revision(revision), [Resource::Pod(Arc::new(pod))])
}

#[test]
fn a_pod_that_is_made_of_something_else_later_is_seen() {
    let mut made_from = MadeFrom::default();
    assert_eq!(made_from.check(&pod("1.0.0", 1)), Ok(()));
    assert_eq!(made_from.check(&pod("1.0.0", 2)), Ok(()));
    made_from.check(&pod("1.1.0", 3)).unwrap_err();
}

fn seen(change: impl FnOnce(&mut Object<Host>), may_be_put_off: bool) -> Result<(), String> {
    let mut host = object::<Host>("a", 1, json!({"definition": {"type_key": "server"}}));
    change(&mut host);
    converged(&world([Resource::Host(Arc::new(host))]), at(1000), may_be_put_off)
}

fn waits_until(seconds: u64) -> Option<WaitingFor> {
    let (reason, message) = (WaitReason::Phase, "phase raise".to_owned());
    Some(WaitingFor { reason, message, since: at(5), until: Some(at(seconds)) })
}

#[test]
fn a_host_that_does_not_come_to_what_is_wanted_is_seen() {
    let active = |host: &mut Object<Host>| host.status = TimedStatus::Active;
    assert_eq!(seen(active, false), Ok(()));
    seen(|host| host.status = TimedStatus::Provisioning, false).unwrap_err();
    let drained = |host: &mut Object<Host>| {
        active(host);
        host.desired_status = DesiredTimedStatus::TornDown;
    };
    seen(drained, false).unwrap_err();
    let torn_down = |host: &mut Object<Host>| {
        drained(host);
        host.status = TimedStatus::Terminated;
    };
    assert_eq!(seen(torn_down, false), Ok(()));
}

#[test]
fn a_host_that_is_deleted_is_there_in_the_end_only_where_the_clock_was_ahead() {
    let deleted = |until| {
        move |host: &mut Object<Host>| {
            host.deletion_requested_at = Some(at(5));
            host.waiting_for = waits_until(until);
        }
    };
    seen(deleted(1001), false).unwrap_err();
    assert_eq!(seen(deleted(1001), true), Ok(()));
    seen(deleted(1000), true).unwrap_err();
}
