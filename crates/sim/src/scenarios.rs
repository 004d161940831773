//! The scripts that every boundary is tried in.
//!
//! The one idea: each is short, covers one story from its beginning to its end, and leaves
//! every deadline wide enough for one thing to go wrong on the way. A story whose end depends
//! on how long things took would differ for that alone.

use serde_json::{Value, json};
use tessera_types::node::DesiredNodeStatus;
use tessera_types::timed::Request;
use tessera_types::{Duration, KindName, Name, ResourceKey};

use crate::api::{self, in_default};
use crate::automation;
use crate::clock::BEGIN;
use crate::script::{Script, Step};

/// All of them.
#[must_use]
pub fn scenarios() -> Vec<Script> {
    vec![
        workload(),
        stop_on_disconnect(),
        drain(),
        session(),
        pipeline(),
        server(),
        given_up(),
        tenant(),
        node_lost(),
        bad_then_good(),
    ]
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a DNS label")
}

pub(crate) fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn in_secs(count: u64) -> String {
    BEGIN.plus(secs(count)).to_string()
}

fn script(what: &str, busy: u64, steps: Vec<Step>) -> Script {
    let (busy, calm) = (secs(busy), secs(180));
    Script { name: what.to_owned(), nodes: 2, busy, calm, steps }
}

/// The fields of both.
fn with(mut spec: Value, more: Value) -> Value {
    if let Value::Object(fields) = more {
        fields.into_iter().for_each(|(field, value)| spec[field.as_str()] = value);
    }
    spec
}

fn service(named: &str, more: Value) -> Step {
    let spec = json!({"command": "serve", "resources": {"cpu": "500m"}, "stop": {"grace": "2s"}});
    let spec = with(spec, more);
    Step::Declare(KindName::Workload, json!({"name": named, "spec": spec}))
}

fn of(kind: KindName, named: &str) -> ResourceKey {
    in_default(kind, &name(named))
}

fn of_fleet(kind: KindName, named: &str) -> ResourceKey {
    api::of_fleet(kind, &name(named))
}

fn comes_to(kind: KindName, named: &str, status: &str) -> Step {
    Step::Await(of(kind, named), status.to_owned())
}

fn runs(named: &str) -> Step {
    comes_to(KindName::Workload, named, "Running")
}

/// Both nodes are there: what is placed then has a choice.
pub(crate) fn begin() -> [Step; 2] {
    ["n0", "n1"].map(|node| Step::Await(of_fleet(KindName::Node, node), "Ready".to_owned()))
}

/// A workload is declared, changed, stopped, removed, and made again under its name.
fn workload() -> Script {
    let mut steps = Vec::from(begin());
    let one = json!({"args": ["1"]});
    let stopped = {
        let spec = json!({"command": "serve", "args": ["2"], "resources": {"cpu": "500m"}, "stop": {"grace": "2s"}});
        json!({"name": "web", "spec": spec, "desired_status": "Stopped"})
    };
    steps.extend([
        service("web", one.clone()),
        runs("web"),
        service("web", json!({"args": ["2"]})),
        service("beside", json!({"ports": [{"port": 1}]})),
        Step::Pause(secs(3)),
        runs("web"),
        Step::Declare(KindName::Workload, stopped),
        comes_to(KindName::Workload, "web", "Stopped"),
        Step::Delete(of(KindName::Workload, "web")),
        Step::Gone(of(KindName::Workload, "web")),
        service("web", one),
        service(
            "ends",
            json!({"command": "ends", "args": ["1500", "0"], "restart": {"policy": "never"}}),
        ),
        runs("web"),
        comes_to(KindName::Workload, "ends", "Completed"),
        Step::Delete(of(KindName::Workload, "beside")),
    ]);
    script("workload", 90, steps)
}

