//! Pipelines with jobs of the engine: whenever the control plane is killed, and whatever
//! the jobs come to, the same comes of everything, and each try has one job.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tessera_reconciler::{EngineAway, EngineUse};
use tessera_types::timed::{Request, TimedStatus};
use tessera_types::{Duration, Now, Pod, PodDefinition, Timestamp};

use crate::exam::Exam;
use crate::plane::{Ending, Plane};

const POD: &str = "pod/default/lab";

/// What happens to a pod while it is provisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// Somebody deletes it so many seconds after its provisioning began.
    Deleted(u64),
    /// Somebody has it tried again, where it has failed.
    Retried,
}

/// What a person and the engine see in the end.
#[derive(Debug, PartialEq)]
struct End {
    path: String,
    is_there: bool,
    keys: BTreeSet<String>,
    cancelled: Vec<String>,
    starts: usize,
    message: Option<String>,
}

/// A plane with a pod that starts in 60 s, and whose lab has a step with a job and two
/// tries, in a phase with two tries.
fn plane(endings: Vec<Ending>) -> Plane {
    let mut plane = Exam::default().plane();
    plane.engine.script = Box::new(move |step, number| match step {
        "beside" => (Duration::from_secs(2), Ok(Value::Null)),
        _ => (Duration::from_secs(3), endings.get(number - 1).cloned().unwrap_or(Ok(json!({})))),
    });
    let backoff = json!({"initial": "1s", "max": "1s"});
    let retry = json!({"attempts_max": 2, "backoff": backoff, "timeout": "20s"});
    let phase = json!({
        "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "retry": retry,
        "pipeline": {
            "extends": "standard-provision",
            "insert_after": {
                "bind-host": [{"name": "lab", "job": "lab_start@v1", "retry": retry}],
                "ports": [{"name": "beside", "job": "echo@v1"}],
            },
        },
    });
    let workload = json!({"name": "vm", "spec": {"command": "vm"}});
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "fleet", "workloads": [workload],
        "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    plane
}

fn live(
    endings: Vec<Ending>,
    meanwhile: Meanwhile,
    crash: impl FnOnce(&mut Plane),
) -> (End, usize) {
    let mut plane = plane(endings);
    crash(&mut plane);
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Deleted(seconds) => {
            plane
                .run_until(start.minus(Duration::from_secs(50)).plus(Duration::from_secs(seconds)));
            if plane.find::<Pod>("lab").is_some() {
                plane.delete::<Pod>("lab");
            }
        }
        Meanwhile::Retried => {
            plane.run_until(start.minus(Duration::from_secs(2)));
            if plane.pod("lab").status == TimedStatus::Failed {
                plane.ask::<Pod>("lab", Request::Retry);
            }
        }
    }
    plane.run_until(start.plus(Duration::from_secs(100)));
    let pod = plane.find::<Pod>("lab");
    let unwanted = pod.as_ref().is_some_and(|pod| !pod.observed.timed.unwanted_jobs.is_empty());
    assert!(!unwanted, "{pod:#?}");
    let jobs = &plane.engine.jobs;
    let failure = pod.as_ref().and_then(|pod| pod.observed.timed.failure.clone());
    let end = End {
        path: plane.path(POD),
        is_there: pod.is_some(),
        keys: jobs.keys().cloned().collect(),
        cancelled: jobs.values().filter(|job| job.is_cancelled).map(|it| it.of.clone()).collect(),
        starts: plane.started.iter().filter(|(name, _)| name == "lab-vm").count(),
        message: failure.map(|failure| failure.message),
    };
    (end, plane.commits)
}

fn fails() -> Ending {
    Err("no licence")
}

fn same_after_each_commit(endings: &[Ending], meanwhile: Meanwhile) -> End {
    let (expected, commits) = live(endings.to_vec(), meanwhile, |_| {});
    for after in 1..=commits {
        let (end, _) = live(endings.to_vec(), meanwhile, |plane| plane.crash_after = Some(after));
        assert_eq!(end, expected, "killed after commit {after}");
    }
    let (end, _) = live(endings.to_vec(), meanwhile, |plane| plane.crashes_always = true);
    assert_eq!(end, expected, "killed after every commit");
    expected
}

