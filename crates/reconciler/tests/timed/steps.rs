//! What a definition can say of a step, in the managers: what of a result is kept, what a
//! failure means, how long a try takes, what is skipped; and pipelines of each kind.

use serde_json::{Value, json};
use tessera_pipeline::Tier;
use tessera_types::timed::{DesiredTimedStatus, PipelineProgress, StepState, TimedStatus};
use tessera_types::{
    Duration, Host, HostDefinition, Name, Pod, PodDefinition, Session, SessionPart,
};

use crate::exam::{Exam, book};
use crate::plane::{Plane, Run};

const LAB: &str = "pod/default/lab";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn phase(name: &str, status: &str, pipeline: &Value) -> Value {
    json!({"name": name, "engine": "pipeline", "trigger_on_status": status, "pipeline": pipeline})
}

/// A plane whose engine does what each step's name says: `fails-…`, `hangs-…`, or gives
/// more than anybody needs.
fn plane() -> Plane {
    let mut plane = Exam::default().plane();
    set_script(&mut plane);
    plane
}

fn set_script(plane: &mut Plane) {
    plane.engine.script = Box::new(|step, number| {
        let time = if step.starts_with("hangs") { 3600 } else { 2 };
        let ending = match step.starts_with("fails") {
            true => Err("no licence"),
            false => Ok(json!({"address": format!("{step}:{number}"), "secret": 7})),
        };
        (Duration::from_secs(time), ending)
    });
}

