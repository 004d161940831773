//! Events about jobs on their way out, and events for jobs that listen.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tessera_client::call;
use tessera_types::engine::{JobEventKind, JobStatus, Replay};

use crate::receiver::{Answer, Asked, Receiver};
use crate::stage::{Running, Stage, until};

/// Gives the engine an event; says to how many jobs it was news.
pub(crate) async fn post(engine: &Running, event: &Value) -> u64 {
    let taken = send(engine, "application/cloudevents+json", event).await;
    taken.unwrap()["events"][0]["jobs"].as_u64().unwrap()
}

pub(crate) async fn send(
    engine: &Running,
    content_type: &str,
    body: &Value,
) -> Result<Value, tessera_workflow::machine::Error> {
    let outside = tessera_effects::Performer::new(tessera_effects::Settings::default()).unwrap();
    let request = tessera_workflow::machine::HttpRequest {
        method: "POST".into(),
        uri: format!("{}/api/v1/events", engine.url).into(),
        headers: vec![("content-type".into(), content_type.into())],
        query: Vec::new(),
        body: Some(tessera_workflow::value::from_json(body.clone())),
        authorization: None,
        output: tessera_workflow::definition::OutputFormat::Content,
        redirect: false,
    };
    let effect = tessera_workflow::machine::Effect {
        id: tessera_workflow::machine::StepId(0),
        task: "".into(),
        idempotency_key: "test".into(),
        action: tessera_workflow::machine::Action::Http(request),
    };
    outside.perform(&effect, tokio_util::sync::CancellationToken::new()).await
}

fn kinds(asked: &[Asked]) -> Vec<JobEventKind> {
    let kind = |it: &Asked| JobEventKind::of_type(it.body["type"].as_str().unwrap()).unwrap();
    asked.iter().map(kind).collect()
}

#[tokio::test]
async fn a_submitter_is_told_with_its_metadata_in_order() {
    let stage = Stage::new(&[]);
    let (engine, outside) = (stage.start(), Receiver::open());
    let submission = json!({
        "scenario": "echo@v1", "input": {"a": 1}, "callback_url": outside.url("/events"),
        "metadata": {"session": "s", "step": 3}, "pod_definition_id": "p1",
    });
    let job = engine.submit(submission).await;
    until("both events", async || outside.asked().len() == 2).await;
    let asked = outside.asked();
    assert_eq!(kinds(&asked), [JobEventKind::Started, JobEventKind::Completed]);
    let last = &asked[1].body;
    assert_eq!(last["data"]["metadata"], json!({"session": "s", "step": 3}));
    assert_eq!(last["data"]["output"], json!({"a": 1}));
    assert_eq!(last["data"]["pod_definition_id"], "p1");
    assert_eq!((&last["source"], &last["specversion"]), (&json!("scenario-engine"), &json!("1.0")));
    assert_eq!(last["subject"], job.head.id.as_str());
    assert_ne!(last["id"], asked[0].body["id"]);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_in_order_once_it_is_up() {
    let stage = Stage::new(&[]);
    let engine = stage.start();
    // A port that was free a moment ago.
    let address = Receiver::open().address;
    let submission = json!({
        "scenario": "echo@v1", "callback_url": format!("http://{address}/events"),
    });
    let job = engine.submit(submission).await;
    engine.until_over(&job.head.id).await;
    engine.kill();
    let engine = stage.start();
    let outside = Receiver::at(address);
    outside.decide(|asked| match asked.body["data"]["sequence"].as_u64() {
        Some(1) => Answer::Status(200),
        _ => Answer::Status(503),
    });
    until("three tries", async || outside.asked().len() >= 4).await;
    outside.decide(|_| Answer::Status(200));
    until("the end", async || call(engine.api.healthz()).await.unwrap().events_pending == 0).await;
    let ids: Vec<_> = outside.asked().iter().map(|it| it.body["id"].clone()).collect();
    assert_eq!(ids.iter().filter(|id| **id == ids[0]).count(), 1);
    assert!(ids[1..].iter().all(|id| *id == ids[1]), "the same event has the same id");
}

#[tokio::test]
async fn receivers_that_never_answer_do_not_delay_another() {
    let stage = Stage::new(&[]);
    let (engine, outside) = (stage.start(), Receiver::open());
    let silent: Vec<_> = (0..3).map(|_| Receiver::open()).collect();
    for receiver in &silent {
        receiver.decide(|_| Answer::Hold);
        for _ in 0..150 {
            let url = receiver.url("/events");
            engine.submit(json!({"scenario": "echo@v1", "callback_url": url})).await;
        }
    }
    let submission = json!({"scenario": "echo@v1", "callback_url": outside.url("/events")});
    engine.submit(submission).await;
    until("both events", async || outside.asked().len() == 2).await;
}

#[tokio::test]
async fn what_nobody_takes_is_a_dead_letter_that_can_be_sent_again() {
    let stage = Stage::new(&["--event-attempts", "3"]);
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|asked| match asked.body["data"]["sequence"].as_u64() {
        Some(1) => Answer::Status(500),
        _ => Answer::Status(400),
    });
    let submission = json!({"scenario": "echo@v1", "callback_url": outside.url("/events")});
    let job = engine.submit(submission).await;
    let dead = async |engine: &Running| {
        call(engine.api.dead_letter_list(Some(&job.head.id), None)).await.unwrap()
    };
    until("both are given up", async || dead(&engine).await.total == 2).await;
    let letters = dead(&engine).await.items;
    assert_eq!(letters[0].attempts, 3);
    assert!(letters[0].reason.as_deref().unwrap().contains("500"), "{letters:?}");
    assert_eq!(outside.asked().len(), 6);
    engine.kill();
    let engine = stage.start();
    assert_eq!(dead(&engine).await.total, 2);
    outside.decide(|_| Answer::Status(204));
    let only_first = Replay { job: Some(job.head.id.clone()), sequence: Some(1) };
    assert_eq!(call(engine.api.dead_letter_replay(&only_first)).await.unwrap().replayed, 1);
    until("the first", async || outside.asked().len() == 7).await;
    assert_eq!(call(engine.api.dead_letter_replay(&Replay::default())).await.unwrap().replayed, 1);
    until("the second", async || outside.asked().len() == 8).await;
    assert_eq!(outside.asked()[6].body["id"], letters[0].event["id"]);
    assert_eq!(dead(&engine).await.total, 0);
}

