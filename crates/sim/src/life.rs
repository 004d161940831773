//! What people and fate do: declarations at bad moments, and faults.

use tessera_types::node::DesiredNodeStatus;
use tessera_types::workload::WorkloadSpec;
use tessera_types::{Duration, Edit, KindName, Manifest, Name, Node, Object, Timestamp, Workload};

use crate::api::{declare, edit, in_default, of_fleet, taken};
use crate::control::Control;
use crate::lab;
use crate::rng::Rng;

/// Names of workloads in play.
pub(crate) const WORKLOADS: u64 = 12;

/// A program whose start fails, and one whose start can never succeed.
pub(crate) const FAILING: &str = "failing";
pub(crate) const IMPOSSIBLE: &str = "impossible";

fn name(rng: &mut Rng) -> Name {
    Name::new(&format!("w{}", rng.between(0, WORKLOADS))).expect("a DNS label")
}

/// Any spec: policies, windows, sizes and constraints as they come.
pub(crate) fn spec(now: Timestamp, rng: &mut Rng) -> WorkloadSpec {
    let mut json = serde_json::json!({
        "command": "x",
        "args": [rng.between(0, 3).to_string()],
        "resources": {"cpu": rng.between(0, 1500)},
        "restart": {
            "policy": *rng.pick(&["always", "always", "on_failure", "never"]),
            "backoff": {"initial": "500ms", "max": "10s", "reset_after": "30s"},
        },
        "on_disconnect": *rng.pick(&["keep", "stop"]),
        "stop": {"grace": "3s"},
        "placement": *rng.pick(&["spread", "pack"]),
    });
    if rng.percent(30) {
        json["resources"]["memory"] = rng.between(0, 400 << 20).into();
    }
    if rng.percent(12) {
        (json["command"], json["resources"]["cpu"]) = match rng.between(0, 3) {
            0 => (IMPOSSIBLE.into(), 0.into()),
            1 => (FAILING.into(), 0.into()),
            // More than any machine has.
            _ => ("x".into(), 50_000.into()),
        };
    }
    if rng.percent(20) {
        json["constraints"] = serde_json::json!([{"label": "node", "not_equal": "n0"}]);
    }
    if rng.percent(15) {
        json["not_before"] = now.plus(Duration::from_secs(rng.between(0, 60))).to_string().into();
    }
    if rng.percent(30) {
        json["not_after"] = now.plus(Duration::from_secs(rng.between(61, 200))).to_string().into();
    }
    if rng.percent(20) {
        json["health"] =
            serde_json::json!({"tcp": {"port": 1}, "interval": "2s", "start_period": "1s"});
    }
    if rng.percent(20) {
        json["ports"] = serde_json::json!([{"port": rng.between(1, 4)}]);
    }
    serde_json::from_value(json).expect("a valid spec")
}

/// Somebody does something; says what.
pub(crate) fn operate(control: &mut Control, nodes: u64, now: Timestamp, rng: &mut Rng) -> String {
    let busy = nodes_of_jobs(control);
    if !busy.is_empty() && rng.percent(10) {
        // The node of a job is taken away from it.
        let name = rng.pick(&busy);
        set_desired(control, name, DesiredNodeStatus::Drained, now);
        return format!("{name}: Drained is wanted, and a job is on it");
    }
    match rng.between(0, 16) {
        10.. => lab::operate(control, now, rng),
        0..=3 => declare_any(control, now, rng),
        4 | 5 => move_end(control, now, rng),
        6 | 7 => delete(control, now, rng),
        _ => desire(control, nodes, now, rng),
    }
}

fn declare_any(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let mut manifest: Manifest<Workload> = serde_json::from_value(serde_json::json!({
        "name": name(rng), "spec": spec(now, rng),
    }))
    .expect("a valid manifest");
    if rng.percent(10) {
        manifest.desired_status = serde_json::from_value("Stopped".into()).ok();
    }
    declared(control, manifest, now)
}