/// One that must never live twice, and its node is cut off and comes back.
fn stop_on_disconnect() -> Script {
    let mut steps = Vec::from(begin());
    steps.extend([
        service("alone", json!({"on_disconnect": "stop"})),
        service("kept", json!({"on_disconnect": "keep"})),
        runs("alone"),
        runs("kept"),
        Step::CutOff(0, true),
        Step::Pause(secs(40)),
        runs("alone"),
        runs("kept"),
        Step::CutOff(0, false),
        Step::Pause(secs(20)),
        Step::Delete(of(KindName::Workload, "kept")),
        Step::Gone(of(KindName::Workload, "kept")),
    ]);
    script("on-disconnect", 180, steps)
}

/// A node is drained while things run on it, and taken into use again.
fn drain() -> Script {
    let mut steps = Vec::from(begin());
    let drained = || Step::Await(of_fleet(KindName::Node, "n0"), "Drained".to_owned());
    steps.extend((0..4).map(|i| service(&format!("w{i}"), json!({}))));
    steps.extend((0..4).map(|i| runs(&format!("w{i}"))));
    steps.extend([Step::Node(name("n0"), DesiredNodeStatus::Drained), drained()]);
    steps.extend((0..4).map(|i| runs(&format!("w{i}"))));
    steps.extend([
        Step::Node(name("n0"), DesiredNodeStatus::Ready),
        Step::Await(of_fleet(KindName::Node, "n0"), "Ready".to_owned()),
        service("w4", json!({"placement": "spread"})),
        runs("w4"),
    ]);
    script("drain", 120, steps)
}

/// A definition of the catalogue.
pub(crate) fn definition(kind: KindName, key: &str, more: Value) -> Step {
    let spec = with(json!({"type_key": key, "version": "1.0.0"}), more);
    Step::Declare(kind, json!({"name": key, "spec": spec}))
}

/// The host that all nodes belong to.
pub(crate) fn host() -> Vec<Step> {
    let group = json!({
        "host_type": "node_group", "pod_types": ["fleet"],
        "capacity": {"counted": {"licences": 6}, "ports": [{"first": 7000, "last": 7007}]},
    });
    let host = json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}});
    vec![
        definition(KindName::HostDefinition, "group", group),
        definition(KindName::ReportDefinition, "sum", json!({})),
        Step::Declare(KindName::Host, host),
    ]
}

/// What a session is made of: pods, parts with a phase that grades, and two of them.
pub(crate) fn lessons() -> Vec<Step> {
    let job = json!({
        "workload": {"command": "ends", "args": ["1000", "0"], "stop": {"grace": "1s"}},
        "timeout": "40s",
    });
    let pod = json!({
        "pod_type": "fleet",
        "workloads": [{"name": "w0", "spec": {
            "command": "serve", "resources": {"cpu": "300m"}, "stop": {"grace": "2s"},
        }}],
        "demand": {"counted": {"licences": 1}, "ports": 1},
        "provision": {"attempts_max": 3, "timeout": "50s",
            "backoff": {"initial": "1s", "max": "4s"}},
        "lead_time": "60s", "teardown_buffer": "60s",
    });
    let retry = json!({"attempts_max": 3, "timeout": "45s",
        "backoff": {"initial": "1s", "max": "1s"}});
    let phase = json!({"name": "grade", "engine": "workflow", "trigger_on_status": "Grading",
        "definition": {"type_key": "grade"}, "is_required": true, "retry": retry});
    let part = json!({
        "duration": "120s", "lead_time": "60s", "teardown_buffer": "120s",
        "pods": [{"name": "a", "selector": {"type_key": "small"}}],
        "on_pod_failure": "abort", "report": {"type_key": "sum"},
        "lifecycle": {"phases": [phase]},
    });
    let exam = json!({
        "part_execution": {"order": "sequential", "on_failure": "abort"},
        "on_late": "shift", "report": {"type_key": "sum"},
        "parts": [
            {"name": "one", "gate": "approval", "selector": {"type_key": "lesson"}},
            {"name": "two", "gate": "none", "selector": {"type_key": "lesson"}},
        ],
    });
    vec![
        definition(KindName::JobDefinition, "grade", job),
        definition(KindName::PodDefinition, "small", pod),
        definition(KindName::PartDefinition, "lesson", part),
        definition(KindName::SessionDefinition, "exam", exam),
    ]
}

