//! How long what is over is kept.

use serde_json::json;
use tessera_types::session::SessionStatus;
use tessera_types::timed::DesiredTimedStatus;
use tessera_types::{Duration, Pod, Session, Timestamp};

use crate::exam::{Exam, book, session};
use crate::plane::Plane;

const KEEP: u64 = 500;

fn plane() -> Plane {
    let mut plane = Exam::default().plane();
    plane.keep_finished_for(KEEP);
    plane
}

/// Runs until the exam is over, and says when it is to go.
fn over(plane: &mut Plane) -> Timestamp {
    let start = book(plane);
    plane.run_until(start.plus(Duration::from_secs(200)));
    let session = plane.get::<Session>("exam");
    assert!(session.status.is_over());
    session.status_since.plus(Duration::from_secs(KEEP))
}

/// Nothing of it is there any more.
fn is_gone(plane: &Plane) -> bool {
    let mut left = plane.world.all().filter(|one| one.owner().is_some());
    left.next().is_none() && plane.find::<Session>("exam").is_none()
}

#[test]
fn a_session_goes_with_all_that_it_has_a_time_after_its_end() {
    let mut plane = plane();
    let goes_at = over(&mut plane);
    plane.run_until(goes_at.minus(Duration::from_millis(1)));
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.deletion_requested_at), (SessionStatus::Inactive, None));
    assert_eq!(session.observed.score, Some(120.0), "its results are there to be read");
    plane.run_until(goes_at);
    assert!(is_gone(&plane), "{:#?}", plane.world.all().collect::<Vec<_>>());
    // Why it went is in the history, which stays; its names are free again.
    let said = |entry: &crate::plane::Entry| {
        entry.key == "session/default/exam" && entry.record.reason.contains("over for 8m20s")
    };
    assert!(plane.history.iter().any(said));
    plane.apply::<Session>(session_in_a_minute(&plane));
}

fn session_in_a_minute(plane: &Plane) -> serde_json::Value {
    session("exam", plane.at(60))
}

#[test]
fn it_goes_once_however_often_the_control_plane_dies() {
    let mut plane = plane();
    plane.crashes_always = true;
    let goes_at = over(&mut plane);
    plane.run_until(goes_at);
    assert!(is_gone(&plane));
}

#[test]
fn it_goes_when_the_control_plane_is_there_again() {
    let mut plane = plane();
    let goes_at = over(&mut plane);
    plane.sleep(goes_at.since(plane.now.wall).as_millis() / 1000 + 3600);
    assert!(is_gone(&plane));
}

#[test]
fn unless_a_time_is_said_it_is_kept() {
    let mut plane = Exam::default().plane();
    over(&mut plane);
    plane.sleep(400 * 24 * 3600);
    assert!(plane.find::<Session>("exam").is_some());
}

/// However short the time, what is not over stays, with all that it has.
#[test]
fn what_is_not_over_stays() {
    let mut plane = Exam::default().plane();
    plane.keep_finished_for(0);
    let start = book(&mut plane);
    for second in 0..200 {
        plane.run(1);
        let Some(session) = plane.find::<Session>("exam") else {
            assert!(is_gone(&plane), "at {second}");
            let end = start.plus(Duration::from_secs(120));
            assert!(plane.now.wall >= end, "at {second}");
            return;
        };
        assert_eq!(session.deletion_requested_at, None, "at {second}");
    }
    panic!("it never goes");
}

#[test]
fn what_could_not_be_removed_is_kept_for_somebody_to_see() {
    let mut plane = plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    plane.cut_off("node-a");
    plane.edit::<Session>("exam", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.run(300);
    let session = plane.get::<Session>("exam");
    assert!(session.status.is_over());
    assert!(!session.observed.timed.leftovers.is_empty(), "{session:#?}");
    plane.run(2 * KEEP);
    assert_eq!(plane.get::<Session>("exam").deletion_requested_at, None);
    plane.delete::<Session>("exam");
    plane.reconnect("node-a");
    plane.run(10);
    assert!(is_gone(&plane));
}

#[test]
fn what_belongs_to_nothing_is_kept() {
    let mut plane = plane();
    let start = plane.at(60);
    plane.apply::<Pod>(json!({"name": "alone", "spec": {
        "definition": {"type_key": "lab-one"},
        "timeslot": {"start": start.to_string(), "duration": "60s"},
    }}));
    over(&mut plane);
    plane.run(2 * KEEP);
    assert!(is_gone(&plane));
    assert!(plane.find::<Pod>("alone").is_some(), "a person has declared it");
}
