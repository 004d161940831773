//! Nobody is there over a boundary of what has begun: it goes on from where it
//! was, each boundary is met once and in order, and nothing is made up for.

use serde_json::json;
use tessera_reconciler::{Manager, PodManager};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{
    Duration, Job, Pod, PodDefinition, Resource, Session, SessionPart, Timestamp, Workload, Write,
};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

const PART: &str = "sessionpart/default/exam-one";
const POD: &str = "pod/default/exam-one-lab";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The control plane is killed, or frozen, from one time to another.
fn out(plane: &mut Plane, is_frozen: bool, from: Timestamp, until: Timestamp) {
    plane.run_until(from);
    let seconds = until.since(from).as_millis() / 1000;
    match is_frozen {
        true => plane.freeze(seconds),
        false => plane.sleep(seconds),
    }
}

fn for_both(test: impl Fn(bool)) {
    [false, true].into_iter().for_each(test);
}

fn made(plane: &Plane, name: &str) -> usize {
    plane.made.iter().filter(|made| *made == name).count()
}

fn is_over_and_clean(plane: &Plane) {
    assert!(plane.get::<Session>("exam").status.is_over());
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    assert!(plane.world.jobs.iter().all(|job| job.status.is_over()));
    assert!(plane.world.pods.iter().all(|pod| pod.observed.binding.is_none()));
}

/// The pause before the second try ends, and the third and fourth would have been.
#[test]
fn a_retry_that_came_due_begins_once() {
    for_both(|is_frozen| {
        let mut plane = Exam { attempts: 5, ..Exam::default() }.plane();
        plane.script = Box::new(|name, run| match name {
            "exam-one-lab-vm" if run == 1 => Run::Ends(Duration::ZERO, 1, ""),
            _ if name.contains("grade") => Run::Ends(secs(2), 0, r#"{"score": 60}"#),
            _ => Run::Stays,
        });
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.minus(secs(30)), start.minus(secs(10)));
        assert_eq!(made(&plane, "exam-one-lab-vm"), 2);
        assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::Provisioning);
        plane.run_until(start.plus(secs(200)));
        assert_eq!(made(&plane, "exam-one-lab-vm"), 2);
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
    });
}

/// The end passes while its first pod is between two tries: there is no further
/// one for a window that is over.
#[test]
fn what_was_not_ready_before_its_end_fails_without_another_try() {
    for_both(|is_frozen| {
        for late in [62, 75, 100] {
            let mut plane = Exam { attempts: 5, on_failure: "continue", ..Exam::default() }.plane();
            plane.script = Box::new(|name, _| match name {
                "exam-one-lab-vm" => Run::Ends(Duration::ZERO, 1, ""),
                _ => Run::Stays,
            });
            let start = book(&mut plane);
            out(&mut plane, is_frozen, start.minus(secs(30)), start.plus(secs(late)));
            assert_eq!(made(&plane, "exam-one-lab-vm"), 1, "at {late}");
            plane.run_until(start.plus(secs(late + 1)));
            let one = plane.get::<SessionPart>("exam-one");
            assert_eq!(one.status, TimedStatus::Terminated, "at {late}");
            assert_eq!(plane.path(PART), "Scheduled Provisioning Failed TearingDown Terminated");
            plane.run(300);
            assert_eq!(made(&plane, "exam-one-lab-vm"), 1, "at {late}");
            is_over_and_clean(&plane);
        }
    });
}

/// Nobody is away: what it waited for is the cause, for the pod, its part and its session, and
/// the pod has failed as its part has, whoever looked first.
#[test]
fn what_was_waited_for_is_why_it_was_not_ready_before_its_end() {
    let mut plane = Exam { attempts: 1, ..Exam::default() }.plane();
    let phase = json!({"name": "prepare", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "pipeline": {"steps": [{"name": "hangs", "job": "lab@v1"}]}});
    let mut json = json!({"name": "lab-one", "spec": {"type_key": "lab-one", "version": "1.0.1",
        "pod_type": "fleet", "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
        "lead_time": "30s"}});
    json["spec"]["lifecycle"] = json!({"phases": [phase]});
    plane.apply::<PodDefinition>(json);
    plane.engine.script = Box::new(|_, _| (secs(3600), Ok(json!({}))));
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(300)));
    assert_eq!(plane.path(POD), "Scheduled Provisioning Failed TearingDown Terminated");
    assert_eq!(plane.path(PART), "Scheduled Provisioning Failed TearingDown Terminated");
    let pod = plane.pod("exam-one-lab").observed.timed.clone();
    let part = plane.get::<SessionPart>("exam-one").observed.timed.clone();
    let session = plane.get::<Session>("exam").observed.timed.clone();
    for (who, timed) in [("pod", pod), ("part", part), ("session", session)] {
        assert_eq!(timed.outcome, Some(Outcome::Failed), "{who}");
        let message = timed.failure.unwrap().message;
        assert!(message.starts_with("it was not ready before its end: it still "), "{message}");
        assert!(message.contains("phase prepare: step hangs: job "), "{who}: {message}");
    }
}

