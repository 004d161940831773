//! What is graded, how often, and the reports that are made of it.

use serde_json::json;
use tessera_types::report::ReportStatus;
use tessera_types::timed::{Outcome, Request, TimedStatus};
use tessera_types::{Duration, Report, Session, SessionPart};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

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

#[test]
fn what_failed_to_be_graded_again_has_no_score_and_is_graded_after_a_retry() {
    let mut plane = Exam { on_failure: "continue", ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name {
        "job-exam-one-grade-1" => Run::Ends(secs(1), 0, r#"{"score": 60}"#),
        "job-exam-one-grade-2" | "job-exam-one-grade-3" | "job-exam-one-grade-4" => {
            Run::Ends(secs(1), 1, "")
        }
        _ if name.contains("grade") => Run::Ends(secs(1), 0, r#"{"score": 70}"#),
        _ => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(5)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(5);
    assert_eq!(plane.get::<SessionPart>("exam-one").observed.score, Some(60.0));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(20);
    let one = plane.get::<SessionPart>("exam-one");
    assert_eq!((one.status, one.observed.score), (TimedStatus::Failed, None));
    assert_eq!((one.observed.graded_at, one.observed.passed), (None, None));
    plane.ask::<SessionPart>("exam-one", Request::Retry);
    plane.run_until(start.plus(secs(200)));
    let one = plane.get::<SessionPart>("exam-one");
    assert_eq!(one.observed.timed.outcome, Some(Outcome::Completed));
    assert_eq!((one.observed.score, one.observed.gradings), (Some(70.0), 3));
}