/// A session of two parts with pods, a gate, grading and reports.
fn session() -> Script {
    let mut steps = Vec::from(begin());
    steps.extend(host());
    steps.extend(lessons());
    let booked = json!({"name": "s", "spec": {
        "definition": {"type_key": "exam"}, "timeslot": {"start": in_secs(100)},
    }});
    steps.extend([
        Step::Declare(KindName::Session, booked),
        comes_to(KindName::SessionPart, "s-one", "Active"),
        Step::Ask(name("s-one"), Request::Grade),
        comes_to(KindName::SessionPart, "s-one", "Terminated"),
        Step::Ask(name("s-one"), Request::Approve),
        comes_to(KindName::SessionPart, "s-two", "Active"),
        Step::Ask(name("s-two"), Request::Finish),
        comes_to(KindName::Session, "s", "Inactive"),
    ]);
    script("session", 700, steps)
}

/// A pod whose phases are pipelines with jobs of the engine.
fn pipeline() -> Script {
    let mut steps = Vec::from(begin());
    steps.extend(host());
    let pod = automation::pod_within("60s", "150s");
    let booked = json!({"name": "alone", "spec": {
        "definition": {"type_key": "automated"}, "on_late": "shift",
        "timeslot": {"start": in_secs(220), "duration": "60s"},
    }});
    steps.extend([
        definition(KindName::PodDefinition, "automated", pod),
        Step::Declare(KindName::Pod, booked),
        comes_to(KindName::Pod, "alone", "Active"),
        comes_to(KindName::Pod, "alone", "Terminated"),
    ]);
    script("pipeline", 700, steps)
}

/// A server with a window, which is raised and cleared by jobs, and a pod on it.
fn server() -> Script {
    let (job, phase) = ("60s", "150s");
    let mut steps = Vec::from(begin());
    let raised = json!({"name": "rack", "spec": {
        "definition": {"type_key": "server"},
        "timeslot": {"start": in_secs(170), "end": in_secs(720),
            "lead_time": phase, "teardown_buffer": phase},
    }});
    let booked = json!({"name": "lab", "spec": {
        "definition": {"type_key": "lab"}, "on_late": "shift",
        "timeslot": {"start": in_secs(350), "duration": "60s"},
    }});
    let rack = || of_fleet(KindName::Host, "rack");
    let comes_to_be = |status: &str| Step::Await(rack(), status.to_owned());
    steps.extend([
        definition(KindName::HostDefinition, "server", automation::server_within(4, job, phase)),
        definition(KindName::PodDefinition, "lab", automation::lab_within(1, job, phase)),
        Step::Declare(KindName::Host, raised),
        Step::Declare(KindName::Pod, booked),
        comes_to_be("Active"),
        comes_to(KindName::Pod, "lab", "Active"),
        comes_to(KindName::Pod, "lab", "Terminated"),
        Step::Delete(of(KindName::Pod, "lab")),
        Step::Gone(of(KindName::Pod, "lab")),
        comes_to_be("Terminated"),
        Step::Delete(rack()),
        Step::Gone(rack()),
    ]);
    script("server", 1000, steps)
}