/// Declares a pod that starts in 60 s, with these phases.
fn pod(plane: &mut Plane, phases: &[Value]) {
    let workload = json!({"name": "vm", "spec": {"command": "vm"}});
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "fleet", "workloads": [workload],
        "lead_time": "50s", "teardown_buffer": "20s", "parameters": {"size": "small"},
        "lifecycle": {"phases": phases},
    }}));
    let timeslot = json!({"start": plane.at(60).to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
}

/// What a pod is left with whose teardown has one phase `bye`, of these steps.
fn torn_down(step: &str, is_required: bool) -> Plane {
    let mut plane = plane();
    let mut bye = phase("bye", "TearingDown", &json!({"steps": [{"name": step, "job": "bye@v1"}]}));
    bye["is_required"] = json!(is_required);
    bye["retry"] = json!({"attempts_max": 2, "backoff": {"initial": "1s"}});
    pod(&mut plane, &[bye]);
    plane.run(200);
    let path = "Scheduled Provisioning Ready Active TearingDown Terminated";
    assert_eq!(plane.path(LAB), path);
    plane
}

fn last_reason(plane: &Plane) -> String {
    plane.pod("lab").state_history.last().unwrap().reason.clone()
}

#[test]
fn a_required_phase_of_a_teardown_that_fails_is_left_behind_by_name() {
    let plane = torn_down("fails-bye", true);
    let pod = plane.pod("lab");
    let [left] = pod.observed.timed.leftovers.as_slice() else { panic!("{pod:#?}") };
    assert!(left.starts_with("phase/bye of pod/lab (failed: step fails-bye: job "), "{left}");
    assert!(left.ends_with(": no licence)"), "{left}");
    assert_eq!(last_reason(&plane), format!("not done: {left}; nothing of it is left"));
    // Where it is not required, it is for nobody to look at.
    let plane = torn_down("fails-bye", false);
    assert!(plane.pod("lab").observed.timed.leftovers.is_empty());
    assert_eq!(last_reason(&plane), "nothing of it is left");
    assert!(torn_down("bye", true).pod("lab").observed.timed.leftovers.is_empty());
}

#[test]
fn a_required_phase_of_a_teardown_that_is_cut_off_by_the_deadline_is_left_behind_by_name() {
    let plane = torn_down("hangs-bye", true);
    let left = &plane.pod("lab").observed.timed.leftovers;
    let cut = "phase/bye of pod/lab (cut off by its deadline, at step hangs-bye)";
    assert!(left.iter().any(|entry| entry == cut), "{left:?}");
    let left = &torn_down("hangs-bye", false).pod("lab").observed.timed.leftovers;
    assert!(!left.iter().any(|entry| entry.starts_with("phase/")), "{left:?}");
}

#[test]
fn what_was_never_provisioned_leaves_no_phase_behind() {
    let mut plane = plane();
    let steps = json!({"steps": [{"name": "fails-bye", "job": "bye@v1"}]});
    pod(&mut plane, &[phase("bye", "TearingDown", &steps)]);
    plane.run(1);
    plane.edit::<Pod>("lab", |edit| edit.desire(DesiredTimedStatus::TornDown));
    plane.run(1);
    assert_eq!(plane.path(LAB), "Scheduled TearingDown Terminated");
    assert!(plane.pod("lab").observed.timed.leftovers.is_empty());
}

/// What a part leaves behind, its own and of its pods, is what its session leaves behind.
#[test]
fn phases_of_teardowns_that_fail_are_told_of_parts_and_sessions() {
    let bye = |step: &str| {
        phase(step, "TearingDown", &json!({"steps": [{"name": step, "job": "bye@v1"}]}))
    };
    let exam = Exam {
        phases: vec![bye("fails-part")],
        pod_phases: vec![bye("fails-pod")],
        ..Exam::default()
    };
    let mut plane = exam.plane();
    set_script(&mut plane);
    book(&mut plane);
    plane.run(400);
    let heads = |left: &[String]| {
        let heads = left.iter().map(|entry| entry.split(" (").next().unwrap().to_owned());
        heads.collect::<Vec<_>>()
    };
    let part = plane.get::<SessionPart>("exam-one");
    let of_one =
        ["phase/fails-part of sessionpart/exam-one", "phase/fails-pod of pod/exam-one-lab"];
    assert_eq!(heads(&part.observed.timed.leftovers), of_one);
    let session = plane.get::<Session>("exam");
    let of_all = heads(&session.observed.timed.leftovers);
    assert_eq!((of_all.len(), &of_all[..2]), (4, &of_one.map(str::to_owned)[..]));
    let reason = &session.state_history.last().unwrap().reason;
    assert!(reason.starts_with("its parts are over, and not done: phase/fails-part"), "{reason}");
}

/// Such as one that a person has cancelled in the engine.
#[test]
fn a_job_that_fails_for_good_has_no_other_try() {
    let mut plane = plane();
    plane.engine.script =
        Box::new(|_, _| (Duration::from_secs(2), Err("for good: somebody cancelled it")));
    let steps = json!([{"name": "lab", "job": "lab@v1", "retry": {"attempts_max": 3}}]);
    let pipeline = json!({"extends": "standard-provision", "insert_after": {"bind-host": steps}});
    pod(&mut plane, &[phase("provision", "Provisioning", &pipeline)]);
    plane.run(50);
    let pod = plane.pod("lab");
    assert_eq!((pod.status, plane.engine.jobs.len()), (TimedStatus::Failed, 1));
    let failure = pod.observed.timed.failure.as_ref().unwrap();
    assert_eq!(failure.attempts, 1);
    assert!(failure.message.starts_with("step lab: job 0"), "{failure:?}");
    assert!(failure.message.ends_with(": for good: somebody cancelled it"), "{failure:?}");
}

/// A pod that is provisioned with these steps after it has a host; as it is at its start.
fn provisioned(steps: &Value) -> Plane {
    let mut plane = plane();
    let pipeline = json!({"extends": "standard-provision", "insert_after": {"bind-host": steps}});
    let mut provision = phase("provision", "Provisioning", &pipeline);
    provision["retry"] = json!({"attempts_max": 1, "timeout": "40s"});
    pod(&mut plane, &[provision]);
    plane.run(59);
    plane
}

fn progress(plane: &Plane) -> PipelineProgress {
    plane.pod("lab").observed.timed.pipeline_progress[&name("provision")].clone()
}

/// What the jobs of a step of the pod were given.
fn inputs(plane: &Plane, step: &str) -> Vec<Value> {
    let of = format!("{LAB} {step}");
    let jobs = plane.engine.jobs.values().filter(|job| job.of == of);
    jobs.map(|job| job.input.clone()).collect()
}

#[test]
fn only_what_outputs_say_is_kept_of_a_result_and_given_to_later_steps() {
    let plane = provisioned(&json!([
        {"name": "lab", "job": "lab@v1", "outputs": {"at": ".address"}},
        {"name": "net", "job": "net@v1", "with": {
            "at": "${ .outputs.lab.at }", "all": "${ .outputs.lab }",
            "size": "${ .inputs.size }", "host": "${ .instance.host }",
        }},
    ]));
    assert_eq!(plane.pod("lab").status, TimedStatus::Ready);
    assert_eq!(progress(&plane)[&name("lab")].output, json!({"at": "lab:1"}));
    let given = json!({"at": "lab:1", "all": {"at": "lab:1"}, "size": "small", "host": "fleet"});
    assert_eq!(inputs(&plane, "net"), [given]);
}

#[test]
fn a_result_without_what_outputs_say_fails_the_step() {
    let outputs = json!({"at": ".address | tonumber"});
    let plane = provisioned(&json!([{"name": "lab", "job": "lab@v1", "outputs": outputs}]));
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Failed);
    let failure = pod.observed.timed.failure.as_ref().unwrap();
    assert!(failure.message.starts_with("step lab: its result"), "{failure:?}");
}

