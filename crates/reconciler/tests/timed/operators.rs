//! What operators do: retry, cancel, delete, finish; at every state.

use serde_json::json;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{DesiredTimedStatus, Outcome, Request, TimedStatus};
use tessera_types::{Actor, Duration, Host, Job, Pod, Report, Session, SessionPart, Workload};

use crate::exam::{Exam, book, session};
use crate::plane::{Plane, Run};

fn grades_slowly(plane: &mut Plane) {
    plane.script = Box::new(|name, _| match name.contains("grade") {
        true => Run::Ends(Duration::from_secs(5), 0, r#"{"score": 60}"#),
        false => Run::Stays,
    });
}

fn nothing_is_left(plane: &Plane) {
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    for pod in plane.world.pods.iter() {
        assert_eq!((pod.status, &pod.observed.binding), (TimedStatus::Terminated, &None));
    }
    assert!(plane.world.jobs.iter().all(|job| job.status.is_over()));
}

/// Every second of its life somebody else gives it up.
#[test]
fn a_session_can_be_cancelled_at_any_time() {
    for second in 0..200 {
        let mut plane = Exam { gate: json!("completed"), ..Exam::default() }.plane();
        grades_slowly(&mut plane);
        book(&mut plane);
        plane.run(second);
        let was_over = plane.get::<Session>("exam").status.is_over();
        plane.edit::<Session>("exam", |edit| edit.desire(DesiredTimedStatus::TornDown));
        plane.settle();
        let session = plane.get::<Session>("exam");
        assert_eq!(session.status, SessionStatus::Inactive, "at {second}");
        let expected = if was_over { Outcome::Completed } else { Outcome::Cancelled };
        assert_eq!(session.observed.timed.outcome, Some(expected), "at {second}");
        nothing_is_left(&plane);
    }
}

#[test]
fn a_session_can_be_deleted_at_any_time_and_takes_everything_with_it() {
    for second in 0..200 {
        let mut plane = Exam::default().plane();
        grades_slowly(&mut plane);
        book(&mut plane);
        plane.run(second);
        plane.delete::<Session>("exam");
        plane.settle();
        let left: Vec<_> = plane.world.all().filter(|one| one.owner().is_some()).collect();
        assert!(left.is_empty(), "at {second}: {left:#?}");
        assert!(plane.find::<Session>("exam").is_none());
        // Its names are free again.
        plane.apply::<Session>(session("exam", plane.at(60)));
    }
}

#[test]
fn a_session_that_is_being_given_up_can_be_deleted_meanwhile() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    plane.cut_off("node-a");
    plane.edit::<Session>("exam", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.settle();
    assert_eq!(plane.get::<Session>("exam").status, SessionStatus::Finalizing);
    plane.delete::<Session>("exam");
    plane.settle();
    plane.reconnect("node-a");
    plane.run(1);
    assert!(plane.find::<Session>("exam").is_none());
    assert_eq!(plane.world.table::<Workload>().len(), 0);
}

#[test]
fn a_failed_part_is_tried_again_when_an_operator_asks() {
    let mut plane = Exam { on_failure: "continue", attempts: 1, ..Exam::default() }.plane();
    plane.script = Box::new(|name, run| match name {
        "exam-one-lab-vm" if run == 1 => Run::Ends(Duration::ZERO, 1, ""),
        _ if name.contains("grade") => Run::Ends(Duration::from_secs(1), 0, r#"{"score": 7}"#),
        _ => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(5)));
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!(part.status, TimedStatus::Failed);
    assert!(part.waiting_for.as_ref().unwrap().message.contains("somebody to retry"));
    plane.ask::<SessionPart>("exam-one", Request::Retry);
    plane.run(3);
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!(part.status, TimedStatus::Active);
    let asked = part.state_history.iter().find(|it| it.reason == "another try was asked for");
    assert_eq!(asked.map(|it| &it.by), Some(&Actor::API));
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Active);
    plane.run(200);
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.observed.score), (SessionStatus::Inactive, Some(14.0)));
    assert_eq!(
        plane.get::<SessionPart>("exam-one").observed.timed.outcome,
        Some(Outcome::Completed)
    );
}

