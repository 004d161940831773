//! kill -9 at any moment: nothing is lost, nothing that is done is done again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tessera_client::call;
use tessera_types::engine::{EngineJob, JobStatus};

use crate::receiver::{Answer, Receiver};
use crate::stage::{Stage, until};

const STEPS: u64 = 5;
const JOBS: usize = 40;

#[tokio::test]
async fn every_job_ends_once_and_each_effect_has_one_key_whenever_it_is_killed() {
    let stage = Stage::new(&["--jobs-max", "16"]);
    stage.scenario(
        "steps",
        r"
do:
  - each:
      for: { each: n, in: '${ [range(5)] }' }
      do:
        - call:
            call: http
            with:
              method: post
              endpoint: { uri: '${ $workflow.input.url }' }
              body: { job: '${ $workflow.input.job }', n: '${ $n }' }
        - pause: { wait: { milliseconds: 5 } }
",
    );
    let outside = Receiver::open();
    let mut engine = stage.start();
    for job in 0..JOBS {
        let submission = json!({
            "scenario": "steps@v1", "idempotency_key": format!("job {job}"),
            "input": {"url": outside.url("/effect"), "job": job},
            "callback_url": outside.url("/events"), "metadata": {"job": job},
        });
        engine.submit(submission).await;
    }
    // By how much has happened, so that it is in the midst of things on any machine.
    let effects = || outside.asked().iter().filter(|it| it.path == "/effect").count();
    let total = JOBS * STEPS as usize;
    for part in [1, 3, 8, 11, 14] {
        until("some effects", async || effects() >= total * part / 16).await;
        engine.kill();
        engine = stage.start();
    }
    until("the end", async || {
        engine.all().await.iter().all(|job| job.status == JobStatus::Completed)
            && call(engine.api.healthz()).await.unwrap().events_pending == 0
    })
    .await;
    assert_eq!(engine.all().await.len(), JOBS);
    check_effects(&outside);
    check_events(&outside);
}

/// One key for each effect, and one effect for each key.
fn check_effects(outside: &Receiver) {
    let mut by_key = BTreeMap::<String, BTreeSet<String>>::new();
    for asked in outside.asked().into_iter().filter(|it| it.path == "/effect") {
        by_key.entry(asked.key.unwrap()).or_default().insert(asked.body.to_string());
    }
    assert_eq!(by_key.len(), JOBS * STEPS as usize);
    assert!(by_key.values().all(|bodies| bodies.len() == 1));
    let bodies: BTreeSet<_> = by_key.values().flatten().collect();
    assert_eq!(bodies.len(), JOBS * STEPS as usize);
}

/// Of each job in order: an event never comes before one with a lower number.
fn check_events(outside: &Receiver) {
    let mut last = BTreeMap::<u64, (u64, String)>::new();
    for asked in outside.asked().into_iter().filter(|it| it.path == "/events") {
        let data = &asked.body["data"];
        let job = data["metadata"]["job"].as_u64().unwrap();
        let sequence = data["sequence"].as_u64().unwrap();
        let kind = asked.body["type"].as_str().unwrap().to_owned();
        let before = last.insert(job, (sequence, kind)).map_or(0, |(before, _)| before);
        assert!(sequence == before || sequence == before + 1, "{job}: {before}, {sequence}");
    }
    assert_eq!(last.len(), JOBS);
    assert!(last.values().all(|(_, kind)| kind == "scenario_engine.job.completed.v1"));
}

#[tokio::test]
async fn a_full_queue_survives_a_restart_in_its_order() {
    let stage = Stage::new(&["--jobs-max", "2"]);
    stage.scenario(
        "call",
        "do: [{ a: { call: http, with: { method: post, endpoint: { uri: '${ .url }' }, body: { n: '${ .n }' } } } }]\n",
    );
    let outside = Receiver::open();
    outside.decide(|_| Answer::Hold);
    let engine = stage.start();
    for n in 0..200 {
        let input = json!({"url": outside.url("/"), "n": n});
        engine.submit(json!({"scenario": "call@v1", "input": input})).await;
    }
    until("two calls", async || outside.asked().len() == 2).await;
    engine.kill();
    let engine = stage.start();
    until("the same two calls", async || outside.asked().len() == 4).await;
    let count = async |status| engine.all().await.iter().filter(|it| it.status == status).count();
    assert_eq!(count(JobStatus::Submitted).await, 198);
    outside.decide(|_| Answer::Status(200));
    until("all", async || count(JobStatus::Completed).await == 200).await;
    // Jobs begin in the order of the queue, two at a time: when one has called, all before it have,
    // but for one that may be about to.
    let order: Vec<_> =
        outside.asked().iter().skip(4).map(|it| it.body["n"].as_u64().unwrap()).collect();
    assert_eq!(order.len(), 198);
    for (place, n) in order.iter().enumerate() {
        let earlier = (2..*n).filter(|it| !order[..place].contains(it)).count();
        assert!(earlier <= 1, "{n}: {order:?}");
    }
}

