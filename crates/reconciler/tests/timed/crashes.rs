//! A control plane that is killed between any two commits: what comes of
//! everything is the same, and nothing is made twice.

use serde_json::json;
use tessera_reconciler::admission::{Stretch, extend_session};
use tessera_types::job::JobStatus;
use tessera_types::node::DesiredNodeStatus;
use tessera_types::timed::Request;
use tessera_types::{Duration, Job, Node, Session, SessionPart, Timestamp, Workload};

use crate::exam::{Exam, book, name};
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

/// Nobody follows what an agent reports next: the control plane is killed right
/// after it has written that down.
fn crash_at_the_next_report(plane: &mut Plane, at: Timestamp) {
    plane.run_until(at.minus(Duration::from_millis(100)));
    plane.crash_after = Some(plane.commits + 1);
    plane.run_until(at.plus(Duration::from_secs(1)));
    assert_eq!(plane.crash_after, None);
}

/// The second part is graded 90 seconds after the start, and extended two seconds
/// later, which is a new generation of the workloads of its pod and its job.
fn extended(plane: &mut Plane) -> Timestamp {
    let start = book(plane);
    plane.run_until(start.plus(Duration::from_secs(90)));
    plane.ask::<SessionPart>("exam-two", Request::Grade);
    plane.run_until(start.plus(Duration::from_secs(92)));
    let (session, part) = (plane.get::<Session>("exam"), name("two"));
    let by = Stretch::Extend(Duration::from_secs(5));
    let extended = extend_session(&plane.world, &session, Some(&part), by, plane.now.wall);
    plane.commit(extended.unwrap().writes);
    plane.settle();
    for workload in ["job-exam-two-grade-1", "exam-two-lab-vm"] {
        assert!(plane.get::<Workload>(workload).generation > 1, "{workload}");
    }
    start
}

fn starts(plane: &Plane, workload: &str) -> usize {
    plane.started.iter().filter(|(name, _)| name == workload).count()
}

#[test]
fn a_job_that_failed_unseen_after_an_extension_is_not_run_again() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|name, run| match name.contains("grade") {
        true if run == 1 && name.contains("two") => Run::Ends(Duration::from_secs(4), 1, ""),
        true => Run::Ends(Duration::from_secs(2), 0, r#"{"score": 60}"#),
        false => Run::Stays,
    });
    let start = extended(&mut plane);
    crash_at_the_next_report(&mut plane, start.plus(Duration::from_secs(94)));
    assert_eq!(starts(&plane, "job-exam-two-grade-1"), 1);
    let job = plane.get::<Job>("exam-two-grade-1");
    let message = job.observed.message.as_deref().unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    assert!(message.starts_with("its program exited with code 1"), "{message}");
}

#[test]
fn what_failed_of_a_pod_unseen_after_an_extension_is_not_run_again_behind_it() {
    let mut plane = Exam::default().plane();
    let start = plane.at(60);
    let breaks_at = start.plus(Duration::from_secs(94));
    let made_at = start.plus(Duration::from_secs(20));
    let time = breaks_at.since(made_at);
    plane.script = Box::new(move |name, run| match name {
        "exam-two-lab-vm" if run == 1 => Run::Ends(time, 1, ""),
        "job-exam-two-grade-1" => Run::Ends(Duration::from_secs(30), 0, r#"{"score": 60}"#),
        _ if name.contains("grade") => Run::Ends(Duration::from_secs(2), 0, r#"{"score": 60}"#),
        _ => Run::Stays,
    });
    assert_eq!(extended(&mut plane), start);
    let made = plane.started.iter().find(|(name, _)| name == "exam-two-lab-vm").unwrap();
    assert_eq!(made.1, made_at);
    crash_at_the_next_report(&mut plane, breaks_at);
    assert_eq!(starts(&plane, "exam-two-lab-vm"), 1);
    assert!(plane.pod("exam-two-lab").observed.timed.failure.is_some());
}

/// A node that is drained has the copies on it stopped: a job whose program was
/// stopped has failed, and does not run elsewhere under the same try.
#[test]
fn a_job_on_a_drained_node_is_not_run_again_elsewhere() {
    let mut plane = Exam { node_cpu: 8000, ..Exam::default() }.plane();
    plane.node("node-b", 8000);
    plane.script = Box::new(|name, _| match name.contains("grade") {
        true => Run::Ends(Duration::from_secs(5), 0, r#"{"score": 60}"#),
        false => Run::Stays,
    });
    plane.lingers.insert("grade", Duration::from_secs(1));
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(90)));
    plane.ask::<SessionPart>("exam-two", Request::Grade);
    plane.run_until(start.plus(Duration::from_secs(92)));
    let job = plane.get::<Workload>("job-exam-two-grade-1");
    let node = job.observed.assigned.as_ref().unwrap().node.to_string();
    plane.edit::<Node>(&node, |edit| edit.desire(DesiredNodeStatus::Drained));
    crash_at_the_next_report(&mut plane, start.plus(Duration::from_secs(93)));
    plane.run(2);
    assert_eq!(starts(&plane, "job-exam-two-grade-1"), 1);
    assert_eq!(plane.get::<Job>("exam-two-grade-1").status, JobStatus::Failed);
}
