//! The catalogue that sessions are made from, and the host that all nodes belong to.
//!
//! The one idea: each definition is there in several ways, so that one that is changed has other
//! content under its higher version, and what was made from it before shows whether it cares.

use serde_json::{Value, json};
use tessera_types::{KindName, Name, Timestamp};

use crate::api::{apply, declare_as};
use crate::automation;
use crate::control::Control;

/// What the host of all nodes has of counted things, and of ports.
pub(crate) const LICENCES: u64 = 6;
pub(crate) const PORTS: u16 = 8;

/// The host that all nodes belong to.
pub(crate) const FLEET: &str = "fleet";

/// Each definition is there in so many ways; the first is the usual one.
pub(crate) const WAYS: u64 = 3;

/// A definition of the catalogue.
pub(crate) type Definition = (KindName, Value);

/// The catalogue, and the host that all nodes belong to. Says whether all of it is there.
pub(crate) fn seed(control: &mut Control, now: Timestamp) -> bool {
    let fleet = Name::new(FLEET).expect("a DNS label");
    if control.world.hosts.find(None, &fleet).is_some() {
        return true;
    }
    for (kind, definition) in all("1.0.0", 0) {
        declare_as(control, kind, &definition, now);
    }
    let host = json!({"name": FLEET, "spec": {"definition": {"type_key": "group"}}});
    apply::<tessera_types::Host>(control, host, now)
}

/// All of it in this version, in one of its ways.
pub(crate) fn all(version: &str, way: u64) -> Vec<Definition> {
    let mut all =
        vec![group(way), grade(way), named(KindName::ReportDefinition, "sum", &json!({}))];
    for (key, workloads, cpu) in [("small", 1, 300), ("large", 2, 300), ("wide", 3, 1500)] {
        all.push(pod(key, workloads, cpu + 50 * way, way));
        all.extend(["abort", "continue"].map(|on_failure| part(key, on_failure, way)));
    }
    all.push(named(KindName::PodDefinition, "automated", &automation::pod()));
    all.push(automated_part(way));
    all.push(named(KindName::HostDefinition, "server", &automation::server(4 - way)));
    all.push(named(KindName::PodDefinition, "lab", &automation::lab(1 + way / 2)));
    all.extend(sessions(way));
    all.into_iter().map(|(kind, definition)| (kind, in_version(definition, version))).collect()
}

fn named(kind: KindName, name: &str, spec: &Value) -> Definition {
    (kind, json!({"name": name, "spec": spec}))
}

fn in_version(mut definition: Value, version: &str) -> Value {
    definition["spec"]["type_key"] = definition["name"].clone();
    definition["spec"]["version"] = version.into();
    definition
}

/// Node groups.
fn group(way: u64) -> Definition {
    let group = json!({
        "host_type": "node_group", "pod_types": ["fleet"],
        "capacity": {"counted": {"licences": LICENCES - way},
            "ports": [{"first": 7000, "last": 7000 + PORTS - 1}]},
    });
    named(KindName::HostDefinition, "group", &group)
}

/// The job of all phases.
fn grade(way: u64) -> Definition {
    let job = json!({
        "workload": {"command": "x", "stop": {"grace": "1s"}}, "timeout": format!("{}s", 10 + way),
    });
    named(KindName::JobDefinition, "grade", &job)
}

fn pod(key: &str, workloads: u64, cpu: u64, way: u64) -> Definition {
    let workloads: Vec<_> = (0..workloads)
        .map(|i| {
            json!({"name": format!("w{i}"), "spec": {
                "command": "x", "resources": {"cpu": format!("{cpu}m")}, "stop": {"grace": "2s"},
                "restart": {"policy": if i == 0 { "never" } else { "always" }},
            }})
        })
        .collect();
    let pod = json!({
        "pod_type": "fleet", "workloads": workloads,
        "demand": {"counted": {"licences": 1 + way / 2}, "ports": 1},
        "provision": {"attempts_max": 3, "timeout": "15s",
            "backoff": {"initial": "1s", "max": "4s"}},
    });
    named(KindName::PodDefinition, key, &pod)
}

fn part(key: &str, on_failure: &str, way: u64) -> Definition {
    let retry = json!({"attempts_max": 2, "timeout": "12s",
        "backoff": {"initial": "1s", "max": "1s"}});
    let phase = |name: &str, status: &str, is_required: bool| {
        json!({"name": name, "engine": "workflow", "trigger_on_status": status,
            "definition": {"type_key": "grade"}, "is_required": is_required, "retry": retry})
    };
    let part = json!({
        "duration": format!("{}s", 40 - 5 * way), "lead_time": "15s", "teardown_buffer": "30s",
        "pods": [{"name": "a", "selector": {"type_key": key}}],
        "on_pod_failure": on_failure, "report": {"type_key": "sum"},
        "lifecycle": {"phases": [
            phase("greet", "Active", false), phase("grade", "Grading", on_failure == "abort"),
            phase("archive", "TearingDown", true),
        ]},
    });
    named(KindName::PartDefinition, &format!("{key}-{on_failure}"), &part)
}

fn automated_part(way: u64) -> Definition {
    let part = json!({
        "duration": format!("{}s", 40 - 5 * way), "lead_time": "40s", "teardown_buffer": "30s",
        "pods": [{"name": "a", "selector": {"type_key": "automated"}}],
        "on_pod_failure": "continue", "report": {"type_key": "sum"},
    });
    named(KindName::PartDefinition, "automated-continue", &part)
}

/// Types of sessions: each way of ordering, gating, failing and being late.
fn sessions(way: u64) -> Vec<Definition> {
    let types = [
        ("simple", "sequential", "abort", "none", "shorten"),
        ("strict", "sequential", "abort", "completed", "skip"),
        ("lenient", "sequential", "continue", "approval", "shift"),
        ("at-once", "parallel", "continue", "none", "shift"),
    ];
    let lateness = |on_late| if way == 0 { on_late } else { "shift" };
    let session = |(key, order, on_failure, gate, on_late)| {
        let second = if key == "at-once" { "automated" } else { "large" };
        let session = json!({
            "part_execution": {"order": order, "on_failure": on_failure},
            "on_late": lateness(on_late), "report": {"type_key": "sum"},
            "parts": [
                {"name": "one", "gate": gate,
                    "selector": {"type_key": format!("small-{on_failure}")}},
                {"name": "two", "selector": {"type_key": format!("{second}-{on_failure}")}},
            ],
        });
        named(KindName::SessionDefinition, key, &session)
    };
    types.into_iter().map(session).collect()
}