#[tokio::test]
async fn a_job_whose_journal_makes_no_sense_fails_and_says_so() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "rest",
        "do: [{ say: { emit: { event: { with: { source: 'https://test', type: said } } } } }, { a: { wait: PT1H } }]\n",
    );
    let engine = stage.start();
    let (damaged, sound) = (
        engine.submit(json!({"scenario": "rest@v1"})).await,
        engine.submit(json!({"scenario": "rest@v1"})).await,
    );
    let rests = |job: &EngineJob| job.head.progress.done == 1;
    engine.until_job(&damaged.head.id, rests).await;
    engine.until_job(&sound.head.id, rests).await;
    engine.kill();
    let file = rusqlite::Connection::open(stage.path("state").join("engine.db")).unwrap();
    let first = "UPDATE entry SET body = '{' WHERE job = (SELECT min(job) FROM entry)";
    assert_eq!(file.execute(first, []).unwrap(), 1);
    drop(file);
    let engine = stage.start();
    let failed = engine.until_over(&damaged.head.id).await;
    assert_eq!(failed.head.status, JobStatus::Failed);
    let detail = failed.error.unwrap().detail.unwrap();
    assert!(detail.contains("entry 1 of the job's journal"), "{detail}");
    engine.until_job(&sound.head.id, rests).await;
    let again = call(engine.api.job_retry(&damaged.head.id)).await.unwrap();
    engine.until_job(&again.head.id, rests).await;
}

#[tokio::test]
async fn a_process_that_survives_the_engine_is_ended_before_it_is_begun_again() {
    let stage = Stage::new(&[]);
    let begun = |name: &str| {
        let text = std::fs::read_to_string(stage.path(name)).unwrap_or_default();
        let whole = text.lines().filter(|line| line.ends_with(';'));
        whole.map(|line| line.trim_end_matches(';').to_owned()).collect::<Vec<_>>()
    };
    let command = |name: &str| {
        format!("sleep 600 & echo \"$$;\n$!;\" >> {}; wait", stage.path(name).display())
    };
    let shell = |name: &str| serde_json::to_string(&command(name)).unwrap();
    let tasks = format!(
        "do:\n  - free: {{ run: {{ shell: {{ command: {} }}, await: false }} }}\n  - sleeps: {{ run: {{ shell: {{ command: {} }} }} }}\n",
        shell("free"),
        shell("begun"),
    );
    stage.scenario("sleepy", &tasks);
    let engine = stage.start();
    let job = engine.submit(json!({"scenario": "sleepy@v1"})).await;
    until("the processes", async || begun("begun").len() == 2 && begun("free").len() == 2).await;
    engine.kill();
    let first = begun("begun");
    assert!(first.iter().all(|pid| has_memory(pid)), "nobody has ended them");
    let engine = stage.start();
    until("the second ones", async || begun("begun").len() == 4).await;
    assert!(!first.iter().any(|pid| has_memory(pid)), "the first are gone when others begin");
    engine.kill();
    // A job that is cancelled leaves nothing behind either.
    let engine = stage.start();
    call(engine.api.job_cancel(&job.head.id)).await.unwrap();
    until("the end", async || !begun("begun").iter().any(|pid| has_memory(pid))).await;
    let free = begun("free");
    assert!(free.len() == 2 && free.iter().all(|pid| has_memory(pid)), "nobody waits for these");
    for pid in free {
        std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
    }
}

/// Whether a process can still do something: one that ends has given up its memory before anybody
/// is told.
fn has_memory(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|it| !it.is_empty())
}