/// Of two sessions under way one is extended and given up, and the other deleted; and a job is of
/// nobody.
fn given_up() -> Script {
    let mut steps = Vec::from(begin());
    steps.extend(host());
    steps.extend(lessons());
    let booked = |named: &str| {
        let json = json!({"name": named, "spec": {
            "definition": {"type_key": "exam"}, "timeslot": {"start": in_secs(100)},
        }});
        Step::Declare(KindName::Session, json)
    };
    let job = json!({"name": "alone", "spec": {"definition": {"type_key": "grade"}}});
    steps.extend([
        booked("left"),
        booked("gone"),
        comes_to(KindName::SessionPart, "left-one", "Active"),
        comes_to(KindName::SessionPart, "gone-one", "Active"),
        Step::Extend(name("left"), secs(30)),
        Step::GiveUp(name("left")),
        Step::Delete(of(KindName::Session, "gone")),
        Step::Declare(KindName::Job, job),
        comes_to(KindName::Job, "alone", "Succeeded"),
        comes_to(KindName::Session, "left", "Inactive"),
        Step::Gone(of(KindName::Session, "gone")),
        Step::Delete(of(KindName::Session, "left")),
        Step::Gone(of(KindName::Session, "left")),
        Step::Delete(of(KindName::Job, "alone")),
        Step::Gone(of(KindName::Job, "alone")),
    ]);
    script("given-up", 500, steps)
}

/// A tenant is installed where it belongs, run, moved and removed.
fn tenant() -> Script {
    let mut steps = Vec::from(begin());
    let declared = |version: u32| {
        let manifest = format!("version {version}");
        let spec = json!({"node_selector": {"zone": "a"}, "manifest": manifest});
        Step::Declare(KindName::Tenant, json!({"name": "t", "spec": spec}))
    };
    let tenant = || of_fleet(KindName::Tenant, "t");
    let installed = || Step::Await(tenant(), "Installed".to_owned());
    let run = |id: &str| Step::Run { tenant: name("t"), node: name("n0"), id: id.to_owned() };
    steps.extend([
        Step::Zone(name("n0"), "a".to_owned()),
        declared(1),
        installed(),
        run("r1"),
        Step::Pause(secs(30)),
        declared(2),
        Step::Zone(name("n1"), "a".to_owned()),
        Step::Pause(secs(5)),
        installed(),
        run("r2"),
        Step::Zone(name("n1"), "b".to_owned()),
        Step::Pause(secs(40)),
        Step::Delete(tenant()),
        Step::Gone(tenant()),
        declared(3),
        installed(),
    ]);
    script("tenant", 300, steps)
}

/// A node loses its power with all that runs there, and another is away for long.
fn node_lost() -> Script {
    let mut steps = Vec::from(begin());
    steps.extend([
        service("keep", json!({})),
        service("stop", json!({"on_disconnect": "stop"})),
        runs("keep"),
        runs("stop"),
        Step::Reboot(0),
        Step::Pause(secs(30)),
        runs("keep"),
        runs("stop"),
        Step::CutOff(1, true),
        Step::Pause(secs(60)),
        Step::CutOff(1, false),
        Step::Pause(secs(10)),
        Step::Reboot(1),
        Step::Pause(secs(30)),
        runs("keep"),
        runs("stop"),
    ]);
    script("node-lost", 300, steps)
}

/// What cannot be is refused, or waits and says why; what is right then comes to be.
fn bad_then_good() -> Script {
    let mut steps = Vec::from(begin());
    let fails = json!({"command": "ends", "args": ["200", "3"],
        "restart": {"policy": "on_failure", "attempts_max": 2,
            "backoff": {"initial": "500ms", "max": "1s", "reset_after": "30s"}}});
    steps.extend([
        // Refused: no such fields, no such sizes.
        Step::Refused(
            KindName::Session,
            json!({"name": "s", "spec": {
            "definition": {"type_key": "nothing"}, "timeslot": {"start": in_secs(100)}}}),
        ),
        // No node has so much.
        service("huge", json!({"resources": {"cpu": "64000m"}})),
        comes_to(KindName::Workload, "huge", "Pending"),
        service("huge", json!({})),
        runs("huge"),
        // It ends with an error each time.
        service("fails", fails),
        Step::Pause(secs(10)),
        service("fails", json!({})),
        runs("fails"),
        // A label that no node has, and then one that a node gets.
        service("picky", json!({"constraints": [{"label": "zone", "equal": "x"}]})),
        Step::Pause(secs(2)),
        Step::Zone(name("n1"), "x".to_owned()),
        runs("picky"),
    ]);
    script("bad-then-good", 120, steps)
}
