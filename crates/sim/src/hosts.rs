//! What people do with hosts, and with the definitions that all else is made from, at bad moments.
//!
//! The one idea: whatever is refused is as if it was never asked for, so somebody who does anything
//! at any time finds what is taken that should not be. What was drained or removed comes back
//! after a while, so that the others have something to book.

use serde_json::{Value, json};
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, Timed, TimedStatus};
use tessera_types::{Actor, Duration, Host, KindName, Name, Pod, ResourceKey, Timestamp};

use crate::api::{apply, declare_as, delete, edit, in_default, of_fleet, taken};
use crate::catalogue::{self, FLEET, LICENCES, PORTS, WAYS};
use crate::clock::BEGIN;
use crate::control::Control;
use crate::rng::Rng;

/// A server that comes and goes.
const SERVER: &str = "server0";

/// Pods on it.
const LABS: u64 = 3;

/// Somebody does something; says what.
pub(crate) fn operate(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    if let Some(line) = bring_back(control, now, rng) {
        return line;
    }
    match rng.between(0, 20) {
        0..=5 => declare_any(control, now, rng),
        6 | 7 => desire(control, now, rng),
        8 => {
            let host = any_host(rng);
            format!("delete {host}: {}", taken(delete(control, &host, now)))
        }
        9 => retry(control, now, rng),
        10..=13 => book(control, now, rng),
        14..=16 => redefine(control, now, rng),
        17 => undefine(control, now, rng),
        _ => delete_lab(control, now, rng),
    }
}

fn named(name: &str) -> Name {
    Name::new(name).expect("a DNS label")
}

fn host(name: &str) -> ResourceKey {
    of_fleet(KindName::Host, &named(name))
}

/// Mostly the one that fewer need.
fn any_host(rng: &mut Rng) -> ResourceKey {
    host(if rng.percent(25) { FLEET } else { SERVER })
}

/// What others need, and is not there any more, is declared again; a host that is over makes room.
fn bring_back(control: &mut Control, now: Timestamp, rng: &mut Rng) -> Option<String> {
    let is_done = rng.percent(60);
    let is_over = |it: &&std::sync::Arc<_>| {
        let it: &tessera_types::Object<Host> = it;
        it.status == TimedStatus::Terminated && it.deletion_requested_at.is_none()
    };
    let over = control.world.hosts.iter().find(is_over).map(|it| it.key());
    if let Some(over) = over {
        return is_done.then(|| format!("delete {over}: {}", taken(delete(control, &over, now))));
    }
    let is_missing =
        |(kind, json): &(KindName, Value)| control.world.find(&definition(*kind, json)).is_none();
    if let Some((kind, json)) = catalogue::all(&version(now), 0).into_iter().find(is_missing) {
        let line = |done| format!("declare {} again: {}", definition(kind, &json), taken(done));
        return is_done.then(|| line(declare_as(control, kind, &json, now)));
    }
    if control.world.find(&host(FLEET)).is_none() {
        return is_done.then(|| declare(control, FLEET, now, rng));
    }
    None
}

fn declare_any(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let name = if rng.percent(40) { FLEET } else { SERVER };
    declare(control, name, now, rng)
}

/// Declares a host with more or less than it had, with other labels, nodes or times.
fn declare(control: &mut Control, name: &str, now: Timestamp, rng: &mut Rng) -> String {
    let mut spec = if name == FLEET { group(rng) } else { server(control, now, rng) };
    if rng.percent(20) {
        spec["definition"]["version"] = ">=1.0.0".into();
    }
    let labels = json!({"rack": *rng.pick(&["a", "b"])});
    let json = json!({"name": name, "labels": labels, "spec": spec});
    let has = spec["capacity"].to_string();
    format!("declare host {name} with {has}: {}", taken(apply::<Host>(control, json, now)))
}

