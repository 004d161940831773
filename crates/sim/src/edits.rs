//! From one spec to another: what is changed to B must end as one that was B from the start.
//!
//! The one idea: both are scripts that declare B at the same time. In one of them there was
//! an A under that name before, which had time to come to be, or had not.

use serde_json::{Value, json};
use tessera_types::{Duration, KindName, Name, ResourceKey, Timestamp};

use crate::automation;
use crate::clock::BEGIN;
use crate::life;
use crate::rng::Rng;
use crate::scenarios::{begin, definition, host, lessons, secs};
use crate::script::{Script, Step};

/// The kinds that are changed in this way. The spec of a pod, a part, a job or a report that is
/// made does not change; of definitions one stands for all, with what is made of it.
pub const EDITED: [KindName; 6] = [
    KindName::Workload,
    KindName::Tenant,
    KindName::Node,
    KindName::Session,
    KindName::Host,
    KindName::PodDefinition,
];

/// When B is declared.
const B_AT: u64 = 60;

/// Two scripts that must come to the same: A, then B; and B alone.
#[must_use]
pub fn edit(kind: KindName, seed: u64) -> [Script; 2] {
    let mut rng = Rng::of(seed, kind as u64);
    // It has come to be by then, or it is on its way.
    let a_at = *rng.pick(&[B_AT - 1, B_AT - 5, B_AT / 2]);
    let (a, b) = (declared(kind, &mut rng, 1), declared(kind, &mut rng, 2));
    let script = |name: &str, first: Option<Value>| {
        let mut steps = Vec::from(begin());
        steps.extend(host());
        steps.extend(lessons());
        steps.push(definition(KindName::HostDefinition, "server", automation::server(4)));
        if let Some(a) = first {
            steps.extend([Step::Until(secs(a_at)), step(kind, a)]);
        }
        steps.extend([Step::Until(secs(B_AT)), step(kind, b.clone())]);
        if kind == KindName::PodDefinition {
            steps.push(Step::Declare(KindName::Pod, made_of_it()));
        }
        let (busy, calm) = (secs(200), secs(500));
        Script { name: format!("{name}-{kind}-{seed}"), nodes: 2, busy, calm, steps }
    };
    [script("changed", Some(a)), script("fresh", None)]
}

fn step(kind: KindName, json: Value) -> Step {
    match kind {
        KindName::Node => Step::Zone(
            Name::new("n0").expect("a DNS label"),
            json["zone"].as_str().unwrap_or_default().to_owned(),
        ),
        _ => Step::Declare(kind, json),
    }
}

fn at(secs: u64) -> Timestamp {
    BEGIN.plus(Duration::from_secs(secs))
}

/// Anything valid of this kind, always under the same name. Of definitions this is the version.
fn declared(kind: KindName, rng: &mut Rng, version: u32) -> Value {
    match kind {
        KindName::Host => host_declared(rng),
        KindName::PodDefinition => {
            let mut spec = automation::pod_within("20s", "60s");
            spec["type_key"] = "x".into();
            spec["version"] = format!("{version}.0.0").into();
            spec["workloads"][0]["spec"]["resources"]["cpu"] = rng.between(100, 900).into();
            spec["parameters"]["colour"] = (*rng.pick(&["red", "blue"])).into();
            json!({"name": "x", "spec": spec})
        }
        KindName::Tenant => json!({"name": "x", "spec": {
            "node_selector": *rng.pick(&[&json!({}), &json!({"node": "n0"}), &json!({"node": "n1"})]),
            "manifest": format!("version {}", rng.between(0, 5)),
        }}),
        KindName::Node => json!({"zone": *rng.pick(&["a", "b", "c"])}),
        KindName::Session => session_declared(rng),
        _ => json!({"name": "x", "spec": workload(rng)}),
    }
}

/// A session that is over in the end; or its first part is under way then with all that it is made
/// of, and the next is not provisioned yet, so that nothing happens in the last minute. Its
/// definition, hosts and variables cannot be changed.
fn session_declared(rng: &mut Rng) -> Value {
    let (start, duration) = match rng.percent(50) {
        true => (rng.between(150, 300), rng.between(110, 140)),
        false => (rng.between(634, 637), rng.between(132, 140)),
    };
    json!({"name": "x", "spec": {
        "definition": {"type_key": "exam"},
        "timeslot": {"start": at(start).to_string()},
        "parts": {"one": {"timeslot": {"duration": format!("{duration}s")}}},
    }})
}

/// Any server, with other room and other times.
fn host_declared(rng: &mut Rng) -> Value {
    let mut spec = json!({"definition": {"type_key": "server"}});
    if rng.percent(70) {
        spec["capacity"] = json!({"cpu": 1000 * rng.between(1, 6),
            "counted": {"licences": rng.between(1, 6)},
            "ports": [{"first": 9000, "last": 9000 + rng.between(0, 4)}]});
    }
    if rng.percent(40) {
        let (start, end) = (rng.between(100, 200), rng.between(250, 400));
        spec["timeslot"] = json!({"start": at(start).to_string(), "end": at(end).to_string(),
            "lead_time": "30s", "teardown_buffer": "120s"});
    }
    json!({"name": "x", "labels": {"rack": *rng.pick(&["a", "b"])}, "spec": spec})
}

/// A pod of the definition.
fn made_of_it() -> Value {
    json!({"name": "x", "spec": {"definition": {"type_key": "x"},
        "timeslot": {"start": at(200).to_string(), "duration": "60s"}}})
}

/// Any service, with a window that is open for long after B is declared, or none.
fn workload(rng: &mut Rng) -> Value {
    let mut spec = serde_json::to_value(life::spec(at(B_AT), rng)).unwrap_or_default();
    spec["restart"]["policy"] = "always".into();
    spec
}

/// The key under which both are declared; of a definition, that of what is made of it.
#[must_use]
pub fn edited(kind: KindName) -> ResourceKey {
    let (namespace, name) = match kind {
        KindName::Node => (None, "n0"),
        KindName::Tenant | KindName::Host => (None, "x"),
        _ => (Some(Name::default_namespace()), "x"),
    };
    let kind = if kind == KindName::PodDefinition { KindName::Pod } else { kind };
    ResourceKey { kind, namespace, name: Name::new(name).expect("a DNS label") }
}
