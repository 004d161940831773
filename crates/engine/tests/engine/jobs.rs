//! What a submitter sees of jobs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tessera_client::call;
use tessera_types::engine::{EngineJob, JobStatus};
use tessera_types::problem::Code;

use crate::receiver::{Answer, Receiver};
use crate::stage::{Stage, until};

const CALL: &str = r"
do:
  - call:
      call: http
      with:
        method: post
        endpoint: { uri: '${ .url }' }
        body: { n: '${ .n }' }
";

#[tokio::test]
async fn a_key_is_one_job_however_often_it_is_submitted() {
    let stage = Stage::new(&[]);
    let engine = stage.start();
    let submission = json!({"scenario": "echo@v1", "input": [1], "idempotency_key": "k"});
    let first = engine.submit(submission.clone()).await;
    let second = engine.submit(submission.clone()).await;
    assert_eq!(first.head.id, second.head.id);
    assert_eq!(engine.until_over(&first.head.id).await.output, Some(json!([1])));
    engine.kill();
    let engine = stage.start();
    let third = engine.submit(submission).await;
    assert_eq!((third.head.id, third.head.status), (first.head.id, JobStatus::Completed));
    let other = json!({"scenario": "echo@v1", "input": [2], "idempotency_key": "k"});
    let refused = call(engine.api.job_submit(&serde_json::from_value(other).unwrap())).await;
    let code = refused.unwrap_err().problem().map(|problem| problem.code);
    assert_eq!(code, Some(Code::IdempotencyKeyReused));
    let unknown = json!({"scenario": "eco@v1"});
    let refused = call(engine.api.job_submit(&serde_json::from_value(unknown).unwrap())).await;
    let remedy = refused.unwrap_err().problem().and_then(|problem| problem.remedy.clone());
    assert_eq!(remedy.as_deref(), Some("did you mean echo@v1?"));
}

#[tokio::test]
async fn a_known_key_is_its_job_though_the_queue_is_full_and_the_scenario_is_gone() {
    let stage = Stage::new(&["--jobs-max", "1", "--queue-max", "1"]);
    stage.scenario("call", CALL);
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|_| Answer::Hold);
    let input = json!({"url": outside.url("/"), "n": 1});
    engine.submit(json!({"scenario": "call@v1", "input": input})).await;
    until("it runs", async || outside.asked().len() == 1).await;
    let keyed = json!({"scenario": "call@v1", "input": input, "idempotency_key": "k"});
    let first = engine.submit(keyed.clone()).await;
    let other = serde_json::from_value(json!({"scenario": "call@v1"})).unwrap();
    let refused = call(engine.api.job_submit(&other)).await.unwrap_err();
    assert_eq!(refused.problem().map(|it| it.code), Some(Code::TooManyRequests));
    assert_eq!(engine.submit(keyed.clone()).await.head.id, first.head.id);
    engine.kill();
    fs::remove_file(stage.path("scenarios").join("call.v1.yaml")).unwrap();
    let engine = stage.start();
    assert_eq!(engine.submit(keyed).await.head.id, first.head.id);
}

#[tokio::test]
async fn jobs_that_begin_others_without_end_come_to_an_end() {
    let stage = Stage::new(&[]);
    let begin = |name: &str| {
        let workflow = format!("{{ namespace: test, name: {name}, version: 1.0.0 }}");
        format!("{{ run: {{ await: false, workflow: {workflow} }} }}")
    };
    stage.scenario("chain", &format!("do: [{{ a: {} }}]\n", begin("chain")));
    let forked = begin("fork");
    stage.scenario("fork", &format!("do: [{{ a: {forked} }}, {{ b: {forked} }}]\n"));
    let engine = stage.start();
    for scenario in ["chain@v1", "fork@v1"] {
        let job = engine.submit(json!({"scenario": scenario, "submitter": "me"})).await;
        until("the end", async || {
            let status = call(engine.api.healthz()).await.unwrap();
            status.queued + status.running == 0
        })
        .await;
        assert_eq!(engine.get(&job.head.id).await.head.status, JobStatus::Completed);
        let last = engine.all().await.remove(0);
        let last = engine.get(&last.id).await;
        assert_eq!(last.head.submitter.as_deref(), Some("me"));
        let detail = last.error.unwrap().detail.unwrap();
        assert!(detail.contains(job.head.id.as_str()), "{detail}");
    }
}