/// The host that all nodes belong to, or all but one.
fn group(rng: &mut Rng) -> Value {
    let mut spec = json!({"definition": {"type_key": "group"}});
    if rng.percent(50) {
        let last = 7000 + rng.between(1, u64::from(PORTS));
        spec["capacity"] = json!({"counted": {"licences": rng.between(1, LICENCES + 3)},
            "ports": [{"first": 7000, "last": last}]});
    }
    if rng.percent(15) {
        spec["nodes"] = json!([{"label": "node", "not_equal": "n0"}]);
    }
    spec
}

/// A server, always or for some minutes.
fn server(control: &Control, now: Timestamp, rng: &mut Rng) -> Value {
    let mut spec = json!({"definition": {"type_key": "server"}});
    if rng.percent(60) {
        spec["capacity"] = json!({"cpu": 1000 * rng.between(1, 6), "memory": "4GiB",
            "counted": {"licences": rng.between(1, 6)},
            "ports": [{"first": 9000, "last": 9000 + rng.between(0, 4)}]});
    }
    if rng.percent(30) {
        let start = control.clock.wall(now).plus(Duration::from_secs(rng.between(1, 60)));
        let duration = format!("{}s", rng.between(60, 300));
        spec["timeslot"] = json!({"start": start.to_string(), "duration": duration,
            "lead_time": "10s", "teardown_buffer": "90s"});
    }
    spec
}

/// It is drained, or wanted again.
fn desire(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let key = any_host(rng);
    let desired = *rng.pick(&[DesiredTimedStatus::Active, DesiredTimedStatus::TornDown]);
    let is_done = edit::<Host>(control, &key, now, |edit| edit.desire(desired));
    format!("{key}: {desired} is wanted: {is_done:?}")
}

fn retry(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let (key, at) = (any_host(rng), control.clock.wall(now));
    let requested = Requested { request: Request::Retry, by: Actor::API, event: None, at };
    let is_done = edit::<Host>(control, &key, now, |edit| {
        Host::timed_mut(&mut edit.object).request(requested);
    });
    format!("retry {key}: {is_done:?}")
}

fn any_lab(rng: &mut Rng) -> Name {
    named(&format!("lab{}", rng.between(0, LABS)))
}

/// Books a pod on a server; one that is over makes room for the next of its name.
fn book(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let (name, on_late) = (any_lab(rng), *rng.pick(&["skip", "shorten", "shift"]));
    let key = in_default(KindName::Pod, &name);
    let old = control.world.pods.find(Some(&Name::default_namespace()), &name);
    if old.is_some_and(|old| old.status == TimedStatus::Terminated) {
        return format!("delete {key}: {}", taken(delete(control, &key, now)));
    }
    let start = control.clock.wall(now).plus(Duration::from_secs(rng.between(45, 100)));
    let json = json!({"name": name, "spec": {
        "definition": {"type_key": "lab"}, "on_late": on_late,
        "timeslot": {"start": start.to_string(), "duration": "30s"},
    }});
    format!("book {key} at {start}: {}", taken(apply::<Pod>(control, json, now)))
}

fn delete_lab(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let key = in_default(KindName::Pod, &any_lab(rng));
    format!("delete {key}: {}", taken(delete(control, &key, now)))
}

/// It grows with the time.
fn version(now: Timestamp) -> String {
    format!("1.{}.0", now.since(BEGIN).as_millis())
}

fn definition(kind: KindName, json: &Value) -> ResourceKey {
    of_fleet(kind, &named(json["name"].as_str().unwrap_or_default()))
}

/// A definition gets other content; some forget the version.
fn redefine(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let version = if rng.percent(10) { "0.9.0".to_owned() } else { version(now) };
    let all = catalogue::all(&version, rng.between(0, WAYS));
    let (kind, json) = rng.pick(&all);
    let done = taken(declare_as(control, *kind, json, now));
    format!("declare {} {version}: {done}", definition(*kind, json))
}

fn undefine(control: &mut Control, now: Timestamp, rng: &mut Rng) -> String {
    let all = catalogue::all("1.0.0", 0);
    let (kind, json) = rng.pick(&all);
    let key = definition(*kind, json);
    format!("delete {key}: {}", taken(delete(control, &key, now)))
}
