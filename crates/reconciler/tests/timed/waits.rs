//! What a pod says of the jobs that it waits for: until when, and what ends before that.

use serde_json::json;
use tessera_types::timed::TimedStatus;
use tessera_types::{Duration, Pod, PodDefinition, Timestamp, WaitingFor};

use crate::exam::Exam;
use crate::plane::Plane;

/// A pod that starts in 60 s, 50 s of which are for its provisioning, and ends 60 s later. Its
/// only step has a job that does not end.
fn plane(status: &str, step_timeout: &str, phase_timeout: &str) -> (Plane, Timestamp) {
    let mut plane = Exam::default().plane();
    plane.engine.script = Box::new(|_, _| (Duration::from_secs(3600), Ok(json!({}))));
    let retry = json!({"attempts_max": 1, "timeout": step_timeout});
    let step = json!({"name": "lab", "job": "lab@v1", "retry": retry});
    let phase = json!({
        "name": "prepare", "engine": "pipeline", "trigger_on_status": status,
        "retry": {"attempts_max": 1, "timeout": phase_timeout}, "pipeline": {"steps": [step]},
    });
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "fleet",
        "workloads": [{"name": "vm", "spec": {"command": "vm"}}],
        "lead_time": "50s", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    let start = plane.at(60);
    let timeslot = json!({"start": start.to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": "lab", "spec": spec}));
    (plane, start)
}

/// What it waits for, without the job's id; and when its step began.
fn said(plane: &Plane) -> (String, WaitingFor, Timestamp) {
    let pod = plane.pod("lab");
    let progress = pod.observed.timed.pipeline_progress.values();
    let step = progress.flat_map(|steps| steps.values()).find(|step| step.job_id.is_some());
    let step = step.unwrap_or_else(|| panic!("{pod:#?}"));
    let waiting = pod.waiting_for.clone().unwrap();
    let text = waiting.message.replace(step.job_id.as_ref().unwrap(), "ID");
    (text, waiting, step.since)
}

#[test]
fn a_wait_for_a_job_ends_with_its_step() {
    let (mut plane, start) = plane("Provisioning", "30s", "15m");
    plane.run_until(start.minus(Duration::from_secs(30)));
    let (text, waiting, since) = said(&plane);
    assert_eq!(text, "phase prepare: step lab: job ID");
    assert_eq!(waiting.until, Some(since.plus(Duration::from_secs(30))));
    plane.run_until(since.plus(Duration::from_secs(31)));
    assert_eq!(plane.pod("lab").status, TimedStatus::Failed);
}

#[test]
fn what_ends_before_a_step_is_named_with_its_time() {
    let says = |status: &str, phase_timeout: &str, after_start: u64| {
        let (mut plane, start) = plane(status, "10m", phase_timeout);
        plane.run_until(start.plus(Duration::from_secs(after_start)));
        let (text, waiting, _) = said(&plane);
        let until = waiting.until.unwrap();
        let ends = text.strip_prefix("phase prepare: step lab: job ID; ").unwrap().to_owned();
        let words = ends.strip_suffix(&format!(" first, at {}", until.second_after())).unwrap();
        (words.to_owned(), until.since(start).as_millis() / 1000)
    };
    let window = ("its window ends".to_owned(), 60);
    assert_eq!(says("Provisioning", "15m", 10), window);
    assert_eq!(says("Active", "15m", 10), window);
    let teardown = ("the time for its teardown ends".to_owned(), 80);
    assert_eq!(says("TearingDown", "15m", 65), teardown);
    let (words, _) = says("Provisioning", "100s", 10);
    assert_eq!(words, "the time for this try of the phase ends");
}
