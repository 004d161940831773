//! Ends that nobody wished for: what they mean for the step, and what is said of them.

use serde_json::{Value, json};
use tessera_client::call;
use tessera_e2e::{Fleet, definition, room};
use tessera_types::Pod;
use tessera_types::timed::TimedStatus;

use super::outside::{Engine, stranger};
use super::{Stage, step};

/// A fleet with a node and a definition `lab` of pods that have this phase.
async fn with_phase(engine: &str, phase: &Value) -> Fleet {
    let mut fleet = Fleet::with_arguments("15s", &["--engine", engine]).await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(10)).await;
    fleet.room_is_ready().await;
    let spec = json!({
        "pod_type": "fleet", "workloads": [fleet.actor("vm", "")], "teardown_buffer": "5m",
        "lifecycle": {"phases": [phase]},
    });
    fleet.declare(&[definition("PodDefinition", "lab", spec)]).await;
    let timeslot = json!({"start_in": "1s", "duration": "5m"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    fleet.declare(&[json!({"kind": "Pod", "name": "p", "spec": spec})]).await;
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_person_cancels_in_the_engine_is_not_begun_again() {
    let stage = Stage::with_retry(3600, &[], &json!({"attempts_max": 3})).await;
    stage.declare_pod().await;
    let pod = stage.until_suspended().await;
    let id = step(&pod, "lab").unwrap().job_id.clone().unwrap().parse().unwrap();
    let api = tessera_client::Engine::new(&stage.engine.gate.url()).unwrap();
    call(api.job_cancel(&id)).await.unwrap();
    let pod = stage.fleet.reaches::<Pod>("p", TimedStatus::Failed).await;
    let message = &pod.observed.timed.failure.as_ref().unwrap().message;
    assert!(message.ends_with("somebody cancelled it in the engine"), "{message}");
    assert_eq!(stage.engine.jobs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_in_place_of_the_engine_is_said_to_be_none() {
    let other = stranger().await;
    let insert = json!({"ready": [{"name": "lab", "job": "echo@v1"}]});
    let phase = json!({"name": "provision", "engine": "pipeline",
        "trigger_on_status": "Provisioning",
        "pipeline": {"extends": "standard-provision", "insert_before": insert}});
    let fleet = with_phase(&other, &phase).await;
    let words = format!("what answers at {other} is not an engine");
    let says = |pod: &tessera_types::Object<Pod>| {
        let waiting = pod.waiting_for.as_ref();
        waiting.is_some_and(|waiting| waiting.message.contains(&words))
    };
    fleet.await_::<Pod>("p", "says what answers", says).await;
}

/// The document refuses its input, so that there is one try; and the phase is required.
#[tokio::test(flavor = "multi_thread")]
async fn who_deletes_a_pod_is_told_what_its_teardown_did_not_do() {
    let engine = Engine::start().await;
    let bye = json!({"name": "tell", "job": "pause@v1", "with": {"seconds": "many"}});
    let phase = json!({"name": "bye", "engine": "pipeline", "trigger_on_status": "TearingDown",
        "pipeline": {"steps": [bye]}});
    let fleet = with_phase(&engine.gate.url(), &phase).await;
    fleet.reaches::<Pod>("p", TimedStatus::Active).await;
    let ended = fleet.ctl(&["delete", "pod", "p", "--wait"]).expect(0);
    let words = "pod/default/p is gone, and what it leaves behind is: phase/bye of pod/p (failed: ";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(engine.jobs().await.len(), 1, "another try would come to the same");
}

/// What was wrong was the definition, and a pod keeps the one that it was made from.
#[tokio::test(flavor = "multi_thread")]
async fn who_retries_what_was_made_from_an_older_version_is_told() {
    let engine = Engine::start().await;
    let phase = |seconds: Value| {
        let lab = json!({"name": "lab", "job": "pause@v1", "with": {"seconds": seconds}});
        json!({"name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
            "pipeline": {"extends": "standard-provision", "insert_before": {"ready": [lab]}}})
    };
    let fleet = with_phase(&engine.gate.url(), &phase(json!("many"))).await;
    fleet.reaches::<Pod>("p", TimedStatus::Failed).await;
    let note = "was made from poddefinition/lab 1.0.0, and the catalogue has 1.0.1: delete it";
    let mut mended = definition(
        "PodDefinition",
        "lab",
        json!({"pod_type": "fleet", "workloads": [fleet.actor("vm", "")],
            "teardown_buffer": "5m", "lifecycle": {"phases": [phase(json!(0))]}}),
    );
    mended["spec"]["version"] = json!("1.0.1");
    fleet.declare(&[mended]).await;
    let retried = fleet.ctl(&["retry", "pod", "p"]).expect(0);
    assert!(retried.stderr.contains(note), "{}", retried.stderr);
    let seconds = |what: &str| {
        let shown = fleet.ctl(&["pipeline", "show", what, "provision", "-o", "json"]).expect(0);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let steps = shown["steps"].as_array().unwrap().clone();
        let lab = steps.into_iter().find(|step| step["name"] == "lab").unwrap();
        lab["with"]["seconds"].clone()
    };
    assert_eq!((seconds("pod/p"), seconds("lab")), (json!("many"), json!(0)));
}

/// Everything that is reconciled waits for an expression of a pipeline.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_would_go_on_for_ever_fails_its_pod_and_nothing_else() {
    let engine = Engine::start().await;
    for hostile in [
        "(null | setpath([range(50000) | \"a\"]; 1)) == 1",
        "((\"a\" * 3000000) | index((\"a\" * 1500000) + \"b\")) == 1",
        "(\"a\" * 262000) | test(\"[ab]*a[ab]{5000}c\")",
    ] {
        let phase = json!({"name": "provision", "engine": "pipeline",
            "trigger_on_status": "Provisioning",
            "retry": {"attempts_max": 1},
            "pipeline": {"extends": "standard-provision",
                "overrides": {"ready": {"skip_when": format!("${{ {hostile} }}")}}}});
        let fleet = with_phase(&engine.gate.url(), &phase).await;
        let pod = fleet.reaches::<Pod>("p", TimedStatus::Failed).await;
        let message = &pod.observed.timed.failure.as_ref().unwrap().message;
        assert!(message.contains("skip_when"), "{hostile}: {message}");
        fleet.ctl(&["get", "nodes"]).expect(0);
    }
}