#[tokio::test]
async fn a_job_that_failed_is_tried_again_as_a_new_attempt() {
    let stage = Stage::new(&[]);
    stage.scenario("call", CALL);
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|_| Answer::Status(500));
    let failed = engine.run("call@v1", json!({"url": outside.url("/a"), "n": 1})).await;
    assert_eq!(failed.head.status, JobStatus::Failed);
    let error = failed.error.unwrap();
    assert_eq!((error.status, error.instance.as_str()), (500, "/do/0/call"));
    outside.decide(|_| Answer::Status(200));
    let again = call(engine.api.job_retry(&failed.head.id)).await.unwrap();
    assert_eq!((again.head.attempt, again.error), (2, None));
    let done = engine.until_over(&failed.head.id).await;
    assert_eq!(done.head.status, JobStatus::Completed);
    let statuses: Vec<_> = done.history.iter().map(|it| it.to.as_str()).collect();
    let expected = ["Submitted", "Running", "Failed", "Submitted", "Running", "Completed"];
    assert_eq!(statuses, expected);
    let keys: Vec<_> = outside.asked().into_iter().map(|asked| asked.key.unwrap()).collect();
    assert_ne!(keys[0], keys[1], "a new attempt is a new effect");
    let steps = call(engine.api.job_steps(&failed.head.id)).await.unwrap();
    assert_eq!((steps.attempt, steps.entries, steps.steps.len()), (2, 1, 1));
}

#[tokio::test]
async fn a_job_is_tried_again_from_each_end_that_it_may_have() {
    let stage = Stage::new(&[]);
    stage.scenario("call", CALL);
    let (engine, outside) = (stage.start(), Receiver::open());
    let input = json!({"url": outside.url("/a"), "n": 1});
    let job = engine.submit(json!({
        "scenario": "call@v1", "input": input, "callback_url": outside.url("/events"),
    }));
    let id = job.await.head.id;
    let mut ends = [engine.until_over(&id).await.head.status; 4];
    let answers = [Answer::Status(404), Answer::Hold, Answer::Status(200)];
    for (answer, end) in answers.into_iter().zip(&mut ends[1..]) {
        outside.decide(move |asked| match asked.path.as_str() {
            "/a" => answer,
            _ => Answer::Status(200),
        });
        let calls = || outside.asked().iter().filter(|it| it.path == "/a").count();
        let before = calls();
        call(engine.api.job_retry(&id)).await.unwrap();
        if answer == Answer::Hold {
            until("the call", async || calls() > before).await;
            call(engine.api.job_cancel(&id)).await.unwrap();
        }
        *end = engine.until_over(&id).await.head.status;
    }
    use JobStatus::{Cancelled, Completed, Failed};
    assert_eq!(ends, [Completed, Failed, Cancelled, Completed]);
    until("all events", async || call(engine.api.healthz()).await.unwrap().events_pending == 0)
        .await;
    // Each attempt is told of from its beginning to its end, and the numbers go on.
    let told = outside.asked().into_iter().filter(|it| it.path == "/events");
    let told: Vec<_> = told.map(|it| it.body["data"].clone()).collect();
    let numbers: Vec<_> = told.iter().map(|it| it["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    let attempts: Vec<_> = told.iter().map(|it| it["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 1, 2, 2, 3, 3, 4, 4]);
    let statuses: Vec<_> = told.iter().map(|it| it["status"].as_str().unwrap()).collect();
    let ended: Vec<_> = statuses.into_iter().skip(1).step_by(2).collect();
    assert_eq!(ended, ends.map(JobStatus::as_str));
}

#[tokio::test]
async fn submitters_take_turns() {
    let stage = Stage::new(&["--jobs-max", "1"]);
    stage.scenario("call", CALL);
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|_| Answer::Hold);
    let submit = |submitter: &str, n: u64| {
        engine.submit(json!({
            "scenario": "call@v1", "submitter": submitter,
            "input": {"url": outside.url(&format!("/{submitter}")), "n": n},
        }))
    };
    for n in 0..20 {
        submit("a", n).await;
    }
    for n in 0..2 {
        submit("b", n).await;
    }
    let listed = engine.all().await;
    assert_eq!(listed.iter().filter(|job| job.status == JobStatus::Submitted).count(), 21);
    outside.decide(|_| Answer::Status(200));
    until("all are done", async || outside.asked().len() == 22).await;
    let order: Vec<_> = outside.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(order[..6], ["/a", "/a", "/b", "/a", "/b", "/a"]);
}

