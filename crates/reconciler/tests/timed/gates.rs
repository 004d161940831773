//! Gates between parts, and parts that take place at once.

use serde_json::{Value, json};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{DesiredTimedStatus, Outcome, Request, TimedStatus};
use tessera_types::{Duration, Session, SessionPart, Timestamp, WaitReason};

use crate::exam::{Exam, book};
use crate::plane::Plane;

fn gated(gate: Value, on_failure: &'static str) -> (Plane, Timestamp) {
    let mut plane = Exam { gate, on_failure, ..Exam::default() }.plane();
    let start = book(&mut plane);
    (plane, start)
}

fn run_to(plane: &mut Plane, start: Timestamp, seconds: u64) {
    plane.run_until(start.plus(Duration::from_secs(seconds)));
}

fn status(plane: &Plane, part: &str) -> TimedStatus {
    plane.get::<SessionPart>(part).status
}

fn failure(plane: &Plane) -> String {
    let failure = plane.get::<Session>("exam").observed.timed.failure.clone();
    failure.map(|failure| format!("{}: {}", failure.of, failure.message)).unwrap_or_default()
}

#[test]
fn without_a_gate_the_second_part_begins_at_its_time() {
    let (mut plane, start) = gated(json!("none"), "abort");
    run_to(&mut plane, start, 60);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    assert_eq!(status(&plane, "exam-one"), TimedStatus::Grading);
}

#[test]
fn a_completed_part_lets_the_next_begin_and_not_before() {
    let (mut plane, start) = gated(json!("completed"), "abort");
    run_to(&mut plane, start, 61);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Ready);
    let two = plane.get::<SessionPart>("exam-two");
    assert_eq!(two.waiting_for.as_ref().unwrap().message, "one to be completed");
    run_to(&mut plane, start, 63);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    let begun = plane.when("sessionpart/default/exam-two", "Active");
    assert!(begun >= plane.when("sessionpart/default/exam-one", "TearingDown"));
}

#[test]
fn a_part_that_is_not_passed_ends_the_session() {
    let (mut plane, start) = gated(json!({"passed": {"min_score": 61}}), "abort");
    run_to(&mut plane, start, 100);
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Failed);
    assert_eq!(failure(&plane), "gate of one: one has score 60, and 61 is needed");
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Terminated);
}

#[test]
fn a_part_that_is_not_passed_is_left_behind_where_that_is_the_policy() {
    let (mut plane, start) = gated(json!({"passed": {"min_score": 61}}), "continue");
    run_to(&mut plane, start, 70);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    run_to(&mut plane, start, 200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn a_part_that_is_passed_early_lets_the_next_begin_at_its_own_time() {
    let (mut plane, start) = gated(json!({"passed": {"min_score": 60}}), "abort");
    run_to(&mut plane, start, 1);
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    run_to(&mut plane, start, 59);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Ready);
    run_to(&mut plane, start, 60);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
}

#[test]
fn an_approval_opens_the_gate_and_says_who_gave_it() {
    let (mut plane, start) = gated(json!("approval"), "abort");
    run_to(&mut plane, start, 70);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Ready);
    let message = plane.get::<Session>("exam").waiting_for.clone().unwrap().message;
    assert!(message.contains("somebody's approval of one"), "{message}");
    plane.ask::<SessionPart>("exam-one", Request::Approve);
    plane.settle();
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    assert!(plane.get::<SessionPart>("exam-one").observed.approved_by.is_some());
    run_to(&mut plane, start, 200);
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

#[test]
fn a_gate_that_nobody_opens_ends_the_session_with_its_second_part() {
    let (mut plane, start) = gated(json!("approval"), "abort");
    run_to(&mut plane, start, 200);
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Failed);
    assert!(failure(&plane).contains("part two waited in vain for"), "{}", failure(&plane));
    assert_eq!(
        plane.path("sessionpart/default/exam-two"),
        "Scheduled Provisioning Ready TearingDown Terminated"
    );
}

#[test]
fn a_pod_does_not_wait_for_a_part_to_begin_that_is_given_up() {
    let archive = json!({"name": "archive", "engine": "workflow",
        "trigger_on_status": "TearingDown", "definition": {"type_key": "watch"}});
    let (gate, phases) = (json!("approval"), vec![archive]);
    let mut plane = Exam { gate, phases, ..Exam::default() }.plane();
    let start = book(&mut plane);
    run_to(&mut plane, start, 70);
    let waits = |plane: &Plane| {
        let waiting = plane.pod("exam-two-lab").waiting_for.clone().unwrap();
        (waiting.reason, waiting.message)
    };
    assert_eq!(waits(&plane), (WaitReason::Gate, "its part to begin".to_owned()));
    plane.edit::<Session>("exam", |edit| edit.desire(DesiredTimedStatus::TornDown));
    run_to(&mut plane, start, 72);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::TearingDown);
    assert_eq!(plane.pod("exam-two-lab").status, TimedStatus::Ready);
    let phase = "the phases of its part, which is being torn down".to_owned();
    assert_eq!(waits(&plane), (WaitReason::Phase, phase));
}

#[test]
fn parallel_parts_take_place_at_once_and_end_the_session_together() {
    let mut plane = Exam { order: "parallel", ..Exam::default() }.plane();
    let start = book(&mut plane);
    run_to(&mut plane, start, 0);
    assert_eq!(status(&plane, "exam-one"), TimedStatus::Active);
    assert_eq!(status(&plane, "exam-two"), TimedStatus::Active);
    run_to(&mut plane, start, 100);
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.observed.score), (SessionStatus::Inactive, Some(120.0)));
}
