//! What people do with timed resources: sessions and pods are booked, extended,
//! graded, retried, approved, given up and deleted at bad moments.

use std::sync::Arc;

use tessera_reconciler::Tabled;
use tessera_reconciler::admission::{self, Effort, Stretch};
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, Timed, TimedStatus};
use tessera_types::{
    Actor, Duration, Edit, Host, HostDefinition, Job, JobDefinition, Manifest, Name, Object,
    PartDefinition, Pod, PodDefinition, ReportDefinition, Session, SessionDefinition, SessionPart,
    Timestamp, Write,
};

use crate::automation;
use crate::control::Control;
use crate::rng::Rng;

/// What the only host has of counted things, and of ports.
pub(crate) const LICENCES: u64 = 6;
pub(crate) const PORTS: u16 = 8;
/// Names of sessions in play.
const SESSIONS: u64 = 4;

/// Declares something as a person would; says whether it was taken.
pub(crate) fn apply<K: Tabled>(
    control: &mut Control,
    json: serde_json::Value,
    now: Timestamp,
) -> bool {
    declare::<K>(control, serde_json::from_value(json).expect("a valid manifest"), now)
}

/// The same for what is read already.
pub(crate) fn declare<K: Tabled>(
    control: &mut Control,
    manifest: Manifest<K>,
    now: Timestamp,
) -> bool {
    let wall = control.clock.wall(now);
    let existing = control.world.find(&manifest.key()).as_ref().and_then(K::unwrap).cloned();
    let owner = manifest.owner.clone();
    let Ok(declared) = manifest.declare(existing.as_ref(), Actor::API, wall) else { return false };
    let writes = admission::admit(
        &control.world,
        existing.as_ref(),
        declared,
        owner.as_ref(),
        wall,
        &mut Effort::none(),
    );
    match writes {
        Ok(writes) => writes.is_empty() || control.commit(writes, now).is_ok(),
        Err(_) => false,
    }
}

/// The catalogue, and the host that all nodes belong to. Once.
pub(crate) fn seed(control: &mut Control, now: Timestamp) {
    let name = Name::new("fleet").expect("a DNS label");
    if control.world.hosts.find(None, &name).is_some() {
        return;
    }
    let spec = |key: &str, more: serde_json::Value| {
        let mut spec = serde_json::json!({"type_key": key, "version": "1.0.0"});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        serde_json::json!({"name": key, "spec": spec})
    };
    let group = serde_json::json!({
        "host_type": "node_group", "pod_types": ["fleet"],
        "capacity": {"counted": {"licences": LICENCES},
            "ports": [{"first": 7000, "last": 7000 + PORTS - 1}]},
    });
    apply::<HostDefinition>(control, spec("group", group), now);
    let job = serde_json::json!({"workload": {"command": "x", "stop": {"grace": "1s"}}, "timeout": "10s"});
    apply::<JobDefinition>(control, spec("grade", job), now);
    apply::<ReportDefinition>(control, spec("sum", serde_json::json!({})), now);
    for (key, workloads, cpu) in [("small", 1, "300m"), ("large", 2, "300m"), ("wide", 3, "1500m")]
    {
        let workloads: Vec<_> = (0..workloads)
            .map(|i| {
                serde_json::json!({"name": format!("w{i}"), "spec": {
                    "command": "x", "resources": {"cpu": cpu}, "stop": {"grace": "2s"},
                    "restart": {"policy": if i == 0 { "never" } else { "always" }},
                }})
            })
            .collect();
        let pod = serde_json::json!({
            "pod_type": "fleet", "workloads": workloads,
            "demand": {"counted": {"licences": 1}, "ports": 1},
            "provision": {"attempts_max": 3, "timeout": "15s",
                "backoff": {"initial": "1s", "max": "4s"}},
        });
        apply::<PodDefinition>(control, spec(key, pod), now);
        for on_failure in ["abort", "continue"] {
            let retry = serde_json::json!({"attempts_max": 2, "timeout": "12s",
                "backoff": {"initial": "1s", "max": "1s"}});
            let phase = |name: &str, status: &str, is_required: bool| {
                serde_json::json!({"name": name, "engine": "workflow", "trigger_on_status": status,
                    "definition": {"type_key": "grade"}, "is_required": is_required, "retry": retry})
            };
            let part = serde_json::json!({
                "duration": "40s", "lead_time": "15s", "teardown_buffer": "30s",
                "pods": [{"name": "a", "selector": {"type_key": key}}],
                "on_pod_failure": on_failure, "report": {"type_key": "sum"},
                "lifecycle": {"phases": [
                    phase("greet", "Active", false), phase("grade", "Grading", on_failure == "abort"),
                    phase("archive", "TearingDown", true),
                ]},
            });
            apply::<PartDefinition>(control, spec(&format!("{key}-{on_failure}"), part), now);
        }
    }
    apply::<PodDefinition>(control, spec("automated", automation::pod()), now);
    let part = serde_json::json!({
        "duration": "40s", "lead_time": "40s", "teardown_buffer": "30s",
        "pods": [{"name": "a", "selector": {"type_key": "automated"}}],
        "on_pod_failure": "continue", "report": {"type_key": "sum"},
    });
    apply::<PartDefinition>(control, spec("automated-continue", part), now);
    sessions(&spec).into_iter().for_each(|json| {
        apply::<SessionDefinition>(control, json, now);
    });
    let host = serde_json::json!({"name": name, "spec": {"definition": {"type_key": "group"}}});
    apply::<Host>(control, host, now);
}

