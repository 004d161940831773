//! What is seen of the tasks of a job.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tessera_client::call;
use tessera_types::engine::{JobStatus, StepStatus};

use crate::stage::Stage;

const TRACED: &str = r"
use: { secrets: [token] }
do:
  - attempt:
      try:
        - fails:
            raise: { error: { type: 'https://test/no', status: 400, detail: '${ $secrets.token }' } }
      catch:
        do: [{ mend: { set: { mended: true } } }]
  - passed: { if: '${ false }', set: { never: true } }
  - part: { run: { workflow: { namespace: test, name: part, version: 1.0.0 } } }
";

/// A step: its task, what it is within, how it stands and whether it says why.
type Told = (String, Vec<String>, StepStatus, Option<String>);

#[tokio::test]
async fn a_trace_has_what_was_skipped_and_caught_and_whose_task_each_is() {
    let stage = Stage::new(&[]);
    let secret = "tr0ub4dor-and-3";
    stage.scenario("traced", TRACED);
    stage.scenario("part", "do: [{ a: { set: { done: true } } }]\n");
    let path = stage.path("secrets").join("token");
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let engine = stage.start();
    let job = engine.run("traced@v1", json!({})).await;
    assert_eq!(job.head.status, JobStatus::Completed, "{job:?}");
    let trace = call(engine.api.job_steps(&job.head.id)).await.unwrap();
    assert!(!serde_json::to_string(&trace).unwrap().contains(secret));
    let told: Vec<Told> =
        trace.steps.into_iter().map(|it| (it.task, it.within, it.status, it.error)).collect();
    let within = |within: &[&str]| within.iter().map(ToString::to_string).collect::<Vec<_>>();
    let step = |task: &str, status| (task.to_owned(), within(&[]), status, None);
    let fails = &told[1].3;
    assert!(fails.as_ref().is_some_and(|why| why.contains("***")), "{fails:?}");
    let failed =
        ("/do/0/attempt/try/0/fails".to_owned(), within(&[]), StepStatus::Faulted, fails.clone());
    let expected = [
        step("/do/0/attempt", StepStatus::Completed),
        failed,
        step("/do/0/attempt/catch/do/0/mend", StepStatus::Completed),
        step("/do/1/passed", StepStatus::Skipped),
        step("/do/2/part", StepStatus::Completed),
        ("/do/0/a".to_owned(), within(&["/do/2/part"]), StepStatus::Completed, None),
    ];
    assert_eq!(told, expected);
}
