//! A control plane that is killed between any two commits: what comes of
//! everything is the same, and nothing is made twice.

use serde_json::json;
use tessera_types::timed::Request;
use tessera_types::{Duration, Session, SessionPart};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

/// What a person sees in the end.
#[derive(Debug, PartialEq)]
struct End {
    session: String,
    paths: Vec<String>,
    made: Vec<String>,
    started: Vec<String>,
    jobs: Vec<String>,
}

/// The exam with all that can happen in it: a pod that fails twice, a gate, a
/// grading that is asked for and repeated, an extension by its own clock.
fn live(exam: &Exam, crash: impl FnOnce(&mut Plane)) -> (End, usize) {
    let mut plane = exam.plane();
    plane.script = Box::new(|name, run| match name {
        "exam-one-lab-vm" if run <= 2 => Run::Ends(Duration::ZERO, 1, ""),
        "job-exam-one-grade-1" => Run::Ends(Duration::from_secs(1), 1, ""),
        _ if name.contains("grade") => Run::Ends(Duration::from_secs(2), 0, r#"{"score": 60}"#),
        _ => Run::Stays,
    });
    crash(&mut plane);
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    if plane.get::<SessionPart>("exam-one").status == tessera_types::timed::TimedStatus::Active {
        plane.ask::<SessionPart>("exam-one", Request::Grade);
    }
    plane.run_until(start.plus(Duration::from_secs(250)));
    let session = plane.get::<Session>("exam");
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names
    };
    let keys = [
        "session/default/exam",
        "sessionpart/default/exam-one",
        "sessionpart/default/exam-two",
        "pod/default/exam-one-lab",
        "pod/default/exam-two-lab",
    ];
    let end = End {
        session: format!(
            "{} {:?} {:?} {:?}",
            session.status,
            session.observed.timed.outcome,
            session.observed.score,
            session.observed.timed.failure.as_ref().map(|failure| &failure.message),
        ),
        paths: keys.iter().map(|key| plane.path(key)).collect(),
        made: sorted(plane.made.clone()),
        started: sorted(plane.started.iter().map(|(name, _)| name.clone()).collect()),
        jobs: plane.world.jobs.iter().map(|job| format!("{} {}", job.name, job.status)).collect(),
    };
    (end, plane.commits)
}

fn same_after_each_commit(exam: &Exam) {
    let (expected, commits) = live(exam, |_| {});
    assert!(commits > 20, "{commits}");
    for after in 1..=commits {
        let (end, _) = live(exam, |plane| plane.crash_after = Some(after));
        assert_eq!(end, expected, "killed after commit {after}");
    }
    let (end, _) = live(exam, |plane| plane.crashes_always = true);
    assert_eq!(end, expected, "killed after every commit");
}

#[test]
fn the_exam_comes_to_the_same_whenever_the_control_plane_is_killed() {
    same_after_each_commit(&Exam { gate: json!({"passed": {"min_score": 50}}), ..Exam::default() });
}

#[test]
fn an_exam_that_fails_comes_to_the_same_whenever_the_control_plane_is_killed() {
    same_after_each_commit(&Exam { attempts: 2, ..Exam::default() });
    same_after_each_commit(&Exam { attempts: 2, on_failure: "continue", ..Exam::default() });
}