#[test]
fn a_failure_is_the_pods_unless_the_step_says_that_it_goes_on() {
    let step = |on_failure: &str| {
        json!([
            {"name": "fails-lab", "job": "lab@v1", "on_failure": on_failure},
            {"name": "after", "job": "net@v1"},
        ])
    };
    let plane = provisioned(&step("continue"));
    assert_eq!(plane.pod("lab").status, TimedStatus::Ready);
    assert_eq!(progress(&plane)[&name("fails-lab")].state, StepState::Failed);
    assert_eq!(inputs(&plane, "after").len(), 1);

    let plane = provisioned(&step("abort"));
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Failed);
    let failure = pod.observed.timed.failure.as_ref().unwrap();
    assert!(failure.message.contains("step fails-lab: job "), "{failure:?}");
    assert!(failure.message.ends_with("no licence"), "{failure:?}");
    assert!(inputs(&plane, "after").is_empty());
    assert!(plane.started.is_empty(), "no workload is made");
}

#[test]
fn a_try_that_takes_too_long_is_cancelled_and_tried_again() {
    let backoff = json!({"initial": "1s"});
    let retry = json!({"attempts_max": 2, "timeout": "5s", "backoff": backoff});
    let plane = provisioned(&json!([{"name": "hangs-lab", "job": "lab@v1", "retry": retry}]));
    let pod = plane.pod("lab");
    assert_eq!(pod.status, TimedStatus::Failed);
    let failure = pod.observed.timed.failure.as_ref().unwrap();
    assert_eq!(failure.message, "step hangs-lab: it took longer than 5s");
    assert_eq!(plane.engine.jobs.len(), 2);
    assert!(plane.engine.jobs.values().all(|job| job.is_cancelled));
    // Two tries of 5 s and the pause, from the beginning of the provisioning.
    let took = plane.when(LAB, "Failed").since(plane.when(LAB, "Provisioning"));
    assert_eq!(took, Duration::from_secs(11));
}

#[test]
fn a_step_is_skipped_where_its_condition_holds() {
    let plane = provisioned(&json!([
        {"name": "small", "job": "lab@v1", "skip_when": ".inputs.size != \"small\""},
        {"name": "large", "job": "lab@v1", "skip_when": "${ .inputs.size != \"large\" }"},
    ]));
    assert_eq!(plane.pod("lab").status, TimedStatus::Ready);
    assert_eq!((inputs(&plane, "small").len(), inputs(&plane, "large").len()), (1, 0));
    assert_eq!(progress(&plane)[&name("large")].state, StepState::Skipped);
}

