//! A time limit passes while nobody listens to the node: it is judged when the node has
//! told what happened there, or is lost. What was done is never done twice.

use serde_json::{Value, json};
use tessera_types::job::JobStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Duration, Job, JobDefinition, Session, SessionPart, Timestamp};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

const JOB: &str = "exam-one-greet-1";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An exam whose parts have a job when they are Active.
fn greeted(job_timeout: &str, retry_timeout: &str, run: Run) -> (Plane, Timestamp) {
    let phases = vec![json!({"name": "greet", "engine": "workflow",
        "trigger_on_status": "Active", "definition": {"type_key": "greet"},
        "retry": {"attempts_max": 3, "timeout": retry_timeout}})];
    let mut plane = Exam { phases, is_graded: false, ..Exam::default() }.plane();
    let definition: Value = json!({"name": "greet", "spec": {"type_key": "greet",
        "version": "1.0.0", "workload": {"command": "greet"}, "timeout": job_timeout}});
    plane.apply::<JobDefinition>(definition);
    plane.script = Box::new(move |name, _| match name.contains("greet") {
        true => run.clone(),
        false => Run::Stays,
    });
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(1)));
    (plane, start)
}

fn runs(plane: &Plane, name: &str) -> usize {
    plane.started.iter().filter(|(started, _)| started.contains(name)).count()
}

/// The deadline of the job, or the time of its phase's try, passes after its end.
#[test]
fn a_job_that_ended_in_time_counts_whenever_that_is_heard() {
    for (job, retry) in [("10s", "15m"), ("15m", "10s")] {
        for is_frozen in [false, true] {
            let (mut plane, start) = greeted(job, retry, Run::Ends(secs(3), 0, ""));
            match is_frozen {
                true => plane.freeze(25),
                false => plane.sleep(25),
            }
            plane.run_until(start.plus(secs(40)));
            assert_eq!(plane.get::<Job>(JOB).status, JobStatus::Succeeded, "{job} {retry}");
            assert_eq!(runs(&plane, "exam-one-greet"), 1, "{job} {retry}");
            plane.run(200);
            let session = plane.get::<Session>("exam");
            assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
        }
    }
}

/// Its node is silent when somebody listens again, and speaks before it counts as lost.
#[test]
fn a_job_whose_node_is_silent_waits_for_it_to_say_how_it_ended() {
    for (job, retry) in [("10s", "15m"), ("15m", "10s")] {
        let (mut plane, start) = greeted(job, retry, Run::Ends(secs(3), 0, ""));
        plane.cut_off("node-a");
        plane.sleep(20);
        plane.run(3);
        assert_eq!(plane.get::<Job>(JOB).status, JobStatus::Running, "{job} {retry}");
        let part = plane.get::<SessionPart>("exam-one");
        let waiting = match job {
            "10s" => plane.get::<Job>(JOB).waiting_for.clone().unwrap(),
            _ => part.waiting_for.clone().unwrap(),
        };
        let message = waiting.message.as_str();
        assert!(message.ends_with("node/node-a to say how it ended"), "{message}");
        assert_eq!(waiting.until, Some(start.plus(secs(1 + 20 + 15))), "{job} {retry}");
        plane.reconnect("node-a");
        plane.run(5);
        assert_eq!(plane.get::<Job>(JOB).status, JobStatus::Succeeded, "{job} {retry}");
        plane.run(20);
        assert_eq!(runs(&plane, "exam-one-greet"), 1, "{job} {retry}");
    }
}

/// It does not come back: what holds of lost nodes decides.
#[test]
fn a_job_whose_node_is_lost_has_failed() {
    for (job, retry) in [("10s", "15m"), ("15m", "10s")] {
        let (mut plane, _) = greeted(job, retry, Run::Ends(secs(3), 0, ""));
        plane.cut_off("node-a");
        plane.sleep(20);
        plane.run(16);
        let first = plane.get::<Job>(JOB);
        assert!(matches!(first.status, JobStatus::Failed | JobStatus::Cancelled));
        if job == "10s" {
            assert_eq!(
                first.observed.message.as_deref(),
                Some("its node is Offline: whether it did its work is not known")
            );
        }
    }
}

/// Its node says that it still runs, or that it was stopped in time: it took too long.
#[test]
fn a_job_that_did_not_end_in_time_fails_once_its_node_has_said_so() {
    for (job, retry) in [("10s", "15m"), ("15m", "10s")] {
        for sleeps in [0, 15] {
            let (mut plane, _) = greeted(job, retry, Run::Stays);
            if sleeps > 0 {
                plane.sleep(sleeps);
            }
            plane.run(17 - sleeps);
            let first = plane.get::<Job>(JOB);
            assert!(matches!(first.status, JobStatus::Failed | JobStatus::Cancelled));
            if job == "10s" {
                assert_eq!(first.observed.message.as_deref(), Some("it took too long"));
            }
            assert_eq!(runs(&plane, "exam-one-greet"), 2, "{job} {retry} {sleeps}");
        }
    }
}

/// The workloads of a pod came up while nobody listened, before the time of the try was over.
#[test]
fn a_pod_that_came_up_in_time_is_not_provisioned_again() {
    for is_frozen in [false, true] {
        let mut plane = Exam { is_graded: false, ..Exam::default() }.plane();
        plane.script = Box::new(|_, _| Run::Starts(secs(10)));
        let start = book(&mut plane);
        plane.run_until(start.minus(secs(29)));
        match is_frozen {
            true => plane.freeze(24),
            false => plane.sleep(24),
        }
        plane.run_until(start.plus(secs(1)));
        assert_eq!(plane.get::<SessionPart>("exam-one").status, TimedStatus::Active);
        assert_eq!(runs(&plane, "exam-one-lab-vm"), 1);
    }
}
