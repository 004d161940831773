//! What is decided in one pass does not book the same room twice.

use proptest::prelude::*;
use serde_json::json;
use tessera_types::timed::{LateDecision, Timeslot, Window};
use tessera_types::{
    Duration, Host, HostDefinition, Object, PartDefinition, Pod, PodDefinition, Session,
    SessionDefinition,
};

use crate::plane::Plane;

/// One server with room for one pod at a time, of the type `lab`; and a session
/// type `exam` with one such pod.
fn one_server() -> Plane {
    let mut plane = Plane::new();
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server",
        "pod_types": ["cml_on_aws"], "capacity": {"cpu": "4"},
    }}));
    plane.apply::<Host>(json!({"name": "server", "spec": {"definition": {"type_key": "server"}}}));
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "cml_on_aws", "demand": {"cpu": "3"},
    }}));
    plane.apply::<PartDefinition>(json!({"name": "exam", "spec": {
        "type_key": "exam", "version": "1.0.0", "duration": "60s",
        "pods": [{"name": "lab", "selector": {"type_key": "lab"}}],
    }}));
    plane.apply::<SessionDefinition>(json!({"name": "exam", "spec": {
        "type_key": "exam", "version": "1.0.0", "on_late": "shift",
        "parts": [{"name": "one", "selector": {"type_key": "exam"}}],
    }}));
    plane.settle();
    plane
}

/// The windows of those that were shifted; no two of them overlap.
fn shifted(plane: &Plane) -> Vec<Timeslot> {
    let late = |pod: &Object<Pod>| {
        let timed = &pod.observed.timed;
        let of_part = pod.owner.as_ref().and_then(|owner| {
            let part = plane.world.table::<tessera_types::SessionPart>().get(owner.id)?;
            part.observed.timed.late.clone()
        });
        let late = timed.late.clone().or(of_part)?;
        (late.decision == LateDecision::Shifted).then_some(timed.timeslot?)
    };
    plane.world.pods.iter().filter_map(|pod| late(pod)).collect()
}

fn overlap(one: &Timeslot, other: &Timeslot) -> bool {
    let windows: [Window; 2] = [one.held(), other.held()];
    windows[0].overlaps(&windows[1])
}

/// Both windows were missed; each alone could take place now.
#[test]
fn two_pods_that_are_late_are_not_both_shifted_to_the_same_time() {
    let mut plane = one_server();
    for (name, start) in [("first", 100), ("second", 200)] {
        plane.apply::<Pod>(json!({"name": name, "spec": {
            "definition": {"type_key": "lab"}, "on_late": "shift",
            "timeslot": {"start": plane.at(start).to_string(), "duration": "60s"},
        }}));
    }
    plane.settle();
    plane.sleep(300);
    assert_eq!(shifted(&plane).len(), 1, "{:#?}", shifted(&plane));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However many are late, and by however much: no two of those that were
    /// shifted are on the host at the same time.
    #[test]
    fn what_is_late_never_overlaps_once_shifted(
        pods in prop::collection::vec((0..400u64, 1..80u64, any::<bool>()), 2..8),
        outage in 50..500u64,
    ) {
        let mut plane = one_server();
        for (i, (start, length, in_session)) in pods.iter().enumerate() {
            let slot = json!({"start": plane.at(20 + start).to_string(),
                "duration": format!("{length}s")});
            // What does not fit is refused: it is not what this is about.
            let _ = match in_session {
                true => plane.try_apply::<Session>(json!({"name": format!("p{i}"), "spec": {
                    "definition": {"type_key": "exam"}, "timeslot": {"start": slot["start"]},
                    "parts": {"one": {"timeslot": slot}},
                }})),
                false => plane.try_apply::<Pod>(json!({"name": format!("p{i}"), "spec": {
                    "definition": {"type_key": "lab"}, "on_late": "shift", "timeslot": slot,
                }})),
            };
        }
        plane.settle();
        plane.sleep(outage);
        let slots = shifted(&plane);
        for (n, one) in slots.iter().enumerate() {
            let clash = slots[n + 1..].iter().find(|other| overlap(one, other));
            prop_assert!(clash.is_none(), "{one} and {clash:?}");
        }
        plane.run_until(plane.now.wall.plus(Duration::from_secs(5)));
        for host in plane.world.hosts.iter() {
            let over = plane.world.calendar(host.id).and_then(tessera_scheduler::calendar::Calendar::is_over);
            prop_assert!(over.is_none(), "{over:?}");
        }
    }
}
