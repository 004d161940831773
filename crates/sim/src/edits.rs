//! From one spec to another: what is changed to B must end as one that was B from the start.
//!
//! The one idea: both are scripts that declare B at the same time. In one of them there was
//! an A under that name before, which had time to come to be, or had not.

use serde_json::{Value, json};
use tessera_types::{Duration, KindName, Name, ResourceKey, Timestamp};

use crate::clock::BEGIN;
use crate::life;
use crate::rng::Rng;
use crate::scenarios::{begin, host, lessons, secs};
use crate::script::{Script, Step};

/// The kinds that are changed in this way. The spec of a pod that is made does not change.
pub const EDITED: [KindName; 4] =
    [KindName::Workload, KindName::Tenant, KindName::Node, KindName::Session];

/// When B is declared.
const B_AT: u64 = 60;

/// Two scripts that must come to the same: A, then B; and B alone.
#[must_use]
pub fn edit(kind: KindName, seed: u64) -> [Script; 2] {
    let mut rng = Rng::of(seed, kind as u64);
    // It has come to be by then, or it is on its way.
    let a_at = *rng.pick(&[B_AT - 1, B_AT - 5, B_AT / 2]);
    let (a, b) = (declared(kind, &mut rng), declared(kind, &mut rng));
    let script = |name: &str, first: Option<Value>| {
        let mut steps = Vec::from(begin());
        steps.extend(host());
        steps.extend(lessons());
        if let Some(a) = first {
            steps.extend([Step::Until(secs(a_at)), step(kind, a)]);
        }
        steps.extend([Step::Until(secs(B_AT)), step(kind, b.clone())]);
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

/// Anything valid of this kind, always under the same name.
fn declared(kind: KindName, rng: &mut Rng) -> Value {
    match kind {
        KindName::Tenant => json!({"name": "x", "spec": {
            "node_selector": *rng.pick(&[&json!({}), &json!({"node": "n0"}), &json!({"node": "n1"})]),
            "manifest": format!("version {}", rng.between(0, 5)),
        }}),
        KindName::Node => json!({"zone": *rng.pick(&["a", "b", "c"])}),
        KindName::Session => json!({"name": "x", "spec": {
            "definition": {"type_key": "exam"},
            "timeslot": {"start": at(rng.between(150, 300)).to_string()},
        }}),
        _ => json!({"name": "x", "spec": workload(rng)}),
    }
}

/// Any service, with a window that is open for long after B is declared, or none.
fn workload(rng: &mut Rng) -> Value {
    let mut spec = serde_json::to_value(life::spec(at(B_AT), rng)).unwrap_or_default();
    spec["restart"]["policy"] = "always".into();
    spec
}

/// The key under which both are declared.
#[must_use]
pub fn edited(kind: KindName) -> ResourceKey {
    let (namespace, name) = match kind {
        KindName::Node => (None, "n0"),
        KindName::Tenant => (None, "x"),
        _ => (Some(Name::default_namespace()), "x"),
    };
    ResourceKey { kind, namespace, name: Name::new(name).expect("a DNS label") }
}