/// It was ready, and its window passed with nobody there: it did not take place.
#[test]
fn what_was_ready_when_its_whole_window_passed_is_skipped() {
    for_both(|is_frozen| {
        let mut plane = Exam::default().plane();
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.minus(secs(2)), start.plus(secs(65)));
        plane.run(1);
        let one = plane.get::<SessionPart>("exam-one");
        assert_eq!(one.observed.timed.outcome, Some(Outcome::Skipped));
        assert_eq!(plane.path(PART), "Scheduled Provisioning Ready TearingDown Terminated");
        assert_eq!(plane.path(POD), "Scheduled Provisioning Ready TearingDown Terminated");
        assert_eq!(plane.get::<SessionPart>("exam-two").status, TimedStatus::Active);
        plane.run(300);
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
        is_over_and_clean(&plane);
    });
}

#[test]
fn a_session_of_which_no_part_took_place_is_skipped() {
    for_both(|is_frozen| {
        let mut plane = Exam { order: "parallel", ..Exam::default() }.plane();
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.minus(secs(2)), start.plus(secs(65)));
        plane.run(300);
        let session = plane.get::<Session>("exam");
        assert_eq!(session.status, SessionStatus::Inactive);
        assert_eq!(session.observed.timed.outcome, Some(Outcome::Skipped));
        is_over_and_clean(&plane);
    });
}

/// Its start passes: it begins at once and ends as declared.
#[test]
fn what_was_ready_begins_late_and_ends_in_time() {
    for_both(|is_frozen| {
        let mut plane = Exam::default().plane();
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.minus(secs(2)), start.plus(secs(30)));
        let one = plane.get::<SessionPart>("exam-one");
        assert_eq!((one.status, one.observed.timed.late.is_none()), (TimedStatus::Active, true));
        plane.run_until(start.plus(secs(200)));
        assert_eq!(plane.when(PART, "Grading"), start.plus(secs(60)));
        assert_eq!(plane.get::<Session>("exam").observed.timed.outcome, Some(Outcome::Completed));
    });
}

/// The end passes, then the time for the last grading, then the deadline.
#[test]
fn what_was_active_ends_at_once_and_once() {
    for_both(|is_frozen| {
        for (late, is_graded) in [(63, true), (75, false), (100, false)] {
            let mut plane = Exam::default().plane();
            let start = book(&mut plane);
            out(&mut plane, is_frozen, start.plus(secs(10)), start.plus(secs(late)));
            plane.run(3);
            let grading = if is_graded { "Grading " } else { "" };
            let path =
                format!("Scheduled Provisioning Ready Active {grading}TearingDown Terminated");
            assert_eq!(plane.path(PART), path, "at {late}");
            let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
            assert_eq!(plane.path(POD), path, "at {late}");
            let one = plane.get::<SessionPart>("exam-one");
            assert_eq!(one.observed.timed.outcome, Some(Outcome::Completed), "at {late}");
            assert_eq!(one.observed.score, is_graded.then_some(60.0));
            let jobs = plane.world.jobs.iter().filter(|job| job.name.as_str().contains("one"));
            assert_eq!(jobs.count(), usize::from(is_graded));
            plane.run(300);
            is_over_and_clean(&plane);
            let left = |pod: &std::sync::Arc<tessera_types::Object<Pod>>| {
                pod.observed.timed.leftovers.is_empty()
            };
            assert!(plane.world.pods.iter().all(left), "at {late}");
        }
    });
}

/// A grading was under way, and the time for it is over.
#[test]
fn a_grading_that_nobody_followed_to_its_deadline_has_failed_once() {
    for_both(|is_frozen| {
        let mut plane = Exam { on_failure: "continue", ..Exam::default() }.plane();
        plane.script = Box::new(|name, _| match name.contains("grade") {
            true => Run::Ends(secs(5), 0, r#"{"score": 60}"#),
            false => Run::Stays,
        });
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.plus(secs(61)), start.plus(secs(90)));
        plane.run(1);
        assert_eq!(
            plane.path(PART),
            "Scheduled Provisioning Ready Active Grading Failed TearingDown Terminated"
        );
        assert!(plane.find::<Job>("exam-one-grade-2").is_none());
        plane.run(300);
        is_over_and_clean(&plane);
    });
}

/// What was being torn down is past its deadline.
#[test]
fn a_deadline_that_passed_is_met_once() {
    for_both(|is_frozen| {
        let mut plane = Exam { is_graded: false, ..Exam::default() }.plane();
        plane.lingers.insert("exam-one-lab", secs(25));
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.plus(secs(62)), start.plus(secs(82)));
        let pod = plane.pod("exam-one-lab");
        assert_eq!((pod.status, &pod.observed.binding), (TimedStatus::Terminated, &None));
        assert_eq!(pod.observed.timed.leftovers.len(), 1);
        plane.run_until(start.plus(secs(300)));
        assert!(plane.pod("exam-one-lab").observed.timed.leftovers.is_empty());
        let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
        assert_eq!(plane.path(POD), path);
        is_over_and_clean(&plane);
    });
}