/// A retry that was asked for of something that had not failed is not kept for
/// the time when it does.
#[test]
fn an_old_request_for_a_retry_does_nothing_later() {
    let mut plane = Exam { on_failure: "continue", attempts: 1, ..Exam::default() }.plane();
    plane.script = Box::new(|name, _| match name.contains("exam-one-lab") {
        true => Run::Ends(Duration::from_secs(40), 1, ""),
        false => Run::Stays,
    });
    let start = book(&mut plane);
    plane.ask::<SessionPart>("exam-one", Request::Retry);
    plane.ask::<Pod>("exam-one-lab", Request::Retry);
    plane.run_until(start.plus(Duration::from_secs(30)));
    assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Failed);
    assert_eq!(plane.made.iter().filter(|name| *name == "exam-one-lab-vm").count(), 1);
}

#[test]
fn a_part_that_is_finished_early_is_graded_and_ends() {
    let mut plane = Exam { gate: json!("completed"), ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    plane.ask::<SessionPart>("exam-one", Request::Finish);
    plane.run(4);
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!((part.status, part.observed.score), (TimedStatus::Terminated, Some(60.0)));
    // The next part keeps its time.
    plane.run_until(start.plus(Duration::from_secs(59)));
    assert_ne!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
}

#[test]
fn a_pod_that_somebody_tears_down_is_the_failure_of_its_part() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    plane.edit::<Pod>("exam-one-lab", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.run(5);
    let failure = plane.get::<Session>("exam").observed.timed.failure.clone().unwrap();
    assert!(failure.message.contains("torn down before its time"), "{}", failure.message);
}

#[test]
fn a_workload_that_disappears_breaks_its_pod() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(10)));
    plane.delete::<Workload>("exam-one-lab-vm");
    plane.run(5);
    let failure = plane.get::<Session>("exam").observed.timed.failure.clone().unwrap();
    assert!(failure.message.contains("workload/exam-one-lab-vm is gone"), "{}", failure.message);
}

/// A stranger has the name of everything that would be made.
#[test]
fn names_that_strangers_have_are_left_to_them() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.apply::<Workload>(json!({"name": "exam-one-lab-vm", "spec": {"command": "stranger"}}));
    plane.apply::<Job>(
        json!({"name": "exam-two-grade-1", "spec": {"definition": {"type_key": "check"}}}),
    );
    plane.apply::<Report>(
        json!({"name": "exam-two-report", "spec": {"definition": {"type_key": "sum"}}}),
    );
    plane.apply::<Report>(
        json!({"name": "exam-report", "spec": {"definition": {"type_key": "sum"}}}),
    );
    plane.run_until(start);
    let failure = plane.get::<Session>("exam").observed.timed.failure.clone().unwrap();
    assert!(
        failure
            .message
            .contains("the name is taken by workload/exam-one-lab-vm on node-a (Running)"),
        "{}",
        failure.message
    );
    assert_eq!(plane.get::<Workload>("exam-one-lab-vm").spec.command.as_deref(), Some("stranger"));
    plane.delete::<Session>("exam");
    plane.delete::<Workload>("exam-one-lab-vm");
    plane.settle();
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(200)));
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.observed.score), (SessionStatus::Inactive, Some(120.0)));
    assert_eq!(plane.get::<Report>("exam-report").owner, None);
    assert!(plane.get::<Report>("exam-report-2").owner.is_some());
}

/// What people declare beside a part's own does not count as its own.
#[test]
fn a_report_that_somebody_declares_for_a_part_changes_nothing_of_its_own() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start);
    let owner = json!({"kind": "SessionPart", "name": "exam-one"});
    plane.apply::<Report>(
        json!({"name": "mine", "owner": owner, "spec": {"definition": {"type_key": "sum"}}}),
    );
    plane.run(200);
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.observed.score), (SessionStatus::Inactive, Some(120.0)));
}