/// Whatever a document can do with a secret.
const SECRETIVE: &str = r#"
use: { secrets: [token] }
do:
  - call:
      call: http
      with:
        method: post
        endpoint:
          uri: '${ .url }'
          authentication: { bearer: { token: '${ $secrets.token }' } }
        headers: { x-token: '${ "key " + $secrets.token }' }
        body: { said: '${ $secrets.token }' }
  - made:
      set: { plain: '${ $secrets.token }', part: '${ "<" + $secrets.token + ">" }' }
      export: { as: . }
  - script:
      run:
        script:
          language: python
          code: 'import os; print("leaked", os.environ["TOKEN"])'
          environment: { TOKEN: '${ $secrets.token }' }
        return: all
  - broken:
      try:
        - wrong: { set: { x: '${ $secrets.token | error }' } }
      catch: { do: [{ told: { set: { why: '${ $error }' } } }] }
  - told: { emit: { event: { with: { source: 'https://test', type: told, data: { it: '${ $secrets.token }' } } } } }
  - begun:
      run:
        workflow: { namespace: test, name: hear, version: 1.0.0, input: { it: '${ $secrets.token }' } }
        await: false
  - heard: { listen: { to: { one: { with: { type: heard } } } } }
  - shell:
      run: { shell: { command: 'echo leaked $TOKEN; exit 3', environment: { TOKEN: '${ $secrets.token }' } } }
"#;

/// A token of 108 characters.
const JWT: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.",
    "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
);

#[tokio::test]
async fn a_secret_is_used_and_found_nowhere_else() {
    for secret in ["tr0ub4dor-and-3", JWT] {
        is_found_nowhere_else(secret).await;
    }
}

async fn is_found_nowhere_else(secret: &str) {
    let stage = Stage::new(&[]);
    stage.scenario("secretive", SECRETIVE);
    stage.scenario("hear", "do: [{ a: { listen: { to: { one: { with: { type: told } } } } } }]\n");
    stage.scenario(
        "raise",
        r#"
use: { secrets: [token] }
do:
  - a: { raise: { error: { type: '${ "https://test/" + $secrets.token }', status: 400, detail: '${ $secrets.token }' } } }
"#,
    );
    stage.scenario(
        "give",
        "use: { secrets: [token] }\ndo: [{ a: { set: { given: '${ [$secrets.token] }' } } }]\n",
    );
    let path = stage.path("secrets").join("token");
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let (engine, outside) = (stage.start(), Receiver::open());
    let submission = json!({
        "scenario": "secretive@v1", "input": {"url": outside.url("/")},
        "callback_url": outside.url("/events"),
    });
    let hears = engine.submit(json!({"scenario": "hear@v1"})).await;
    engine.until_job(&hears.head.id, |job| job.head.waiting_for.is_some()).await;
    let job = engine.submit(submission).await;
    let listens =
        |job: &EngineJob| job.head.waiting_for.as_ref().is_some_and(|it| it.contains("heard"));
    engine.until_job(&job.head.id, listens).await;
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "test", "type": "heard", "data": secret});
    assert_eq!(crate::events::post(&engine, &event).await, 1);
    let job = engine.until_over(&job.head.id).await;
    assert_eq!(job.head.status, JobStatus::Failed);
    let heard = engine.until_over(&hears.head.id).await;
    assert_eq!(heard.output, Some(json!([{"it": "***"}])));
    let begun = engine.all().await.into_iter().find(|it| it.scenario.name() == "hear");
    let begun = engine.get(&begun.unwrap().id).await;
    assert_eq!(begun.input, json!({"it": "***"}));
    for scenario in ["raise@v1", "give@v1"] {
        let url = outside.url("/events");
        let job = engine.submit(json!({"scenario": scenario, "callback_url": url})).await;
        let job = serde_json::to_string(&engine.until_over(&job.head.id).await).unwrap();
        assert!(job.contains("***") && !job.contains(secret), "{job}");
    }
    until("all events", async || call(engine.api.healthz()).await.unwrap().events_pending == 0)
        .await;
    let asked = outside.asked();
    let called = asked.iter().find(|it| it.path == "/").unwrap();
    assert_eq!(called.authorization.as_deref(), Some(format!("Bearer {secret}").as_str()));
    assert!(
        asked.iter().filter(|it| it.path != "/").all(|it| !it.body.to_string().contains(secret))
    );
    assert!(!serde_json::to_string(&job).unwrap().contains(secret));
    let steps = call(engine.api.job_steps(&job.head.id)).await.unwrap();
    assert!(!serde_json::to_string(&steps).unwrap().contains(secret));
    assert!(!stage.log().contains(secret));
    is_in_no_file(&stage, &secret[..BEGINNING]);
}

