//! What is graded, how often, and the reports that are made of it.

use serde_json::json;
use tessera_types::report::ReportStatus;
use tessera_types::timed::Request;
use tessera_types::{Duration, Report, Session, SessionPart};

use crate::exam::{Exam, book};
use crate::plane::Plane;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A person has a report of their own made, of the type that the owner has, too.
fn second_report(plane: &mut Plane, kind: &str, owner: &str) {
    plane.apply::<Report>(json!({
        "name": "second", "owner": {"kind": kind, "name": owner},
        "spec": {"definition": {"type_key": "sum"}},
    }));
    plane.settle();
}

#[test]
fn a_report_that_is_declared_for_a_session_waits_for_its_parts_and_is_not_its_own() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    second_report(&mut plane, "Session", "exam");
    plane.run_until(start.plus(secs(100)));
    let second = plane.get::<Report>("second");
    assert_eq!(second.status, ReportStatus::Pending, "{:?}", second.observed);
    assert_eq!(
        second.waiting_for.as_ref().unwrap().message,
        "the parts of session/exam to be over"
    );
    plane.run_until(start.plus(secs(250)));
    for name in ["second", "exam-report"] {
        let report = plane.get::<Report>(name);
        assert_eq!((report.observed.items.len(), report.observed.score), (2, Some(120.0)));
    }
    assert_eq!(plane.get::<Session>("exam").observed.score, Some(120.0));
}

#[test]
fn a_report_that_is_declared_for_a_part_is_not_its_own() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    second_report(&mut plane, "SessionPart", "exam-one");
    plane.run_until(start.plus(secs(10)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(5);
    let own = plane.get::<Report>("exam-one-report");
    assert_eq!((own.status, own.observed.score), (ReportStatus::Complete, Some(60.0)));
    assert_eq!(plane.get::<Report>("second").observed.score, Some(60.0));
    plane.delete::<Report>("second");
    plane.run_until(start.plus(secs(250)));
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status.is_over(), session.observed.score), (true, Some(120.0)));
}
