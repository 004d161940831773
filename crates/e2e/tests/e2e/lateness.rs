//! A control plane that is not there when the provisioning of sessions should
//! begin: the declared policy decides about each, once, and nothing that was
//! missed is made up for in a burst.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, part, pod, room, session, session_of};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Boundary, LateDecision, Outcome, Timeslot};
use tessera_types::{Duration, Session, SessionPart, Timestamp};

/// Less is not late; see `tessera_reconciler::timed::late`.
const LATE_MIN: Duration = Duration::from_secs(5);

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// A session that begins in 3 s, with its policy.
fn late(name: &str, on_late: &str, kind: &str) -> Value {
    let mut manifest = session(name, kind, "3s");
    manifest["spec"]["on_late"] = json!(on_late);
    manifest
}

/// A session of one part with a pod of its own, which takes `takes` of the room.
fn sort(fleet: &Fleet, key: &str, duration: &str, takes: &str) -> [Value; 3] {
    let mut desk = pod(&format!("{key}.pod"), &[fleet.actor("lab", "")]);
    desk["spec"]["demand"] = json!({"counted": {takes: 1}});
    let spec = json!({"duration": duration, "lead_time": "1s", "teardown_buffer": "4s"});
    let part = part(&format!("{key}.part"), &format!("{key}.pod"), spec);
    [desk, part, session_of(key, &[("first", &format!("{key}.part"))])]
}

/// A fleet on which six sessions are declared that begin at the same time.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let [mut room_type, room] = room(10);
    room_type["spec"]["capacity"]["counted"]["cells"] = json!(1);
    fleet.declare(&[room_type, room]).await;
    for (key, duration, takes) in
        [("long", "10s", "seats"), ("brief", "2s", "seats"), ("alone", "10s", "cells")]
    {
        fleet.declare(&sort(&fleet, key, duration, takes)).await;
    }
    fleet
        .declare(&[
            late("skips", "skip", "long"),
            late("shortens", "shorten", "long"),
            late("shifts", "shift", "long"),
            late("misses", "shorten", "brief"),
            late("cannot-shift", "shift", "alone"),
            // It holds the only cell from 1 s after the one before is gone.
            session("next", "alone", "19s"),
        ])
        .await;
    fleet
}

fn slot(session: &tessera_types::Object<Session>) -> Timeslot {
    session.observed.timed.timeslot.unwrap()
}

/// The windows of all sessions, by their names.
async fn declared(fleet: &Fleet) -> BTreeMap<String, Timeslot> {
    let sessions = fleet.all::<Session>().await;
    sessions.iter().map(|session| (session.name.to_string(), slot(session))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_control_plane_missed_is_decided_once_by_its_policy() {
    let mut fleet = fleet().await;
    let declared = declared(&fleet).await;
    fleet.kill_control();
    be_late_for(&fleet, declared["misses"].provision_at()).await;
    fleet.start_control().await;
    what_was_decided(&fleet, &declared).await;
    // It was decided: what comes after is no reason to decide again.
    fleet.kill_control();
    fleet.start_control().await;
    what_came_of_it(&fleet, &declared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_was_frozen_decides_in_the_same_way() {
    let fleet = fleet().await;
    let declared = declared(&fleet).await;
    fleet.control().signal(Signal::STOP);
    be_late_for(&fleet, declared["misses"].provision_at()).await;
    fleet.control().signal(Signal::CONT);
    what_was_decided(&fleet, &declared).await;
    what_came_of_it(&fleet, &declared).await;
}

async fn be_late_for(fleet: &Fleet, at: Timestamp) {
    let late = at.plus(LATE_MIN).plus(Duration::from_millis(300));
    fleet.eventually("it is late", async || (now() >= late).then_some(())).await;
}

async fn what_was_decided(fleet: &Fleet, declared: &BTreeMap<String, Timeslot>) {
    for (name, decision, boundary) in [
        ("skips", LateDecision::Skipped, Boundary::ProvisionAt),
        ("shortens", LateDecision::Shortened, Boundary::ProvisionAt),
        ("shifts", LateDecision::Shifted, Boundary::ProvisionAt),
        ("cannot-shift", LateDecision::Shortened, Boundary::ProvisionAt),
        ("misses", LateDecision::Skipped, Boundary::End),
    ] {
        let is_decided = |it: &tessera_types::Object<Session>| it.observed.timed.late.is_some();
        let session = fleet.await_::<Session>(name, "decided", is_decided).await;
        let late = session.observed.timed.late.clone().unwrap();
        assert_eq!(late.decision, decision, "{name}: {late:?}");
        let is_expected = late.boundary == boundary || late.boundary == Boundary::Start;
        assert!(is_expected, "{name}: {late:?}");
        assert!(late.by >= LATE_MIN || boundary == Boundary::End, "{name}: {late:?}");
        let (slot, declared) = (slot(&session), declared[name]);
        match decision {
            LateDecision::Shifted => {
                assert_eq!(slot.start, declared.start.plus(late.by), "{late:?}");
                assert_eq!(slot.duration(), declared.duration(), "as long as declared");
            }
            LateDecision::Shortened => assert_eq!(slot.end, declared.end, "{name}"),
            LateDecision::Skipped => {}
        }
    }
    assert_eq!(fleet.see::<Session>("next").await.observed.timed.late, None, "it is not late");
}

async fn what_came_of_it(fleet: &Fleet, declared: &BTreeMap<String, Timeslot>) {
    for (name, outcome, starts) in [
        ("skips", Outcome::Skipped, 0),
        ("misses", Outcome::Skipped, 0),
        ("shortens", Outcome::Completed, 1),
        ("cannot-shift", Outcome::Completed, 1),
        ("shifts", Outcome::Completed, 1),
    ] {
        let session = fleet.over(name).await;
        assert_eq!(session.status, SessionStatus::Inactive, "{name}");
        assert_eq!(session.observed.timed.outcome, Some(outcome), "{name}: {session:#?}");
        assert_eq!(fleet.starts(&format!("{name}-first-pod-lab")), starts, "{name}");
        let notes = fleet.life::<SessionPart>(&format!("{name}-first")).await;
        let decisions = notes.iter().filter(|it| it.reason.contains("nobody was there"));
        assert_eq!(decisions.count(), 1, "{name}: {notes:#?}");
        let part = fleet.see::<SessionPart>(&format!("{name}-first")).await;
        let Some(ended) = part.observed.timed.ended_at.filter(|_| starts > 0) else { continue };
        let end = part.observed.timed.timeslot.unwrap().end;
        assert!(ended >= end, "{name} has all of its window: {ended} {end}");
        assert_eq!(end > declared[name].end, name == "shifts", "{name}: {end}");
    }
    let (status, _) = fleet.post("/v1/sessions/next/cancel", &json!({})).await;
    assert_eq!(status, 202);
    fleet.over("next").await;
    fleet.nothing_left().await;
}