/// The ways of the pod's steps, as its history tells them: the text, and the way.
fn ways(plane: &Plane) -> Vec<(String, String)> {
    let of_pod = plane.history.iter().filter(|entry| entry.key == LAB).map(|entry| &entry.record);
    let ways = of_pod.filter_map(|record| {
        let way = record.metadata.get("step_state")?.clone();
        assert_eq!(record.metadata.contains_key("job_id"), record.reason.contains(": job 0"));
        let job = record.metadata.get("job_id").map_or("", |job| job.as_str());
        let text = record.reason.strip_prefix("phase provision: ").unwrap();
        Some((text.replace(&format!("job {job} "), "job "), way))
    });
    ways.collect()
}

#[test]
fn the_end_of_each_step_is_in_the_history_however_it_ends() {
    let retry = json!({"attempts_max": 1, "timeout": "5s"});
    let plane = provisioned(&json!([
        {"name": "none", "job": "lab@v1", "skip_when": ".inputs.size == \"small\""},
        {"name": "wrong", "job": "lab@v1", "with": {"x": "${ .inputs | error }"},
            "on_failure": "continue"},
        {"name": "hangs-lab", "job": "lab@v1", "retry": retry, "on_failure": "continue"},
    ]));
    let ways = ways(&plane);
    let ways: Vec<_> = ways.iter().map(|(text, way)| (text.as_str(), way.as_str())).collect();
    let [bind, none, wrong, suspended, hangs, rest @ ..] = ways.as_slice() else {
        panic!("{ways:#?}")
    };
    assert_eq!(*bind, ("step bind-host is completed", "Running → Completed"));
    assert_eq!(*none, ("step none is skipped: `skip_when` holds", "Skipped"));
    assert!(wrong.0.starts_with("step wrong has failed: `with` has no value"), "{wrong:?}");
    assert_eq!(wrong.1, "Running → Failed");
    assert_eq!(suspended.1, "Running → Suspended");
    let text = "job of step hangs-lab is not wanted any more: it took longer than 5s";
    assert_eq!(*hangs, (text, "Suspended → Failed"));
    let done = ["ports", "workloads", "healthy", "ready"]
        .map(|name| (format!("step {name} is completed"), "Running → Completed".to_owned()));
    let rest: Vec<_> = rest.iter().map(|(text, way)| (text.to_string(), way.to_string())).collect();
    assert_eq!(rest, done);
}

#[test]
fn what_another_failure_cancels_is_in_the_history() {
    let pipeline = json!({"steps": [
        {"name": "workloads", "handler": "create_workloads"},
        {"name": "fails-lab", "job": "lab@v1"},
        {"name": "beside", "handler": "wait_healthy", "needs": ["workloads"]},
    ]});
    let mut plane = plane();
    plane.script = Box::new(|_, _| Run::Hangs);
    let mut provision = phase("provision", "Provisioning", &pipeline);
    provision["retry"] = json!({"attempts_max": 1});
    pod(&mut plane, &[provision]);
    plane.run(20);
    assert_eq!(plane.pod("lab").status, TimedStatus::Failed);
    let cancelled = "step beside is cancelled: another step failed".to_owned();
    let ways = ways(&plane);
    let of_beside = ways.iter().filter(|(text, _)| text.starts_with("step beside"));
    let of_beside: Vec<_> = of_beside.collect();
    assert_eq!(of_beside, [&(cancelled, "Running → Cancelled".to_owned())], "{ways:#?}");
}

/// The steps of the built-in template are nobody's words.
#[test]
fn a_pod_without_a_declared_pipeline_has_no_steps_in_its_history() {
    let mut plane = plane();
    pod(&mut plane, &[]);
    plane.run(200);
    assert_eq!(plane.pod("lab").status, TimedStatus::Terminated);
    assert!(ways(&plane).is_empty(), "{:#?}", ways(&plane));
}