#[test]
fn a_pod_goes_on_when_its_job_is_done_whenever_the_control_plane_is_killed() {
    let end = same_after_each_commit(&[Ok(json!({"host": "h"}))], Meanwhile::Nothing);
    assert_eq!(end.path, "Scheduled Provisioning Ready Active TearingDown Terminated");
    assert_eq!((end.keys.len(), end.starts), (2, 1), "{end:?}");
    assert!(end.cancelled.is_empty(), "{end:?}");
}

#[test]
fn each_try_of_a_step_and_of_its_phase_has_a_job_of_its_own() {
    let end = same_after_each_commit(&[fails(), fails(), fails()], Meanwhile::Nothing);
    assert_eq!(end.path, "Scheduled Provisioning Ready Active TearingDown Terminated");
    // Two tries of the step in the first try of the phase, two in the second; and the
    // other step in each try in which it came to that.
    let of_lab = end.keys.iter().filter(|key| key.contains("/lab/")).count();
    assert_eq!((of_lab, end.starts), (4, 1), "{end:?}");
}

#[test]
fn a_pod_that_failed_is_tried_again_with_new_jobs() {
    let end = same_after_each_commit(&[fails(), fails(), fails(), fails()], Meanwhile::Retried);
    let path = "Scheduled Provisioning Failed Provisioning Ready Active TearingDown Terminated";
    assert_eq!(end.path, path);
    assert_eq!(end.keys.iter().filter(|key| key.contains("/lab/")).count(), 5, "{end:?}");
}

#[test]
fn a_pod_that_is_deleted_has_its_job_cancelled() {
    let end = same_after_each_commit(&[], Meanwhile::Deleted(1));
    assert!(!end.is_there, "{end:?}");
    assert_eq!(end.starts, 0);
    assert!(end.cancelled.iter().any(|of| of.ends_with(" lab")), "{end:?}");
}

/// A pod that is deleted while its job runs, over at its deadline.
fn over_before_its_job(engine: impl FnOnce(&mut Plane)) -> Plane {
    let mut plane = plane(Vec::new());
    plane.engine.script = Box::new(|_, _| (Duration::from_secs(86_400), Ok(json!({}))));
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    plane.run_until(start.minus(Duration::from_secs(49)));
    engine(&mut plane);
    plane.delete::<Pod>("lab");
    plane.run(5);
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::TearingDown);
    let waiting = pod.waiting_for.as_ref().unwrap();
    assert!(waiting.message.contains("engine-job/"), "{waiting:?}");
    plane.run_until(start.plus(Duration::from_secs(79)));
    assert_eq!(plane.pod("lab").status, TimedStatus::TearingDown);
    plane.run_until(start.plus(Duration::from_secs(81)));
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Terminated);
    assert!(pod.observed.timed.leftovers[0].starts_with("engine-job/"), "{pod:#?}");
    plane
}

#[test]
fn an_engine_that_is_away_keeps_a_pod_that_is_over_no_longer_than_its_deadline() {
    let mut plane = over_before_its_job(|plane| {
        plane.engine.is_away = true;
        let (url, since, is_other) = ("http://127.0.0.1:9".to_owned(), plane.now.wall, false);
        plane.world.engine_is_away(Some(EngineAway { url, since, is_other }));
    });
    plane.run(70);
    assert!(plane.find::<Pod>("lab").is_none(), "it does not wait for ever");
}

/// Nobody would cancel the job once its pod is gone.
#[test]
fn a_pod_that_is_over_is_not_removed_before_an_engine_that_answers_has_cancelled() {
    let mut plane = over_before_its_job(|plane| {
        plane.engine.stops_after = Duration::from_secs(600);
    });
    plane.run(300);
    let waiting = plane.pod("lab").waiting_for.clone().unwrap();
    assert!(waiting.message.starts_with("engine-job/"), "{waiting:?}");
    plane.run(300);
    assert!(plane.find::<Pod>("lab").is_none(), "it is cancelled");
}

/// What is waited for after a start is over when it would have been without the clock.
#[test]
fn a_start_while_the_clock_is_ahead_does_not_keep_a_step_beyond_its_time() {
    let mut plane = plane(Vec::new());
    plane.engine.script = Box::new(|_, _| (Duration::from_secs(86_400), Ok(json!({}))));
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "10m"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    plane.now.wall = plane.now.wall.plus(Duration::from_secs(7200));
    plane.crash();
    plane.set_clock_back(7200);
    plane.run_until(start.minus(Duration::from_secs(45)));
    assert_eq!(plane.engine.jobs.len(), 1, "its first try");
    plane.run(25);
    assert_eq!(plane.engine.jobs.len(), 2, "it took longer than 20s: {:#?}", plane.pod("lab"));
}

