//! A thousand sessions that live at the same time: each boundary is seen to by the
//! first pass at its time, however much else there is, and nothing is looked at in
//! vain. How long a pass takes is a matter of the benchmark `sessions`.

use std::collections::BTreeMap;

use serde_json::json;
use tessera_types::timed::TimedStatus;
use tessera_types::{
    Duration, Host, HostDefinition, PartDefinition, PodDefinition, Session, SessionDefinition,
    SessionPart, Timestamp,
};

use crate::plane::Plane;

const SESSIONS: u64 = 1000;
const NODES: u64 = 10;
/// The starts are spread over so many milliseconds.
const SPREAD: u64 = 60_000;
/// A prime that does not divide the number of sessions: they do not start in order.
const STRIDE: u64 = 389;

fn plane() -> Plane {
    let mut plane = Plane::new();
    for i in 0..NODES {
        plane.node(&format!("node-{i}"), SESSIONS * 10 / NODES);
    }
    let head = |key: &str| json!({"type_key": key, "version": "1.0.0"});
    let with = |key: &str, more: serde_json::Value| {
        let mut spec = head(key);
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        json!({"name": key, "spec": spec})
    };
    let group = json!({"host_type": "node_group", "pod_types": ["fleet"]});
    plane.apply::<HostDefinition>(with("group", group));
    plane.apply::<Host>(json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}));
    plane.apply::<PodDefinition>(with(
        "lab",
        json!({"pod_type": "fleet", "workloads": [
            {"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "10m"}}},
        ]}),
    ));
    plane.apply::<PartDefinition>(with(
        "part",
        json!({"duration": "70s", "lead_time": "10s", "teardown_buffer": "30s",
            "pods": [{"name": "lab", "selector": {"type_key": "lab"}}]}),
    ));
    plane.apply::<SessionDefinition>(with(
        "lesson",
        json!({"parts": [{"name": "one", "selector": {"type_key": "part"}}]}),
    ));
    plane.settle();
    plane
}

/// When each part becomes what, by its window.
type Boundaries = BTreeMap<Timestamp, Vec<(String, TimedStatus)>>;

fn boundaries(plane: &Plane) -> Boundaries {
    let mut all = Boundaries::new();
    for part in plane.world.table::<SessionPart>().iter() {
        let slot = part.observed.timed.timeslot.unwrap();
        for (at, status) in [
            (slot.provision_at(), TimedStatus::Provisioning),
            (slot.start, TimedStatus::Active),
            (slot.end, TimedStatus::TearingDown),
        ] {
            all.entry(at).or_default().push((part.name.to_string(), status));
        }
    }
    all
}

#[test]
fn the_first_pass_at_a_boundary_sees_to_it_with_a_thousand_sessions() {
    let mut plane = plane();
    let first = plane.at(60);
    for i in 0..SESSIONS {
        let offset = Duration::from_millis(i * STRIDE % SESSIONS * SPREAD / SESSIONS);
        plane.apply::<Session>(json!({"name": format!("lesson-{i}"), "spec": {
            "definition": {"type_key": "lesson"},
            "timeslot": {"start": first.plus(offset).to_string()},
        }}));
    }
    plane.settle();
    let mut boundaries = boundaries(&plane);
    let count: usize = boundaries.values().map(Vec::len).sum();
    assert_eq!(count as u64, 3 * SESSIONS);
    let (mut passes, mut most_live) = (0, 0);
    while let Some((&next, _)) = boundaries.first_key_value() {
        plane.until_due();
        assert!(plane.now.wall <= next, "nobody looks at {next}");
        let at_it = boundaries.remove(&plane.now.wall).unwrap_or_default();
        passes += moment(&mut plane, &at_it);
        if at_it.iter().any(|(_, status)| *status == TimedStatus::Active) {
            let parts = plane.world.table::<SessionPart>();
            let live = parts.iter().filter(|part| part.status == TimedStatus::Active);
            most_live = most_live.max(live.count());
        }
    }
    assert_eq!(most_live as u64, SESSIONS, "all live at once");
    assert!(passes < 6 * count, "{passes} passes for {count} boundaries");
}

/// Does all that is due now; says in how many passes.
fn moment(plane: &mut Plane, boundaries: &[(String, TimedStatus)]) -> usize {
    let mut passes = 0;
    while plane.is_due() {
        let backlog = plane.reconciler.backlog();
        assert!(backlog.due < SESSIONS as usize / 2, "{backlog:?}: one pass looks at all");
        // A resource has a timer on each clock at most: here a session, its part,
        // its pod and the pod's workload.
        assert!(backlog.timers <= 2 * 4 * SESSIONS as usize + 100, "{backlog:?}");
        plane.pass();
        passes += 1;
        for (part, status) in boundaries {
            let part = plane.get::<SessionPart>(part);
            // The session lets its part begin, which then does in the next pass.
            let owner = part.owner.as_ref().unwrap();
            let session = plane.world.sessions.get(owner.id).unwrap().status;
            let is_let = *status == TimedStatus::Active && passes == 1;
            let is_met = part.status == *status
                || is_let && session == tessera_types::session::SessionStatus::Active;
            assert!(is_met, "{} is {} and not {status} in pass {passes}", part.name, part.status);
        }
        assert!(passes < 12, "it does not come to rest at {}", plane.now.wall);
    }
    passes
}