/// A phase of Active is between two tries when the end passes.
#[test]
fn a_phase_is_not_tried_again_after_the_end() {
    for_both(|is_frozen| {
        let phases = vec![json!({"name": "greet", "engine": "workflow",
            "trigger_on_status": "Active", "definition": {"type_key": "check"},
            "retry": {"attempts_max": 5, "backoff": {"initial": "20s", "max": "20s"}}})];
        let mut plane = Exam { phases, is_graded: false, ..Exam::default() }.plane();
        plane.script = Box::new(|name, _| match name.contains("greet") {
            true => Run::Ends(secs(1), 1, ""),
            false => Run::Stays,
        });
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.plus(secs(10)), start.plus(secs(65)));
        plane.run(5);
        assert_eq!(made(&plane, "job-exam-one-greet-1"), 1);
        assert_eq!(made(&plane, "job-exam-one-greet-2"), 0);
        let outcome = plane.get::<SessionPart>("exam-one").observed.timed.outcome;
        assert_eq!(outcome, Some(Outcome::Completed));
    });
}

/// A pod whose time has come says that it waits for its part, not for a time that
/// has passed.
#[test]
fn a_pod_that_waits_for_its_late_part_says_so() {
    let mut plane = Exam::default().plane();
    let start = book(&mut plane);
    plane.now.wall = start;
    let pod = plane.pod("exam-one-lab");
    let plan = PodManager.reconcile(&pod, &plane.world, plane.now);
    let [Write::Update { resource: Resource::Pod(pod), .. }] = plan.writes.as_slice() else {
        panic!("{:#?}", plan.writes)
    };
    let waiting = pod.waiting_for.as_ref().unwrap();
    assert_eq!((waiting.message.as_str(), waiting.until), ("its part to begin", None));
}

/// Nobody is there from before the first part was to be provisioned until its pod was to
/// be gone: its session decides, whoever is looked at first.
#[test]
fn a_pod_whose_window_passed_is_shifted_with_its_part() {
    let mut plane = Exam { on_late: "shift", is_graded: false, ..Exam::default() }.plane();
    let start = book(&mut plane);
    let wall = plane.now.wall;
    plane.now.wall = start.plus(secs(100));
    let pod = plane.pod("exam-one-lab");
    let plan = PodManager.reconcile(&pod, &plane.world, plane.now);
    let [Write::Update { resource: Resource::Pod(after), .. }] = plan.writes.as_slice() else {
        panic!("{:#?}", plan.writes)
    };
    assert_eq!(after.status, TimedStatus::Scheduled);
    plane.now.wall = wall;
    for_both(|is_frozen| {
        let mut plane = Exam { on_late: "shift", is_graded: false, ..Exam::default() }.plane();
        let start = book(&mut plane);
        out(&mut plane, is_frozen, start.minus(secs(45)), start.plus(secs(100)));
        let part = plane.get::<SessionPart>("exam-one");
        let slot = part.observed.timed.timeslot.unwrap();
        assert!(slot.start > start.plus(secs(100)), "{slot:?}");
        assert_eq!(plane.pod("exam-one-lab").observed.timed.timeslot.unwrap().start, slot.start);
        plane.run(400);
        let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
        assert_eq!((plane.path(PART), plane.path(POD)), (path.to_owned(), path.to_owned()));
        is_over_and_clean(&plane);
    });
}

/// The clock is put right while what is left of a try goes (after 4 s), or in the pause after it
/// (7 s): there is no pause of an hour.
#[test]
fn a_pause_is_as_long_as_declared_where_the_clock_is_set_back() {
    for back_after in [4, 7] {
        let archive = json!({
            "name": "archive", "engine": "workflow", "trigger_on_status": "TearingDown",
            "definition": {"type_key": "watch"}, "retry": {
                "attempts_max": 2, "backoff": {"initial": "2s", "max": "2s"}, "timeout": "3s",
            },
        });
        let mut plane = Exam { phases: vec![archive], ..Exam::default() }.plane();
        plane.script = Box::new(|name, _| match name {
            "job-exam-one-archive-2" => Run::Ends(secs(1), 0, ""),
            _ => Run::Stays,
        });
        plane.lingers.insert("exam-one-archive-1", secs(3));
        let start = book(&mut plane);
        plane.run_until(start.plus(secs(10)));
        plane.delete::<Session>("exam");
        plane.run(back_after);
        plane.set_clock_back(3600);
        plane.run(20);
        let left = plane.find::<SessionPart>("exam-one").map(|part| part.waiting_for.clone());
        assert!(left.is_none(), "{left:?}");
    }
}