#[tokio::test]
async fn a_job_that_listens_gets_an_event_once_whatever_is_killed() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "hear",
        "do: [{ hear: { listen: { to: { all: [{ with: { type: first } }, { with: { type: second } }] } } } }]\n",
    );
    let engine = stage.start();
    let job = engine.submit(json!({"scenario": "hear@v1"})).await;
    engine.until_job(&job.head.id, |job| job.head.waiting_for.is_some()).await;
    let event = |kind: &str| json!({"specversion": "1.0", "id": kind, "source": "test", "type": kind, "data": {"k": kind}});
    assert_eq!(post(&engine, &event("second")).await, 1);
    assert_eq!(post(&engine, &event("second")).await, 0);
    engine.kill();
    let engine = stage.start();
    engine.until_job(&job.head.id, |job| job.head.waiting_for.is_some()).await;
    assert_eq!(post(&engine, &event("second")).await, 0);
    assert_eq!(post(&engine, &event("first")).await, 1);
    let job = engine.until_over(&job.head.id).await;
    assert_eq!(job.head.status, JobStatus::Completed);
    assert_eq!(job.output.unwrap().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_is_given_in_its_order() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "hear",
        "do: [{ a: { listen: { to: { any: [{ with: { type: say } }], until: { one: { with: { type: end } } } } } } }]\n",
    );
    let engine = stage.start();
    let job = engine.submit(json!({"scenario": "hear@v1"})).await;
    engine.until_job(&job.head.id, |job| job.head.waiting_for.is_some()).await;
    let event = |n: usize, kind: &str| json!({"specversion": "1.0", "id": n.to_string(), "source": "test", "type": kind, "data": n});
    let mut batch: Vec<_> = (0..600).map(|n| event(n, "say")).collect();
    batch.push(event(600, "end"));
    let taken = send(&engine, "application/cloudevents-batch+json", &json!(batch)).await.unwrap();
    assert!(taken["events"].as_array().unwrap().iter().all(|it| it["jobs"] == 1));
    let heard = engine.until_over(&job.head.id).await.output.unwrap();
    assert_eq!(heard, json!((0..600).collect::<Vec<_>>()));
    let refused = send(&engine, "application/json", &event(0, "say")).await.unwrap_err();
    assert!(refused.detail.unwrap().contains("application/cloudevents+json"));
}

#[tokio::test]
async fn what_a_job_emits_reaches_another_that_listens() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "hear",
        "do: [{ hear: { listen: { to: { one: { with: { type: said } } } } } }]\n",
    );
    stage.scenario(
        "say",
        "do: [{ say: { emit: { event: { with: { source: 'https://test', type: said, data: { a: 1 } } } } } }]\n",
    );
    let engine = stage.start();
    let hears = engine.submit(json!({"scenario": "hear@v1"})).await;
    engine.until_job(&hears.head.id, |job| job.head.waiting_for.is_some()).await;
    assert_eq!(engine.run("say@v1", json!({})).await.head.status, JobStatus::Completed);
    let heard = engine.until_over(&hears.head.id).await;
    assert_eq!(heard.output, Some(json!([{"a": 1}])));
}