/// Bad specs are recovered from: what cannot be started is declared anew as what can. Says of
/// which it was.
pub(crate) fn mend_specs(control: &mut Control, now: Timestamp) -> Vec<Name> {
    let is_bad = |workload: &&std::sync::Arc<Object<Workload>>| {
        let command = workload.spec.command.as_deref();
        workload.owner.is_none() && matches!(command, Some(FAILING | IMPOSSIBLE))
    };
    let bad: Vec<_> = control.world.workloads.iter().filter(is_bad).cloned().collect();
    let mend = |workload: std::sync::Arc<Object<Workload>>| {
        let spec = WorkloadSpec { command: Some("x".to_owned()), ..(*workload.spec).clone() };
        let json = serde_json::json!({"name": workload.name, "spec": spec});
        let manifest: Manifest<Workload> = serde_json::from_value(json).expect("a manifest");
        declare(control, manifest, now).then(|| workload.name.clone())
    };
    bad.into_iter().filter_map(mend).collect()
}

/// A service ends at another time, or never; nothing else of it changes.
fn move_end(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let workloads = &control.world.workloads;
    // What comes after an end may be promised: that is where a later one takes most.
    let ending: Vec<_> = workloads.iter().filter(|one| ends_where_it_is(one)).collect();
    let name = match ending.is_empty() {
        false if rng.percent(70) => rng.pick(&ending).name.clone(),
        _ => name(rng),
    };
    let Some(found) = workloads.find(Some(&Name::default_namespace()), &name) else {
        return format!("end {name}: there is none");
    };
    let mut spec = WorkloadSpec::clone(&found.spec);
    let from = control.clock.wall(now).max(spec.not_before.unwrap_or(now));
    let end = from.plus(Duration::from_secs(rng.between(1, 300)));
    spec.not_after = rng.percent(70).then_some(end);
    let not_after = spec.not_after;
    let manifest = serde_json::from_value(serde_json::json!({"name": name, "spec": spec}));
    let line = declared(control, manifest.expect("a valid manifest"), now);
    format!("{line}, to end at {not_after:?}")
}

/// Whether it is a service that has a place, and an end.
fn ends_where_it_is(workload: &Object<Workload>) -> bool {
    let is_placed = workload.owner.is_none() && workload.observed.assigned.is_some();
    is_placed && workload.spec.not_after.is_some()
}

fn declared(control: &mut Control, manifest: Manifest<Workload>, now: Timestamp) -> String {
    let key = manifest.key();
    format!("declare {key}: {}", taken(declare(control, manifest, now)))
}

fn delete(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = name(rng);
    // A refused deletion is as if it was never asked for.
    let key = in_default(KindName::Workload, &name);
    if edit::<Workload>(control, &key, now, Edit::request_deletion).is_none() {
        return format!("delete {name}: there is none");
    }
    format!("delete {name}")
}

fn desire(control: &mut Control, nodes: u64, now: Timestamp, rng: &mut Rng) -> String {
    let name = Name::new(&format!("n{}", rng.between(0, nodes))).expect("a DNS label");
    let desired = *rng.pick(&[
        DesiredNodeStatus::Ready,
        DesiredNodeStatus::Ready,
        DesiredNodeStatus::Ready,
        DesiredNodeStatus::Cordoned,
        DesiredNodeStatus::Drained,
    ]);
    set_desired(control, &name, desired, now);
    format!("{name}: {desired} is wanted")
}

/// The nodes on which jobs run.
fn nodes_of_jobs(control: &Control) -> Vec<Name> {
    let workloads = control.world.workloads.iter();
    let of_jobs = workloads
        .filter(|workload| workload.owner.as_ref().is_some_and(|it| it.kind == KindName::Job));
    of_jobs.filter_map(|one| Some(one.observed.assigned.as_ref()?.node.clone())).collect()
}

/// Sets what is wanted of a node.
pub(crate) fn set_desired(
    control: &mut Control,
    name: &Name,
    desired: DesiredNodeStatus,
    now: Timestamp,
) {
    edit::<Node>(control, &of_fleet(KindName::Node, name), now, |edit| edit.desire(desired));
}
