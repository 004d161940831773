//! What jobs and pods leave behind: it is waited for, and named when it does not
//! go in time.

use serde_json::{Value, json};
use tessera_types::timed::{DesiredTimedStatus, TimedStatus};
use tessera_types::{Duration, Job, Pod, Session, SessionPart, WaitReason, Workload};

use crate::exam::{Exam, book};
use crate::plane::Plane;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn phase(name: &str, status: &str, timeout: &str) -> Value {
    json!({"name": name, "engine": "workflow", "trigger_on_status": status,
        "definition": {"type_key": "watch"},
        "retry": {"attempts_max": 3, "backoff": {"initial": "1s", "max": "1s"}, "timeout": timeout}})
}

/// The program of a job of the pod takes so long to stop.
fn pod_with_job(lingers: u64) -> Plane {
    let pod_phases = vec![phase("watch", "Active", "1h")];
    let mut plane = Exam { pod_phases, is_graded: false, ..Exam::default() }.plane();
    plane.lingers.insert("job-", secs(lingers));
    plane
}

#[test]
fn a_pod_holds_its_host_until_the_programs_of_its_jobs_have_ended() {
    let mut plane = pod_with_job(5);
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(10)));
    plane.edit::<Session>("exam", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.run(4);
    assert!(plane.get::<Job>("exam-one-lab-watch-1").status.is_over());
    let pod = plane.pod("exam-one-lab");
    assert_eq!(pod.status, TimedStatus::TearingDown);
    assert!(pod.observed.binding.is_some(), "its program still runs");
    plane.run(2);
    let pod = plane.pod("exam-one-lab");
    assert_eq!((pod.status, &pod.observed.binding), (TimedStatus::Terminated, &None));
    assert_eq!(plane.world.table::<Workload>().len(), 0);
}

#[test]
fn a_job_that_is_deleted_says_that_its_program_has_to_go_first() {
    let mut plane = pod_with_job(5);
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(10)));
    plane.edit::<Job>("exam-one-lab-watch-1", tessera_types::Edit::request_deletion);
    plane.run(3);
    let job = plane.get::<Job>("exam-one-lab-watch-1");
    assert!(job.status.is_over());
    let waiting = job.waiting_for.clone().map(|waiting| (waiting.reason, waiting.message));
    assert_eq!(waiting, Some((WaitReason::Children, "its workload to be gone".to_owned())));
    plane.run(5);
    assert!(plane.find::<Job>("exam-one-lab-watch-1").is_none());
}

#[test]
fn the_next_try_of_a_phase_waits_for_the_program_of_the_one_before() {
    let phases = vec![phase("prepare", "Provisioning", "3s")];
    let mut plane = Exam { phases, lead_time: 40, ..Exam::default() }.plane();
    plane.lingers.insert("job-", secs(4));
    let start = book(&mut plane);
    plane.run_until(start.minus(secs(23)));
    let job = plane.get::<Job>("exam-one-prepare-1");
    assert!(job.status.is_over());
    assert!(plane.find::<Job>("exam-one-prepare-2").is_none());
    plane.run_until(start.minus(secs(21)));
    assert!(plane.find::<Job>("exam-one-prepare-2").is_some());
}

#[test]
fn what_a_job_leaves_past_the_deadline_is_killed_and_named() {
    let mut plane = pod_with_job(1000);
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(79)));
    assert_eq!(plane.pod("exam-one-lab").status, TimedStatus::TearingDown);
    plane.run_until(start.plus(secs(80)));
    let pod = plane.pod("exam-one-lab");
    assert_eq!((pod.status, &pod.observed.binding), (TimedStatus::Terminated, &None));
    let [leftover] = pod.observed.timed.leftovers.as_slice() else {
        panic!("{:?}", pod.observed.timed.leftovers)
    };
    assert!(leftover.starts_with("workload/job-exam-one-lab-watch-1 on node-a"), "{leftover}");
    let part = plane.get::<SessionPart>("exam-one");
    assert_eq!(part.observed.timed.leftovers, pod.observed.timed.leftovers);
    let killed = plane.get::<Workload>("job-exam-one-lab-watch-1");
    assert_eq!(killed.spec.stop.grace, Duration::ZERO);
    // It stops after all, long after everything else is over.
    plane.run(1100);
    assert_eq!(plane.world.table::<Workload>().len(), 0);
    let session = plane.get::<Session>("exam");
    assert!(session.observed.timed.leftovers.is_empty());
    assert!(plane.pod("exam-one-lab").observed.timed.leftovers.is_empty());
}

#[test]
fn what_a_job_of_a_part_leaves_is_named_as_well() {
    let phases = vec![phase("watch", "Active", "1h")];
    let mut plane = Exam { phases, is_graded: false, ..Exam::default() }.plane();
    plane.lingers.insert("job-exam-two", secs(1000));
    let start = book(&mut plane);
    plane.run_until(start.plus(secs(140)));
    let session = plane.get::<Session>("exam");
    assert!(session.status.is_over(), "{}", session.status);
    let [leftover] = session.observed.timed.leftovers.as_slice() else {
        panic!("{:?}", session.observed.timed.leftovers)
    };
    assert!(leftover.starts_with("workload/job-exam-two-watch-1 on node-a"), "{leftover}");
    assert!(plane.world.table::<Pod>().iter().all(|pod| pod.observed.timed.leftovers.is_empty()));
}