#[test]
fn a_job_that_is_done_is_not_done_again_because_its_result_cannot_be_used() {
    let large = json!("x".repeat(70_000));
    let end = same_after_each_commit(&[Ok(large.clone()), Ok(large)], Meanwhile::Nothing);
    assert_eq!(end.path, "Scheduled Provisioning Failed TearingDown Terminated");
    assert_eq!(end.keys.iter().filter(|key| key.contains("/lab/")).count(), 1, "{end:?}");
    assert!(end.message.unwrap().contains("bytes as JSON"));
}

#[test]
fn a_retry_waits_until_the_engine_has_cancelled_and_says_so() {
    let (mut plane, start) = asked_for_a_retry();
    let waiting = plane.pod("lab").waiting_for.clone().unwrap();
    assert!(waiting.message.starts_with("engine-job/"), "{waiting:?}");
    assert!(waiting.message.ends_with(" to be cancelled"), "{waiting:?}");
    assert_eq!(waiting.until, Some(start.plus(Duration::from_secs(600))), "the end of its window");
    plane.engine.is_away = true;
    plane.run(200);
    assert_eq!(plane.pod("lab").status, TimedStatus::Failed, "the old job may still run");
    plane.engine.is_away = false;
    plane.engine.stops_after = Duration::ZERO;
    plane.engine.jobs.values_mut().for_each(|job| job.is_cancelled = false);
    plane.run(2);
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Provisioning);
    assert!(pod.observed.timed.unwanted_jobs.is_empty());
}

/// Nobody can say what became of the job. What has jobs itself does not begin, and once there
/// is an engine again, that cancels first.
#[test]
fn a_retry_without_an_engine_waits_only_so_long() {
    let (mut plane, _) = asked_for_a_retry();
    plane.engine.is_away = true;
    plane.world.use_engine(EngineUse::Missing, Now::default());
    plane.reconciler.wake(plane.pod("lab").id);
    plane.run(70);
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Provisioning);
    assert_eq!(pod.observed.timed.unwanted_jobs.len(), 1);
    let waits = |plane: &Plane| plane.pod("lab").waiting_for.clone().unwrap().message;
    assert!(waits(&plane).contains("an engine for its jobs"), "{}", waits(&plane));
    plane.world.use_engine(EngineUse::On, Now::default());
    plane.reconciler.wake(plane.pod("lab").id);
    plane.run(1);
    assert!(waits(&plane).starts_with("engine-job/"), "{}", waits(&plane));
    let begun = plane.engine.jobs.len();
    plane.engine.is_away = false;
    plane.run(2);
    assert_eq!(plane.engine.jobs.len(), begun, "the old one has not stopped");
}