/// Types of sessions: each way of ordering, gating, failing and being late.
fn sessions(
    spec: &impl Fn(&str, serde_json::Value) -> serde_json::Value,
) -> Vec<serde_json::Value> {
    let types = [
        ("simple", "sequential", "abort", "none", "shorten"),
        ("strict", "sequential", "abort", "completed", "skip"),
        ("lenient", "sequential", "continue", "approval", "shift"),
        ("at-once", "parallel", "continue", "none", "shift"),
    ];
    types
        .into_iter()
        .map(|(key, order, on_failure, gate, on_late)| {
            let second = if key == "at-once" { "automated" } else { "large" };
            spec(
                key,
                serde_json::json!({
                    "part_execution": {"order": order, "on_failure": on_failure},
                    "on_late": on_late, "report": {"type_key": "sum"},
                    "parts": [
                        {"name": "one", "gate": gate,
                            "selector": {"type_key": format!("small-{on_failure}")}},
                        {"name": "two", "selector": {"type_key": format!("{second}-{on_failure}")}},
                    ],
                }),
            )
        })
        .collect()
}

fn name(rng: &mut Rng) -> Name {
    Name::new(&format!("s{}", rng.between(0, SESSIONS))).expect("a DNS label")
}

/// The name of a pod that is of no session.
fn alone(rng: &mut Rng) -> Name {
    Name::new(&format!("alone{}", rng.between(0, 5))).expect("a DNS label")
}

/// Somebody does something; says what.
pub(crate) fn operate(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    match rng.between(0, 12) {
        0..=2 => book(control, now, rng),
        3 | 4 => book_pod(control, now, rng),
        5 => run_job(control, now, rng),
        6 => stretch(control, now, rng),
        7..=9 => ask(control, now, rng),
        10 => give_up(control, now, rng),
        _ => delete(control, now, rng),
    }
}

pub(crate) fn taken(is_taken: bool) -> &'static str {
    if is_taken { "done" } else { "refused" }
}

fn book(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = name(rng);
    let sessions = control.world.table::<Session>();
    let old = sessions.find(Some(&Name::default_namespace()), &name);
    if old.is_some_and(|old| old.status.is_over()) {
        // It makes room for the next of its name.
        return edit::<Session>(control, &name, now, Edit::request_deletion);
    }
    let definition = *rng.pick(&["simple", "strict", "lenient", "at-once"]);
    let start = control.clock.wall(now).plus(Duration::from_secs(rng.between(10, 90)));
    let json = serde_json::json!({"name": name, "spec": {
        "definition": {"type_key": definition}, "timeslot": {"start": start.to_string()},
    }});
    let done = taken(apply::<Session>(control, json, now));
    format!("book {definition} session {name} at {start}: {done}")
}

