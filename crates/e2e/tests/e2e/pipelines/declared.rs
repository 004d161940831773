//! Where the steps of a pipeline come from, and events of types that nobody knows.

use reqwest::Method;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, room};
use tessera_types::timed::{StepProgress, StepState, TimedStatus};
use tessera_types::{Name, Pod};

use super::{Stage, step};

/// The value of a counter or gauge.
async fn metric(fleet: &Fleet, name: &str) -> u64 {
    let (_, metrics) = fleet.send(Method::GET, "/metrics", &[], String::new()).await;
    let Value::String(metrics) = metrics else { panic!("{metrics}") };
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_default()
}

/// There is no content yet, so either policy comes to what the definition says: whole, or
/// as changes of a template.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_says_the_steps_by_either_policy() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(10)).await;
    fleet.room_is_ready().await;
    let record = json!({"name": "record", "handler": "archive"});
    let merged = json!({"extends": "standard-provision", "remove": ["ready"],
        "insert_after": {"ports": [record]}});
    let replaced = json!({"steps": [
        {"name": "make", "handler": "create_workloads"},
        {"name": "up", "handler": "wait_healthy", "needs": ["make"]},
    ]});
    let of_template = ["bind-host", "ports", "record", "workloads", "healthy"];
    let cases = [
        ("merge", merged.clone(), "extends", &of_template[..]),
        ("merge", replaced.clone(), "inline", &["make", "up"][..]),
        ("replace", merged, "extends", &of_template[..]),
        ("replace", replaced, "inline", &["make", "up"][..]),
    ];
    for (number, (policy, pipeline, tier, steps)) in cases.into_iter().enumerate() {
        let name = format!("{policy}-{number}");
        let phase = json!({"name": "provision", "engine": "pipeline",
            "trigger_on_status": "Provisioning", "pipeline": pipeline});
        let spec = json!({"pod_type": "fleet", "workloads": [fleet.actor("vm", "")],
            "lifecycle": {"phases": [phase]}, "lifecycle_overrides_policy": policy});
        fleet.declare(&[definition("PodDefinition", &name, spec)]).await;

        let shown = fleet.ctl(&["pipeline", "show", &name, "provision", "-o", "json"]);
        assert_eq!(shown.code, 0, "{shown:?}");
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(shown["tier"], tier, "{shown:#}");
        let names: Vec<_> =
            shown["steps"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, steps, "{name}");

        let hits = format!("tessera_pipeline_tier_hits{{tier=\"{tier}\"}}");
        let before = metric(&fleet, &hits).await;
        let timeslot = json!({"start_in": "1s", "duration": "5m"});
        let spec = json!({"definition": {"type_key": name}, "timeslot": timeslot});
        fleet.declare(&[json!({"kind": "Pod", "name": name, "spec": spec})]).await;
        let pod = fleet.reaches::<Pod>(&name, TimedStatus::Active).await;
        let progress = pod.observed.timed.pipeline_progress.values().next().unwrap();
        let mut ran: Vec<_> = progress.keys().map(Name::as_str).collect();
        ran.sort_by_key(|step| steps.iter().position(|one| one == step));
        assert_eq!(ran, steps, "{name}");
        assert!(progress.values().all(|step| step.state == StepState::Completed), "{progress:#?}");
        assert_eq!(metric(&fleet, &hits).await, before + 1, "{name}");
    }
}

/// What a step is and who it waits for; how far its job is comes and goes.
fn identity(step: &StepProgress) -> impl PartialEq + std::fmt::Debug {
    (step.state, step.attempt, step.since, step.job_id.clone(), step.correlation_id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_about_a_job_of_an_unknown_type_is_counted_and_changes_nothing() {
    let stage = Stage::new(3600, &[]).await;
    stage.declare_pod().await;
    let before = stage.until_suspended().await;
    let job = stage.engine.jobs().await.remove(0);
    let unmatched = "tessera_events_total{outcome=\"unmatched\"}";
    let counted = metric(&stage.fleet, unmatched).await;
    let send = async |id: &str, data: Value| {
        let event = json!({"specversion": "1.0", "id": id, "source": "scenario-engine",
            "type": "scenario_engine.job.paused.v1", "data": data});
        let kind = [("content-type", "application/cloudevents+json")];
        stage.fleet.send(Method::POST, "/v1/events", &kind, event.to_string()).await
    };
    // It could be about this job; and it could be anything.
    let about = json!({"job_id": job.head.id, "sequence": 99, "scenario": "lab_start@v1",
        "status": "Paused", "attempt": 1, "progress": {}, "metadata": job.metadata});
    for (id, data) in [("1", about), ("2", json!(["nothing that is known"]))] {
        let (status, answer) = send(id, data).await;
        assert!((200..300).contains(&status), "{status} {answer}");
        assert_eq!(answer["events"][0]["outcome"], "unmatched", "{answer}");
        assert_eq!(answer["events"][0]["resource"], Value::Null, "{answer}");
    }
    assert_eq!(metric(&stage.fleet, unmatched).await, counted + 2);
    let pod = stage.fleet.see::<Pod>("p").await;
    let steps = [&before, &pod].map(|pod| identity(step(pod, "lab").unwrap()));
    assert_eq!(steps[0], steps[1]);
    assert_eq!(step(&pod, "lab").unwrap().state, StepState::Suspended);
    assert_eq!(stage.way_of_lab().await, ["Running → Suspended"]);
    assert_eq!(stage.engine.jobs().await.len(), 1, "and its job goes on");
}