/// A pod with a job that is not wanted any more and takes an hour to stop, which an operator
/// wants to be tried again; and its start.
fn asked_for_a_retry() -> (Plane, Timestamp) {
    let mut plane = plane(vec![fails(); 8]);
    let ends = vec![fails(); 8];
    plane.engine.script = Box::new(move |step, number| match step {
        "beside" => (Duration::from_secs(3600), Ok(Value::Null)),
        _ => (Duration::from_secs(3), ends[number - 1].clone()),
    });
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "10m"});
    let parallel = json!([{"name": "lab", "job": "lab@v1"}, {"name": "beside", "job": "b@v1"}]);
    let phase = json!({
        "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "retry": {"attempts_max": 1}, "pipeline": {"steps": parallel},
    });
    plane.apply::<PodDefinition>(json!({"name": "both", "spec": {
        "type_key": "both", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
        "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    let spec = json!({"definition": {"type_key": "both"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    plane.engine.stops_after = Duration::from_secs(3600);
    plane.run_until(start.minus(Duration::from_secs(40)));
    assert_eq!(plane.pod("lab").status, TimedStatus::Failed);
    plane.ask::<Pod>("lab", Request::Retry);
    plane.run(1);
    (plane, start)
}

#[test]
fn a_pod_that_is_not_ready_by_its_end_has_failed() {
    let mut plane = plane(Vec::new());
    plane.engine.script = Box::new(|_, _| (Duration::from_secs(3600), Ok(json!({}))));
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "5s"});
    let phase = json!({
        "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "pipeline": {"steps": [{"name": "lab", "job": "lab_start@v1"}]},
    });
    plane.apply::<PodDefinition>(json!({"name": "slow", "spec": {
        "type_key": "slow", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
        "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    let spec = json!({"definition": {"type_key": "slow"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    plane.run_until(start.plus(Duration::from_secs(100)));
    assert_eq!(plane.path(POD), "Scheduled Provisioning Failed TearingDown Terminated");
    let timed = &plane.pod("lab").observed.timed;
    assert_eq!(timed.outcome, Some(tessera_types::timed::Outcome::Failed));
    let failure = timed.failure.as_ref().unwrap();
    let waited = "it was not ready before its end: it still waited for phase provision: step lab: ";
    assert!(failure.message.starts_with(waited), "{failure:?}");
}

/// The double of the engine refuses a job beside another of the same step.
#[test]
fn a_try_waits_until_the_job_of_the_one_before_is_over() {
    let tried = |is_away: bool| {
        let mut plane = plane(Vec::new());
        plane.engine.script = Box::new(|_, _| (Duration::from_secs(3600), Ok(json!({}))));
        plane.engine.stops_after = Duration::from_secs(6);
        let start = plane.at(60);
        let timeslot = json!({"start": start.to_string(), "duration": "60s"});
        let spec = json!({"definition": {"type_key": "quick"}, "timeslot": timeslot});
        let retry = json!({"attempts_max": 3, "timeout": "3s",
            "backoff": {"initial": "500ms", "max": "500ms"}});
        let phase = json!({
            "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
            "retry": {"attempts_max": 1},
            "pipeline": {"steps": [{"name": "lab", "job": "lab_start@v1", "retry": retry}]},
        });
        plane.apply::<PodDefinition>(json!({"name": "quick", "spec": {
            "type_key": "quick", "version": "1.0.0", "pod_type": "fleet",
            "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
            "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
        }}));
        plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
        plane.run_until(start.minus(Duration::from_secs(48)));
        plane.engine.is_away = is_away;
        plane.run(6);
        plane
    };
    let mut plane = tried(false);
    let given_up = plane.history.iter().map(|entry| &entry.record.reason);
    let mut given_up =
        given_up.filter(|reason| reason.contains(" of step lab is not wanted any more"));
    assert!(given_up.next_back().unwrap().ends_with("more: it took longer than 3s"));
    let waiting = plane.pod("lab").waiting_for.clone().unwrap().message;
    assert!(waiting.contains("step lab: engine-job/"), "{waiting}");
    assert!(waiting.contains("of try 1 of 3 to be cancelled"), "{waiting}");
    plane.run(30);
    assert_eq!(plane.engine.jobs.len(), 3);
    let plane = tried(true);
    assert_eq!(plane.engine.jobs.len(), 1, "nobody has cancelled it");
}

/// Its only step is over in the pass that makes the workloads.
#[test]
fn a_pod_whose_pipeline_does_not_wait_for_its_workloads_is_ready_at_once() {
    let mut plane = plane(Vec::new());
    let phase = json!({
        "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "pipeline": {"steps": [{"name": "workloads", "handler": "create_workloads"}]},
    });
    let workload = json!({"name": "vm", "spec": {"command": "vm"}});
    plane.apply::<PodDefinition>(json!({"name": "quick", "spec": {
        "type_key": "quick", "version": "1.0.0", "pod_type": "fleet", "workloads": [workload],
        "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    let timeslot = json!({"start": plane.at(60).to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "quick"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    plane.run(180);
    let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
    assert_eq!(plane.path(POD), path);
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![2 => Just(Ok(json!({}))), 1 => Just(fails())]
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        Just(Meanwhile::Nothing),
        (0..30_u64).prop_map(Meanwhile::Deleted),
        Just(Meanwhile::Retried),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_end_is_the_same_wherever_it_is_killed(
        endings in prop::collection::vec(ending(), 0..6),
        meanwhile in meanwhile(),
        after in 1..60_usize,
    ) {
        let (expected, _) = live(endings.clone(), meanwhile, |_| {});
        let (once, _) = live(endings.clone(), meanwhile, |plane| plane.crash_after = Some(after));
        prop_assert_eq!(&once, &expected);
        let (always, _) = live(endings, meanwhile, |plane| plane.crashes_always = true);
        prop_assert_eq!(&always, &expected);
    }
}