fn book_pod(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let on_late = *rng.pick(&["skip", "shorten", "shift"]);
    let (name, definition) = (alone(rng), *rng.pick(&["large", "wide", "automated", "automated"]));
    let in_time = if definition == "automated" { 45 } else { 6 };
    let start = Duration::from_secs(rng.between(in_time, in_time + 54));
    let start = control.clock.wall(now).plus(start);
    let mut timeslot = serde_json::json!({"start": start.to_string(), "duration": "30s"});
    if definition != "automated" {
        // What its jobs need is in the definition of the other.
        (timeslot["lead_time"], timeslot["teardown_buffer"]) = ("5s".into(), "10s".into());
    }
    let pods = control.world.table::<Pod>();
    let old = pods.find(Some(&Name::default_namespace()), &name);
    if old.is_some_and(|old| old.status == TimedStatus::Terminated) {
        // It makes room for the next of its name.
        return edit::<Pod>(control, &name, now, Edit::request_deletion);
    }
    let json = serde_json::json!({"name": name, "spec": {
        "definition": {"type_key": definition}, "on_late": on_late, "timeslot": timeslot,
    }});
    format!("book {definition} pod {name} at {start}: {}", taken(apply::<Pod>(control, json, now)))
}

fn run_job(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = format!("j{}", rng.between(0, 2));
    let json = serde_json::json!({"name": name, "spec": {"definition": {"type_key": "grade"}}});
    if apply::<Job>(control, json, now) {
        return format!("run job {name}");
    }
    let name = Name::new(&name).expect("a DNS label");
    edit::<Job>(control, &name, now, Edit::request_deletion)
}

fn edit<K: Tabled>(
    control: &mut Control,
    name: &Name,
    now: Timestamp,
    change: impl FnOnce(&mut Edit<K>),
) -> String {
    let table = control.world.table::<K>();
    let found: Option<Arc<Object<K>>> = table.find(Some(&Name::default_namespace()), name).cloned();
    let Some(found) = found else { return format!("{name}: there is none") };
    let mut edit = Edit::of(&found, control.clock.wall(now));
    change(&mut edit);
    let done = edit.finish().map(|edited| control.commit(vec![Write::update(edited)], now).is_ok());
    format!("change {}: {done:?}", found.key())
}

fn stretch(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = name(rng);
    let sessions = control.world.table::<Session>();
    let Some(session) = sessions.find(Some(&Name::default_namespace()), &name).cloned() else {
        return format!("extend {name}: there is none");
    };
    let by = Duration::from_secs(rng.between(1, 30));
    let by = if rng.percent(60) { Stretch::Extend(by) } else { Stretch::Shrink(by) };
    let wall = control.clock.wall(now);
    let done = match admission::extend_session(&control.world, &session, None, by, wall) {
        Ok(extended) => control.commit(extended.writes, now).is_ok(),
        Err(_) => false,
    };
    format!("{by:?} {name}: {}", taken(done))
}

fn ask(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let part = if rng.percent(60) { "one" } else { "two" };
    let part = Name::new(&format!("{}-{part}", name(rng))).expect("a DNS label");
    let request = *rng.pick(&[
        Request::Grade,
        Request::Grade,
        Request::Finish,
        Request::Retry,
        Request::Approve,
    ]);
    let at = control.clock.wall(now);
    let requested = Requested { request, by: Actor::API, event: None, at };
    let line = edit::<SessionPart>(control, &part, now, |edit| {
        SessionPart::timed_mut(&mut edit.object).request(requested);
    });
    format!("{request}: {line}")
}

fn give_up(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = name(rng);
    edit::<Session>(control, &name, now, |edit| edit.desire(DesiredTimedStatus::TornDown))
}

fn delete(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    if rng.percent(20) {
        let name = alone(rng);
        return edit::<Pod>(control, &name, now, Edit::request_deletion);
    }
    let name = name(rng);
    edit::<Session>(control, &name, now, Edit::request_deletion)
}