/// What was in the pod is saved while it is there; then it goes, and its host with it.
#[test]
fn a_pod_is_torn_down_by_the_pipeline_of_its_definition() {
    let mut plane = plane();
    let pipeline = json!({"extends": "standard-teardown", "insert_before": {"workloads": [
        {"name": "save", "job": "save@v1"},
        {"name": "fails-tell", "job": "tell@v1", "on_failure": "continue"},
    ]}});
    pod(&mut plane, &[phase("teardown", "TearingDown", &pipeline)]);
    plane.run(121);
    let lab = plane.pod("lab");
    assert_eq!(lab.status, TimedStatus::TearingDown);
    assert!(lab.waiting_for.as_ref().unwrap().message.contains("step save: job "), "{lab:#?}");
    let still = plane.find::<tessera_types::Workload>("lab-vm");
    assert!(still.is_some_and(|vm| vm.deletion_requested_at.is_none()));
    plane.run(15);
    let lab = plane.pod("lab");
    assert_eq!(lab.status, TimedStatus::Terminated);
    assert!(lab.observed.timed.leftovers.is_empty(), "{lab:#?}");
    let progress = &lab.observed.timed.pipeline_progress[&name("teardown")];
    assert_eq!(progress[&name("release")].output, json!({"host": "fleet"}));
    assert_eq!(progress[&name("archive")].output["outcome"], "completed");
}

#[test]
fn a_host_is_provisioned_and_torn_down_by_pipelines() {
    let mut plane = plane();
    let make = json!({"steps": [
        {"name": "boot", "job": "boot@v1", "with": {"host": "${ .instance.name }"}},
        {"name": "ready", "handler": "mark_ready", "needs": ["boot"]},
    ]});
    let end = json!({"steps": [
        {"name": "halt", "job": "halt@v1"},
        {"name": "record", "handler": "archive", "needs": ["halt"]},
    ]});
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server", "pod_types": ["cml_on_aws"],
        "lifecycle": {"phases": [
            phase("make", "Provisioning", &make), phase("end", "TearingDown", &end),
        ]},
    }}));
    let spec = json!({"definition": {"type_key": "server"}});
    plane.apply::<Host>(json!({"name": "server", "spec": spec}));
    plane.run(1);
    assert_eq!(plane.get::<Host>("server").status, TimedStatus::Provisioning);
    plane.run(2);
    let server = plane.get::<Host>("server");
    assert_eq!(server.status, TimedStatus::Active, "{server:#?}");
    let given: Vec<_> = plane.engine.jobs.values().map(|job| job.input.clone()).collect();
    assert_eq!(given, [json!({"host": "server"})]);
    plane.delete::<Host>("server");
    plane.run(1);
    assert_eq!(plane.get::<Host>("server").status, TimedStatus::TearingDown);
    plane.run(10);
    assert!(plane.find::<Host>("server").is_none());
    assert_eq!(plane.engine.jobs.len(), 2);
}

#[test]
fn a_part_has_pipelines_of_its_own() {
    let greet = json!({"steps": [
        {"name": "greet", "job": "greet@v1", "with": {"part": "${ .instance.name }"}},
        {"name": "record", "handler": "archive", "needs": ["greet"]},
    ]});
    let exam = Exam { phases: vec![phase("greet", "Active", &greet)], ..Exam::default() };
    let mut plane = exam.plane();
    set_script(&mut plane);
    let start = book(&mut plane);
    plane.run_until(start.plus(Duration::from_secs(5)));
    let part = plane.get::<SessionPart>("exam-one");
    let progress = &part.observed.timed.pipeline_progress[&name("greet")];
    assert_eq!(progress[&name("greet")].state, StepState::Completed);
    assert_eq!(progress[&name("record")].output["started_at"], json!(start.to_string()));
    let given: Vec<_> = plane.engine.jobs.values().map(|job| job.input.clone()).collect();
    assert_eq!(given, [json!({"part": "exam-one"})]);
}

/// Each pipeline that begins counts for the tier that its steps come from.
#[test]
fn it_is_counted_which_tier_the_steps_of_pipelines_come_from() {
    let mut plane = plane();
    let own = json!({"steps": [{"name": "greet", "job": "greet@v1"}]});
    pod(&mut plane, &[phase("greet", "Active", &own)]);
    plane.run(70);
    let hits: Vec<_> = plane.world.pipelines().hits().collect();
    let of = |tier| hits.iter().find(|(one, _)| *one == tier).unwrap().1;
    assert_eq!((of(Tier::Standard), of(Tier::Inline)), (1, 1), "{hits:?}");
    assert_eq!((of(Tier::Content), of(Tier::Extends)), (0, 0), "{hits:?}");
}
