//! What people do with timed resources: sessions and pods are booked, extended,
//! graded, retried, approved, given up and deleted at bad moments.

use tessera_reconciler::Tabled;
use tessera_reconciler::admission::{self, Stretch};
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, Timed, TimedStatus};
use tessera_types::{Actor, Duration, Edit, Job, Name, Pod, Session, SessionPart, Timestamp};

use crate::api::{self, apply, in_default, taken};
use crate::control::Control;
use crate::rng::Rng;

/// Names of sessions in play.
const SESSIONS: u64 = 4;

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
    let key = in_default(K::KIND, name);
    match api::edit(control, &key, now, change) {
        Some(is_taken) => format!("change {key}: {}", taken(is_taken)),
        None => format!("{name}: there is none"),
    }
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