/// Characters of a secret that nothing shows, not even where it is cut.
const BEGINNING: usize = 8;

fn is_in_no_file(stage: &Stage, text: &str) {
    for file in fs::read_dir(stage.path("state")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(text.len()).any(|it| it == text.as_bytes()), "{text}");
    }
}

/// Whatever cuts a text in which a secret may be.
const CUTTING: &str = r#"
use: { secrets: [token] }
do:
  - type:
      try: [{ a: { set: { x: '${ $secrets.token + 1 }' } } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ [.] }' } } }] }
  - inside:
      set: { why: '${ try ({a: [$secrets.token]} | .b.c + {} | keys[0] + 1) catch (. + " and more") }' }
      export: { as: '${ $context + [.] }' }
  - said:
      try: [{ a: { set: { x: '${ error(("x" * 930) + " token=" + $secrets.token) }' } } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - refused:
      for: { in: '${ [2016, 2030, 2040, 2020 - ($secrets.token | length)] }' }
      do:
        - asked:
            try:
              - a:
                  call: http
                  with:
                    method: get
                    endpoint:
                      uri: '${ "URL/" + ($item | tostring) }'
                      authentication: { bearer: { token: '${ $secrets.token }' } }
            catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - uri:
      try: [{ a: { call: http, with: { method: get, endpoint: '${ "ftp://" + ("x" * 160) + $secrets.token }' } } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - none:
      try: [{ a: { call: http, with: { method: get, endpoint: '${ [$secrets.token] }' } } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - each:
      try: [{ a: { for: { in: '${ {a: $secrets.token} }' }, do: [{ b: { set: { x: 1 } } }] } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - wait:
      try: [{ a: { wait: '${ $secrets.token }' } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - process:
      try: [{ a: { run: { shell: { command: 'echo "$TOKEN" >&2; exit 3', environment: { TOKEN: '${ ("x" * 4000) + $secrets.token }' } } } } }]
      catch: { do: [{ told: { set: { why: '${ $error }' }, export: { as: '${ $context + [.] }' } } }] }
  - give: { set: '${ $context }' }
"#;

#[tokio::test]
async fn of_a_secret_that_is_cut_nothing_is_told() {
    for length in [16, 60, 108, 3000] {
        let stage = Stage::new(&[]);
        let digit = |i: usize| char::from(b"KqZ4vN7_wXp2-Rt.9"[(i * 5 + i / 17) % 17]);
        let secret: String = (0..length).map(digit).collect();
        let outside = Receiver::open();
        outside.decide(|asked| Answer::Refused { before: asked.path[1..].parse().unwrap_or(0) });
        let url = outside.url("");
        stage.scenario("cutting", &CUTTING.replace("URL", &url));
        let fails =
            "use: { secrets: [token] }\ndo: [{ a: { set: { x: '${ $secrets.token + 1 }' } } }]\n";
        stage.scenario("fails", fails);
        let path = stage.path("secrets").join("token");
        fs::write(&path, &secret).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let engine = stage.start();
        let job = engine.run("cutting@v1", json!({})).await;
        assert_eq!(job.head.status, JobStatus::Completed, "{job:?}");
        let told = job.output.as_ref().and_then(|it| it.as_array()).unwrap();
        assert_eq!(told.len(), 12, "{told:?}");
        let beginning = &secret[..BEGINNING];
        for told in told {
            assert!(!told.to_string().contains(beginning), "{told}");
        }
        let failed = engine.run("fails@v1", json!({})).await;
        assert_eq!(failed.head.status, JobStatus::Failed);
        assert!(!serde_json::to_string(&failed).unwrap().contains(beginning), "{failed:?}");
        assert!(!stage.log().contains(beginning));
        is_in_no_file(&stage, beginning);
    }
}

#[tokio::test]
async fn a_secret_that_comes_back_as_a_number_is_hidden() {
    let stage = Stage::new(&[]);
    stage.scenario("pin", r#"
use: { secrets: [pin] }
do:
  - a: { run: { shell: { command: 'echo "{\"pin\": $PIN}"', environment: { PIN: '${ $secrets.pin }' } } } }
  - b: { set: { made: '${ $secrets.pin | tonumber }', more: '${ ($secrets.pin | tonumber) + 1 }' } }
"#);
    let path = stage.path("secrets").join("pin");
    fs::write(&path, "93847561").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let engine = stage.start();
    let job = engine.run("pin@v1", json!({})).await;
    assert_eq!(job.output, Some(json!({"made": "***", "more": 93_847_562})), "{job:?}");
    is_in_no_file(&stage, "93847561");
}

#[tokio::test]
async fn what_an_answer_holds_of_a_secret_is_hidden_however_it_is_written() {
    let stage = Stage::new(&[]);
    let secret = "ab+cd/ef==\nline \"two\"";
    let head = "use: { secrets: [token] }\ndo:\n  - a:\n";
    let call = |query: &str| {
        format!(
            "call: http\n{0}with:\n{0}  method: get\n{0}  output: response\n{0}  endpoint: {{ uri: '${{ .url }}' }}\n{0}  query: {{ token: '{query}' }}\n",
            " ".repeat(12)
        )
    };
    let query = call("${ $secrets.token }");
    stage.scenario("query", &format!("{head}      try:\n        - b:\n            {query}      catch: {{ as: e, do: [{{ c: {{ set: {{ why: '${{ $e }}' }} }} }}] }}\n"));
    let query = call("${ $secrets.token | @base64 }");
    stage.scenario("base", &format!("{head}      try:\n        - b:\n            {query}      catch: {{ as: e, do: [{{ c: {{ set: {{ why: '${{ $e }}' }} }} }}] }}\n"));
    let path = stage.path("secrets").join("token");
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let (engine, outside) = (stage.start(), Receiver::open());
    for status in [200, 403] {
        outside.decide(move |_| Answer::Status(status));
        for scenario in ["query@v1", "base@v1"] {
            let job = engine.run(scenario, json!({"url": outside.url("/")})).await;
            assert_eq!(job.head.status, JobStatus::Completed, "{job:?}");
            let output = job.output.unwrap().to_string();
            assert!(output.contains("***"), "{output}");
        }
    }
    engine.kill();
    for file in fs::read_dir(stage.path("state")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for part in [&b"cd/ef"[..], b"cd%2Fef", b"cd%2fef", b"YWIrY2QvZWY"] {
            assert!(!bytes.windows(part.len()).any(|it| it == part));
        }
    }
}

#[tokio::test]
async fn a_secret_that_others_may_read_is_not_used() {
    let stage = Stage::new(&[]);
    stage.scenario("s", "use: { secrets: [token] }\ndo: [{ a: { set: { x: 1 } } }]\n");
    fs::write(stage.path("secrets").join("token"), "open to all").unwrap();
    fs::set_permissions(stage.path("secrets").join("token"), PermissionsExt::from_mode(0o644))
        .unwrap();
    let job = stage.start().run("s@v1", json!({})).await;
    let detail = job.error.unwrap().detail.unwrap();
    assert!(detail.contains("0600"), "{detail}");
}

#[tokio::test]
async fn a_job_that_goes_on_waits_for_a_secret_that_cannot_be_read() {
    let stage = Stage::new(&[]);
    let tasks = CALL.replace("do:", "use: { secrets: [token, never] }\ndo:")
        + "  - use: { set: { length: '${ $secrets.token | length }' } }\n";
    stage.scenario("s", &tasks);
    let path = stage.path("secrets").join("token");
    let mode = |mode| fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    fs::write(&path, "secretive").unwrap();
    mode(0o600);
    let (engine, outside) = (stage.start(), Receiver::open());
    outside.decide(|_| Answer::Hold);
    let submission = json!({"scenario": "s@v1", "input": {"url": outside.url("/")}});
    let jobs = [engine.submit(submission.clone()).await, engine.submit(submission).await];
    until("the calls", async || outside.asked().len() == 2).await;
    engine.kill();
    mode(0o644);
    let engine = stage.start();
    for (job, gone) in [(&jobs[0], false), (&jobs[1], true)] {
        let wrong = |job: &EngineJob| {
            let said = job.head.waiting_for.as_deref().unwrap_or_default();
            said.contains("the secret token cannot be used") && said.contains("0600")
        };
        let job = engine.until_job(&job.head.id, wrong).await;
        assert_eq!(job.head.status, JobStatus::Running);
        if gone {
            let cancelled = call(engine.api.job_cancel(&job.head.id)).await.unwrap();
            assert_eq!(cancelled.head.status, JobStatus::Cancelled);
        }
    }
    fs::remove_file(&path).unwrap();
    let gone = |job: &EngineJob| {
        job.head.waiting_for.as_deref() == Some("the secret token is not there any more")
    };
    engine.until_job(&jobs[0].head.id, gone).await;
    assert_eq!(outside.asked().len(), 2, "nothing is done meanwhile");
    fs::write(&path, "secretive").unwrap();
    mode(0o600);
    outside.decide(|_| Answer::Status(200));
    let job = engine.until_over(&jobs[0].head.id).await;
    assert_eq!((job.head.status, job.output), (JobStatus::Completed, Some(json!({"length": 9}))));
}

#[tokio::test]
async fn what_hurts_ends_in_an_error_and_the_engine_goes_on_serving() {
    let stage = Stage::new(&[]);
    for (name, expression) in [
        ("endless", "def f: f; f"),
        ("range", "[range(1e12)]"),
        ("double", "reduce range(60) as $i (\"xx\"; . + .)"),
    ] {
        stage
            .scenario(name, &format!("do: [{{ a: {{ set: {{ x: '${{ {expression} }}' }} }} }}]\n"));
    }
    stage.scenario(
        "loop",
        "do:\n  - a: { set: { x: 1 }, then: b }\n  - b: { set: { x: 1 }, then: a }\n",
    );
    stage.scenario(
        "again",
        "do: [{ a: { run: { workflow: { namespace: test, name: again, version: 1.0.0 } } } }]\n",
    );
    let engine = stage.start();
    let mut jobs = Vec::new();
    for name in ["endless", "range", "double", "loop", "again"] {
        jobs.push(engine.submit(json!({"scenario": format!("{name}@v1")})).await);
    }
    let echo = engine.run("echo@v1", json!(1)).await;
    assert_eq!(echo.head.status, JobStatus::Completed);
    for job in jobs {
        let job = engine.until_over(&job.head.id).await;
        assert_eq!(job.head.status, JobStatus::Failed, "{job:?}");
    }
}

#[tokio::test]
async fn a_job_goes_on_with_the_document_that_it_began_with() {
    let stage = Stage::new(&[]);
    let document = |said: &str| {
        format!(
            "do:\n  - hear: {{ listen: {{ to: {{ one: {{ with: {{ type: go }} }} }} }} }}\n  - say: {{ set: {{ said: {said} }} }}\n"
        )
    };
    stage.scenario("pinned", &document("old"));
    let engine = stage.start();
    let job = engine.submit(json!({"scenario": "pinned@v1"})).await;
    engine.until_runs(&job.head.id).await;
    engine.kill();
    stage.scenario("pinned", &document("new"));
    stage.scenario("echo", "do: [{ a: { set: { mine: true } } }]\n");
    let engine = stage.start();
    assert!(stage.log().contains("takes the place of one that is built in"));
    let event = json!({"specversion": "1.0", "id": "1", "source": "test", "type": "go"});
    crate::events::post(&engine, &event).await;
    let job = engine.until_over(&job.head.id).await;
    assert_eq!(job.output, Some(json!({"said": "old"})));
    let echo = engine.run("echo@v1", json!(1)).await;
    assert_eq!(echo.output, Some(json!({"mine": true})));
    let listed = call(engine.api.scenario_list()).await.unwrap().items;
    assert!(listed.iter().any(|it| it.scenario.name() == "echo" && it.overrides));
}

#[tokio::test]
async fn of_too_many_jobs_that_are_over_the_oldest_are_forgotten() {
    let stage = Stage::new(&["--jobs-kept-max", "2"]);
    let engine = stage.start();
    let mut jobs = Vec::new();
    for n in 0..4 {
        jobs.push(engine.run("echo@v1", json!(n)).await.head.id);
    }
    engine.kill();
    let engine = stage.start();
    until("two are left", async || engine.all().await.len() == 2).await;
    let left: Vec<_> = engine.all().await.into_iter().map(|job| job.id).collect();
    assert_eq!(left, [jobs[3].clone(), jobs[2].clone()]);
}

#[tokio::test]
async fn what_documents_can_call_is_listed() {
    let adapters = async |args: &[&str]| {
        let engine = Stage::new(args).start();
        serde_json::to_value(call(engine.api.adapter_list()).await.unwrap().items).unwrap()
    };
    assert_eq!(adapters(&[]).await, json!([]));
    let failed = Stage::new(&[]).start().run("undeploy@v1", json!({"name": "a"})).await;
    let detail = failed.error.unwrap().detail.unwrap();
    assert!(detail.contains("--control URL"), "{detail}");
    let functions = ["fleet.delete", "fleet.deploy", "fleet.find", "fleet.wait"];
    let fleet = adapters(&["--control", "http://127.0.0.1:1"]).await;
    assert_eq!(fleet, json!([{ "name": "fleet", "functions": functions }]));
}

#[tokio::test]
async fn jobs_that_calculate_for_long_hold_up_no_other() {
    let stage = Stage::new(&[]);
    stage.scenario(
        "slow",
        "do: [{ l: { for: { in: . }, while: '[range(200)] | length > 1', do: [] } }]\n",
    );
    let engine = stage.start();
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let input = vec![0; 100_000];
        jobs.push(engine.submit(json!({"scenario": "slow@v1", "input": input})).await);
    }
    engine.until_runs(&jobs[3].head.id).await;
    let echo = engine.run("echo@v1", json!(1)).await;
    assert_eq!(echo.head.status, JobStatus::Completed);
    // Both threads of the engine had to do with the others all the time.
    let mut over = 0;
    for job in &jobs {
        over += usize::from(engine.get(&job.head.id).await.head.status.is_over());
    }
    assert!(over < jobs.len());
}

#[tokio::test]
async fn a_job_that_waits_keeps_no_place() {
    let stage = Stage::new(&["--jobs-max", "1"]);
    stage.scenario("hear", "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]\n");
    stage.scenario("rest", "do: [{ a: { wait: PT1H } }]\n");
    let engine = stage.start();
    let mut waiting = Vec::new();
    for scenario in ["hear@v1", "rest@v1", "hear@v1"] {
        waiting.push(engine.submit(json!({ "scenario": scenario })).await);
    }
    for job in &waiting {
        engine.until_runs(&job.head.id).await;
    }
    assert_eq!(engine.run("echo@v1", json!(1)).await.head.status, JobStatus::Completed);
    engine.kill();
    let engine = stage.start();
    assert_eq!(engine.run("echo@v1", json!(1)).await.head.status, JobStatus::Completed);
    let event = json!({"specversion": "1.0", "id": "1", "source": "test", "type": "go"});
    assert_eq!(crate::events::post(&engine, &event).await, 2);
    for job in [&waiting[0], &waiting[2]] {
        assert_eq!(engine.until_over(&job.head.id).await.head.status, JobStatus::Completed);
    }
    assert_eq!(engine.get(&waiting[1].head.id).await.head.status, JobStatus::Running);
}

#[tokio::test]
async fn the_scenarios_are_read_again_on_a_signal() {
    let stage = Stage::new(&[]);
    stage.scenario("say", "do: [{ a: { set: { said: old } } }]\n");
    let engine = stage.start();
    stage.scenario("more", "do: [{ a: { set: { said: more } } }]\n");
    stage.scenario("say", "do: 1\n");
    engine.reload();
    until("the folder was read", async || stage.log().contains("say.v1.yaml:2")).await;
    let said = async |name: &str| engine.run(name, json!({})).await.output.unwrap()["said"].clone();
    assert_eq!(said("more@v1").await, "more");
    assert_eq!(said("say@v1").await, "old");
    stage.scenario("say", "do: [{ a: { set: { said: new } } }]\n");
    engine.reload();
    until("the folder was read", async || stage.log().contains("were read again")).await;
    assert_eq!(said("say@v1").await, "new");
}

#[tokio::test]
async fn a_workload_is_deleted_only_by_its_id() {
    let stage = Stage::new(&["--control", "http://127.0.0.1:1"]);
    stage.scenario("gone", "do: [{ a: { call: fleet.delete, with: { name: web } } }]\n");
    let failed = stage.start().run("gone@v1", json!({})).await;
    let error = failed.error.unwrap();
    assert!(error.kind.ends_with("validation"), "{error:?}");
    assert!(error.detail.unwrap().contains("fleet.find"));
}
