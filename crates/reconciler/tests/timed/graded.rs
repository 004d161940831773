//! What is graded, how often, and the reports that are made of it.

use serde_json::json;
use tessera_types::report::ReportStatus;
use tessera_types::timed::{Outcome, Request, TimedStatus};
use tessera_types::{Duration, Report, Session, SessionPart};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

const PART: &str = "sessionpart/default/exam-one";

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

/// What is handed in during a grading is graded after it, also where that would
/// have been the end.
#[test]
fn what_was_handed_in_during_the_last_grading_is_graded_too() {
    for (grading_at, is_finished) in [(10, true), (60, false)] {
        let mut plane = Exam::default().plane();
        let start = book(&mut plane);
        plane.run_until(start.plus(secs(10)));
        if is_finished {
            plane.ask::<SessionPart>("exam-one", Request::Finish);
        }
        plane.run_until(start.plus(secs(grading_at + 1)));
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Grading);
        plane.ask::<SessionPart>("exam-one", Request::Grade);
        plane.run_until(start.plus(secs(100)));
        let one = plane.get::<SessionPart>("exam-one");
        assert_eq!(one.observed.gradings, 2, "{grading_at}");
        assert!(one.observed.timed.requested(Request::Grade).is_none(), "{grading_at}");
        assert_eq!(
            plane.path(PART),
            "Scheduled Provisioning Ready Active Grading Active Grading TearingDown Terminated"
        );
    }
}

/// There is no time for another grading, or it has had as many as it may.
#[test]
fn what_cannot_be_graded_any_more_is_said() {
    let said = |plane: &Plane, words: &str| {
        plane.history.iter().any(|entry| entry.key == PART && entry.record.reason.contains(words))
    };
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(61)));
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.edit::<SessionPart>("exam-one", |edit| edit.object.observed.gradings = 100);
    plane.run_until(start.plus(secs(65)));
    assert!(said(&plane, "not graded again: 100 times is the most"));
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(59)));
    plane.now = tessera_types::Now {
        wall: plane.now.wall.plus(secs(16)),
        boot: plane.now.boot.plus(secs(16)),
    };
    plane.ask::<SessionPart>("exam-one", Request::Grade);
    plane.run(5);
    assert!(said(&plane, "not graded again: its teardown has to begin"));
    let one = plane.get::<SessionPart>("exam-one");
    assert_eq!(one.observed.timed.outcome, Some(Outcome::Completed), "{:?}", one.observed.timed);
}

/// A part was cut off by its deadline while it was graded again. Its report, and that of its
/// session, are made once its job is over: the one waits for the job, the other for the one.
#[test]
fn a_report_is_made_once_what_it_waits_for_is_over() {
    let archive = json!({
        "name": "archive", "engine": "workflow", "trigger_on_status": "TearingDown",
        "definition": {"type_key": "watch"},
    });
    let exam = Exam { on_failure: "continue", phases: vec![archive], ..Exam::default() };
    let mut plane = exam.plane();
    plane.script = Box::new(|name, _| match name {
        "job-exam-one-grade-2" => Run::Stays,
        _ if name.contains("grade") => Run::Ends(secs(1), 0, r#"{"score": 60}"#),
        _ => Run::Stays,
    });
    plane.lingers.insert("exam-one-grade-2", secs(40));
    let start = book(&mut plane);
    for at in [10, 20] {
        plane.run_until(start.plus(secs(at)));
        plane.ask::<SessionPart>("exam-one", Request::Grade);
    }
    plane.run_until(start.plus(secs(25)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Grading);
    plane.freeze(45);
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::TearingDown);
    plane.run_until(start.plus(secs(250)));
    for name in ["exam-one-report", "exam-report"] {
        let report = plane.get::<Report>(name);
        assert_eq!(report.status, ReportStatus::Complete, "{:?}", report.waiting_for);
    }
    assert!(plane.get::<Session>("exam").status.is_over());
}