#[tokio::test]
async fn an_event_that_comes_before_a_job_has_its_turn_is_kept_whatever_is_killed() {
    let stage = Stage::new(&["--jobs-max", "1"]);
    stage.scenario(
        "call",
        "do: [{ a: { call: http, with: { method: get, endpoint: { uri: '${ .url }' } } } }]\n",
    );
    stage.scenario(
        "hear",
        "do: [{ hear: { listen: { to: { all: [{ with: { type: first } }, { with: { type: second } }] } } } }]\n",
    );
    let outside = Receiver::open();
    outside.decide(|_| Answer::Hold);
    let engine = stage.start();
    engine.submit(json!({"scenario": "call@v1", "input": {"url": outside.url("/")}})).await;
    until("the call", async || outside.asked().len() == 1).await;
    let waits = engine.submit(json!({"scenario": "hear@v1"})).await;
    let again = engine.submit(json!({"scenario": "hear@v1"})).await;
    let event = |kind: &str| json!({"specversion": "1.0", "id": kind, "source": "test", "type": kind, "data": kind});
    assert_eq!(post(&engine, &event("second")).await, 2);
    assert_eq!(post(&engine, &event("second")).await, 0, "it is known");
    assert_eq!(post(&engine, &event("other")).await, 0, "no task can want it");
    // Another attempt is another run, which has heard nothing.
    call(engine.api.job_cancel(&again.head.id)).await.unwrap();
    call(engine.api.job_retry(&again.head.id)).await.unwrap();
    assert_eq!(post(&engine, &event("second")).await, 1);
    engine.kill();
    let engine = stage.start();
    assert_eq!(engine.get(&waits.head.id).await.head.status, JobStatus::Submitted);
    assert_eq!(post(&engine, &event("second")).await, 0, "it is known after a restart");
    assert_eq!(post(&engine, &event("first")).await, 2);
    outside.decide(|_| Answer::Status(200));
    for job in [&waits, &again] {
        let heard = engine.until_over(&job.head.id).await;
        assert_eq!(heard.output, Some(json!(["second", "first"])));
    }
}

#[tokio::test]
async fn a_secret_in_an_event_is_not_stored_for_a_job_that_waits_for_its_turn() {
    let stage = Stage::new(&["--jobs-max", "1"]);
    let (call, hear) = (
        "do: [{ a: { call: http, with: { method: get, endpoint: { uri: '${ .url }' } } } }]\n",
        "do: [{ hear: { listen: { to: { one: { with: { type: said } } } } } }]\n",
    );
    stage.scenario("call", call);
    stage.scenario("hear", &format!("use: {{ secrets: [token, open, missing] }}\n{hear}"));
    let secrets = ["tr0ub4dor-and-3", "read-by-all"];
    for (name, (text, mode)) in ["token", "open"].iter().zip(secrets.iter().zip([0o600, 0o644])) {
        let path = stage.path("secrets").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let outside = Receiver::open();
    outside.decide(|_| Answer::Hold);
    let engine = stage.start();
    engine.submit(json!({"scenario": "call@v1", "input": {"url": outside.url("/")}})).await;
    until("the call", async || outside.asked().len() == 1).await;
    let waits = engine.submit(json!({"scenario": "hear@v1"})).await;
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "test", "type": "said",
        "data": {"it": format!("<{}>", secrets[0]), "open": secrets[1], "other": "shown"},
    });
    assert_eq!(post(&engine, &event).await, 1);
    engine.kill();
    for file in fs::read_dir(stage.path("state")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
        assert!(!secrets.iter().any(|it| has(it)));
    }
    fs::set_permissions(stage.path("secrets").join("open"), PermissionsExt::from_mode(0o600))
        .unwrap();
    outside.decide(|_| Answer::Status(200));
    let engine = stage.start();
    let heard = engine.until_over(&waits.head.id).await.output.unwrap();
    assert_eq!(heard, json!([{"it": "<***>", "open": "***", "other": "shown"}]));
}

#[tokio::test]
async fn no_event_is_missed_between_the_queue_and_the_run() {
    let stage = Stage::new(&["--jobs-max", "2"]);
    stage.scenario("hear", "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]\n");
    stage.scenario(
        "work",
        "do: [{ a: { for: { in: '${ [range(50)] }' }, do: [{ b: { set: { c: 1 } } }] } }]\n",
    );
    let engine = stage.start();
    for round in 0..20 {
        let mut jobs = Vec::new();
        for _ in 0..4 {
            engine.submit(json!({"scenario": "work@v1"})).await;
            jobs.push(engine.submit(json!({"scenario": "hear@v1"})).await);
        }
        let event =
            json!({"specversion": "1.0", "id": format!("{round}"), "source": "test", "type": "go"});
        assert_eq!(post(&engine, &event).await, 4);
        for job in jobs {
            engine.until_over(&job.head.id).await;
        }
    }
}
