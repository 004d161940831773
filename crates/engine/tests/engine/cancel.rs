//! Cancelling reaches whatever a job has under way.

use serde_json::json;
use tessera_client::call;
use tessera_types::engine::JobStatus;
use tessera_types::problem::Code;

use crate::receiver::{Answer, Receiver};
use crate::stage::{Running, Stage, until};

async fn cancelled(engine: &Running, id: &tessera_types::engine::JobId) {
    let job = call(engine.api.job_cancel(id)).await.unwrap();
    assert_eq!(job.head.status, JobStatus::Cancelled);
    // Asking again is no mistake.
    let again = call(engine.api.job_cancel(id)).await.unwrap();
    assert_eq!(again.head.ended_at, job.head.ended_at);
}

/// What calculates hears nothing, and is stopped all the same.
#[tokio::test]
async fn a_job_that_calculates_is_cancelled() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "slow",
        "do: [{ l: { for: { in: . }, while: '[range(50000)] | length > 1', do: [] } }]\n",
    );
    let engine = stage.start();
    let input = vec![0; 100_000];
    let job = engine.submit(json!({"scenario": "slow@v1", "input": input})).await;
    engine.until_runs(&job.head.id).await;
    match call(engine.api.job_cancel(&job.head.id)).await {
        Ok(job) => assert_eq!(job.head.status, JobStatus::Cancelled),
        // It has used up its steps meanwhile.
        Err(_) => assert_eq!(engine.get(&job.head.id).await.head.status, JobStatus::Failed),
    }
    let echo = engine.run("echo@v1", json!(1)).await;
    assert_eq!(echo.head.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_call_over_http_is_hung_up() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "call",
        "do: [{ a: { call: http, with: { method: get, endpoint: { uri: '${ .url }' } } } }]\n",
    );
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|_| Answer::Hold);
    let job =
        engine.submit(json!({"scenario": "call@v1", "input": {"url": outside.url("/")}})).await;
    until("the call", async || outside.asked().len() == 1).await;
    cancelled(&engine, &job.head.id).await;
    until("the end of the connection", async || outside.hung_up() == 1).await;
}

#[tokio::test]
async fn a_process_is_ended_with_all_that_it_started() {
    let stage = Stage::new(&[]);
    let pid_file = stage.path("pid");
    stage.scenario(
        "process",
        &format!(
            "do: [{{ a: {{ run: {{ shell: {{ command: 'sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait' }} }} }} }}]\n",
            pid_file.display()
        ),
    );
    let engine = stage.start();
    let job = engine.submit(json!({"scenario": "process@v1"})).await;
    until("the process", async || pid_file.exists()).await;
    let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    cancelled(&engine, &job.head.id).await;
    let lives =
        || std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it == "sleep\n");
    until("the end of the process", async || !lives()).await;
}

#[tokio::test]
async fn a_task_that_listens_and_one_that_is_tried_again_later_are_ended() {
    let stage = Stage::new(&[]);
    stage.scenario("hear", "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]\n");
    stage.scenario(
        "again",
        r"
do:
  - a:
      try: [{ b: { raise: { error: { type: 'https://test/it', status: 400 } } } }]
      catch: { retry: { delay: PT1H } }
",
    );
    let engine = stage.start();
    for scenario in ["hear@v1", "again@v1"] {
        let job = engine.submit(json!({ "scenario": scenario })).await;
        engine.until_job(&job.head.id, |job| job.head.waiting_for.is_some()).await;
        cancelled(&engine, &job.head.id).await;
    }
}

#[tokio::test]
async fn a_wait_and_a_job_in_the_queue_are_ended_and_what_is_over_stays_as_it_is() {
    let stage = Stage::new(&["--jobs-max", "1"]);
    let engine = stage.start();
    let pause = json!({"scenario": "pause@v1", "input": {"seconds": 3600}});
    let first = engine.submit(pause.clone()).await;
    let waiting = engine.until_runs(&first.head.id).await;
    let second = engine.submit(pause).await;
    assert_eq!(second.head.status, JobStatus::Submitted);
    cancelled(&engine, &second.head.id).await;
    assert_eq!(waiting.head.progress.known, 1);
    cancelled(&engine, &first.head.id).await;
    let done = engine.run("echo@v1", json!(1)).await;
    let refused = call(engine.api.job_cancel(&done.head.id)).await.unwrap_err();
    assert_eq!(refused.problem().map(|problem| problem.code), Some(Code::NotNow));
    let running = json!({"scenario": "pause@v1", "input": {"seconds": 3600}});
    let running = engine.submit(running).await;
    let refused = call(engine.api.job_retry(&running.head.id)).await.unwrap_err();
    assert_eq!(refused.problem().map(|problem| problem.code), Some(Code::NotNow));
}

/// So a submission that is still on its way begins nothing when the scenario is there again.
#[tokio::test]
async fn a_key_can_be_used_up_whose_scenario_is_not_there() {
    let stage = Stage::new(&[]);
    let engine = stage.start();
    let used_up = json!({"scenario": "lost@v1", "idempotency_key": "k", "cancelled": true});
    let job = engine.submit(used_up.clone()).await;
    assert_eq!(job.head.status, JobStatus::Cancelled);
    assert_eq!(engine.submit(used_up).await.head.id, job.head.id);
    let late = json!({"scenario": "lost@v1", "idempotency_key": "k"});
    let late = serde_json::from_value(late).unwrap();
    let error = call(engine.api.job_submit(&late)).await.unwrap_err();
    assert_eq!(error.problem().map(|it| it.code), Some(Code::IdempotencyKeyReused));
}

#[tokio::test]
async fn a_key_can_be_used_up_by_a_job_of_which_nothing_runs() {
    let stage = Stage::new(&[]);
    let engine = stage.start();
    let submission = json!({"scenario": "echo@v1", "idempotency_key": "k"});
    let mut cancelled = submission.clone();
    cancelled["cancelled"] = json!(true);
    let used_up = engine.submit(cancelled.clone()).await;
    assert_eq!(used_up.head.status, JobStatus::Cancelled);
    let again = engine.submit(cancelled.clone()).await;
    assert_eq!(again.head.id, used_up.head.id, "it is submitted once");
    let comes_too_late = async |engine: &Running| {
        let submission = serde_json::from_value(submission.clone()).unwrap();
        let error = call(engine.api.job_submit(&submission)).await.unwrap_err();
        let tessera_client::Error::Refused(problem) = error else { panic!("{error}") };
        assert_eq!(problem.code, Code::IdempotencyKeyReused);
        assert_eq!(problem.instance, Some(format!("job {}", used_up.head.id)));
    };
    comes_too_late(&engine).await;
    engine.kill();
    let engine = stage.start();
    comes_too_late(&engine).await;
    let job = engine.get(&used_up.head.id).await;
    assert_eq!((job.head.status, job.head.started_at), (JobStatus::Cancelled, None));
    let input = json!({"seconds": 3600});
    let other = json!({"scenario": "pause@v1", "input": input, "idempotency_key": "other"});
    let runs = engine.submit(other).await;
    let used = json!({"scenario": "pause@v1", "idempotency_key": "other", "cancelled": true});
    let used = serde_json::from_value(used).unwrap();
    let error = call(engine.api.job_submit(&used)).await.unwrap_err();
    let tessera_client::Error::Refused(problem) = error else { panic!("{error}") };
    assert_eq!(problem.instance, Some(format!("job {}", runs.head.id)), "that one has the key");
}