/// The last job of a phase that grades is the score of its part.
#[test]
fn nobody_grades_a_part_but_its_phases() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start);
    let owner = json!({"kind": "SessionPart", "name": "exam-one"});
    for (field, value, says) in [
        ("phase", json!("grade"), "spec.phase: the jobs of phases are made by Tessera"),
        ("attempt", json!(2), "spec.attempt: the jobs of phases are made by Tessera"),
        ("env", json!({}), "owner: a Job that belongs to a SessionPart is made by Tessera"),
    ] {
        let mut json = json!({"name": "exam-one-grade-9",
            "spec": {"definition": {"type_key": "check"}}});
        json["spec"][field] = value;
        if field == "env" {
            json["owner"] = owner.clone();
        }
        let error = plane.try_apply::<Job>(json).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("remove"), "{error}");
    }
    assert!(plane.find::<Job>("exam-one-grade-9").is_none());
    plane.run(200);
    // One that Tessera has made can be declared as it is, to change its labels.
    let mine = plane.get::<Job>("exam-one-grade-1");
    let mut json = json!({"name": "exam-one-grade-1", "labels": {"seen": "yes"}});
    json["spec"] = serde_json::to_value(&*mine.spec).unwrap();
    json["owner"] = owner;
    assert_eq!(plane.try_apply::<Job>(json).unwrap(), 1);
    let session = plane.get::<Session>("exam");
    assert_eq!((session.status, session.observed.score), (SessionStatus::Inactive, Some(120.0)));
}

#[test]
fn a_host_that_is_given_up_waits_for_its_pods() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.run_until(start);
    plane.delete::<Host>("fleet");
    plane.settle();
    assert_eq!(plane.get::<Host>("fleet").status, TimedStatus::TearingDown);
    let error = plane.try_apply::<Session>(session("other", plane.at(500))).unwrap_err();
    assert!(error.to_string().contains("it is being given up"), "{error}");
    plane.run(200);
    assert!(plane.find::<Host>("fleet").is_none());
    assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
}

/// A pod whose workload is deleted while it is being provisioned has a try that
/// failed: the other workloads go, and all are made again.
#[test]
fn a_workload_that_disappears_during_provisioning_is_noticed_at_once() {
    let mut plane = Exam::default().plane();
    plane.script = Box::new(|_, run| if run == 1 { Run::Hangs } else { Run::Stays });
    plane.lingers.insert("-vm", Duration::from_secs(3));
    let start = book(&mut plane);
    plane.run_until(start.minus(Duration::from_secs(25)));
    plane.delete::<Workload>("exam-one-lab-vm");
    plane.run(2);
    assert_eq!(plane.made.len(), 1, "never two at once");
    plane.run(4);
    let pod = plane.pod("exam-one-lab");
    assert_eq!(pod.status, TimedStatus::Ready);
    let note = pod.state_history.iter().find(|one| one.reason.contains("try 1 of 3")).unwrap();
    assert!(note.reason.contains("workload/exam-one-lab-vm is gone"), "{}", note.reason);
    assert_eq!(plane.made, ["exam-one-lab-vm", "exam-one-lab-vm"]);
}

/// The same while a phase runs after that.
#[test]
fn a_workload_that_disappears_before_its_pod_is_ready_breaks_it() {
    let pod_phases = vec![json!({"name": "prepare", "engine": "workflow",
        "trigger_on_status": "Provisioning", "definition": {"type_key": "watch"}})];
    let mut plane = Exam { pod_phases, ..Exam::default() }.plane();
    let start = book(&mut plane);
    plane.run_until(start.minus(Duration::from_secs(20)));
    plane.delete::<Workload>("exam-one-lab-vm");
    plane.run(1);
    let failure = plane.pod("exam-one-lab").observed.timed.failure.clone().unwrap();
    assert!(failure.message.contains("workload/exam-one-lab-vm is gone"), "{}", failure.message);
}

/// Whoever declares a pod that is only to be made ready begins it.
#[test]
fn a_pod_that_is_to_be_ready_does_not_begin_by_itself() {
    let mut plane = Exam::default().plane();
    plane.apply::<Pod>(json!({
        "name": "alone", "desired_status": "Ready", "spec": {
            "definition": {"type_key": "lab-one"},
            "timeslot": {"start": plane.at(60).to_string(), "duration": "60s"},
        },
    }));
    plane.run(70);
    assert_eq!(plane.pod("alone").status, TimedStatus::Ready);
    plane.edit::<Pod>("alone", |edit| edit.desire(DesiredTimedStatus::Active));
    plane.run(1);
    assert_eq!(plane.pod("alone").status, TimedStatus::Active);
}
