//! What is lost on the way between the control plane and the engine: answers, submissions
//! that arrive when nobody wants them any more, the engine itself.

use reqwest::Method;
use serde_json::{Value, json};
use tessera_types::engine::JobStatus;
use tessera_types::timed::{StepState, TimedStatus};
use tessera_types::{Object, Pod};

use super::{Stage, step};

fn waits_for(pod: &Object<Pod>, words: &str) -> bool {
    pod.waiting_for.as_ref().is_some_and(|waiting| waiting.message.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_may_die_before_it_knows_that_its_job_was_taken() {
    let mut stage = Stage::new(1, &["--engine-callback", "http://127.0.0.1:9/"]).await;
    // Each submission arrives, and no answer comes back.
    stage.engine.gate.break_after(Some(0));
    stage.declare_pod().await;
    let is_taken = || stage.labs.calls().values().next().copied();
    stage.fleet.eventually("the job runs", async || is_taken()).await;
    stage.fleet.kill_control();
    stage.engine.gate.break_after(None);
    let jobs = stage.engine.jobs().await;
    assert_eq!(jobs.len(), 1, "{jobs:#?}");
    stage.fleet.start_control().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_comes_too_late_runs_for_nobody() {
    let retry = json!({"attempts_max": 1, "timeout": "2s"});
    let stage = Stage::with_retry(3600, &[], &retry).await;
    // Submissions stay on the way, and arrive when their step is long over.
    stage.engine.gate.cut();
    stage.declare_pod().await;
    stage.fleet.reaches::<Pod>("p", TimedStatus::Failed).await;
    stage.engine.gate.mend();
    let is_left = |pod: &Object<Pod>| pod.observed.timed.unwanted_jobs.is_empty();
    stage.fleet.await_::<Pod>("p", "its job is not wanted by anybody", is_left).await;
    let all_are_over = async || {
        let jobs = stage.engine.jobs().await;
        let are_over = jobs.iter().all(|job| job.head.status == JobStatus::Cancelled);
        (!jobs.is_empty() && are_over).then_some(())
    };
    stage.fleet.eventually("the end of its jobs", all_are_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_does_not_answer_is_named_in_what_waits_for_it() {
    let mut stage = Stage::new(5, &["--engine-check-every", "500ms"]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    stage.engine.kill();
    let away = format!("; the engine at {} has not answered since ", stage.engine.gate.url());
    let is_said = |pod: &Object<Pod>| waits_for(pod, &away);
    stage.fleet.await_::<Pod>("p", "says that the engine is away", is_said).await;
    stage.engine.again().await;
    stage.went_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_says_what_its_job_waits_for_and_how_old_that_is() {
    let retry = json!({"attempts_max": 1, "timeout": "10m"});
    let mut stage = Stage::with_retry(3600, &["--engine-check-every", "500ms"], &retry).await;
    stage.declare_pod().await;
    let is_told = |pod: &Object<Pod>| waits_for(pod, ", waiting for the time ");
    let pod = stage.fleet.await_::<Pod>("p", "says what its job waits for", is_told).await;
    assert!(!waits_for(&pod, " as of "), "the engine answers: {:?}", pod.waiting_for);
    assert!(waits_for(&pod, "; its window ends first, at "), "{:?}", pod.waiting_for);
    let end = pod.observed.timed.timeslot.unwrap().end;
    assert_eq!(pod.waiting_for.unwrap().until, Some(end));
    stage.engine.kill();
    let is_old = |pod: &Object<Pod>| {
        is_told(pod) && waits_for(pod, " as of ") && waits_for(pod, " has not answered since ")
    };
    stage.fleet.await_::<Pod>("p", "says how old that is", is_old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_goes_on_where_nothing_new_may_begin() {
    let mut stage = Stage::new(4, &[]).await;
    stage.declare_pod().await;
    stage.until_suspended().await;
    stage.fleet.kill_control();
    stage.fleet.add_argument("--no-engine");
    stage.fleet.start_control().await;
    let spec = json!({"definition": {"type_key": "lab"},
        "timeslot": {"start_in": "1s", "duration": "5m"}});
    stage.fleet.declare(&[json!({"kind": "Pod", "name": "q", "spec": spec})]).await;
    stage.went_on().await;
    let is_held = |pod: &Object<Pod>| waits_for(pod, "--no-engine");
    stage.fleet.await_::<Pod>("q", "does not begin", is_held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_engine_says_what_became_of_a_job() {
    let stage = Stage::new(3, &["--event-source", "https://lms*"]).await;
    stage.declare_pod().await;
    let pod = stage.until_suspended().await;
    let suspended = step(&pod, "lab").unwrap().clone();
    let metadata = stage.engine.jobs().await[0].metadata.clone();
    let event = |source: &str, job_id: &str| {
        json!({
            "specversion": "1.0", "id": "forged", "source": source,
            "type": "scenario_engine.job.completed.v1",
            "data": {"job_id": job_id, "sequence": 9, "scenario": "lab_start@v1",
                "status": "Completed", "attempt": 1, "output": {"host": "forged"},
                "progress": {"done": 3, "known": 3}, "metadata": metadata},
        })
    };
    let send = async |event: Value| {
        let kind = [("content-type", "application/cloudevents+json")];
        stage.fleet.send(Method::POST, "/v1/events", &kind, event.to_string()).await
    };
    let id = suspended.job_id.clone().unwrap();
    let (status, answer) = send(event("https://lms.example", &id)).await;
    assert_eq!((status, answer["code"].as_str()), (403, Some("source_not_allowed")), "{answer}");
    let (status, answer) = send(event("scenario-engine", &"0".repeat(32))).await;
    assert_eq!((status, answer["events"][0]["outcome"].as_str()), (202, Some("unmatched")));
    let pod = stage.fleet.see::<Pod>("p").await;
    assert_eq!(step(&pod, "lab").unwrap().state, StepState::Suspended);
    stage.went_on().await;
}
