//! The engine deploys workloads through the control plane, whoever of them dies.

use std::path::Path;

use serde_json::json;
use tessera_client::{Engine, call};
use tessera_e2e::{Fleet, Program, plain};
use tessera_types::engine::{EngineJob, JobId, JobStatus, Submission};
use tessera_types::workload::WorkloadStatus;

async fn start(folder: &Path, control: &str, starts: u32) -> (Program, Engine) {
    let mut command = plain("tessera-engine");
    command.args(["--listen", "127.0.0.1:0", "--control", control, "--state-dir"]);
    command.arg(folder.join("state"));
    let mut engine = Program::start(command, folder.join(format!("engine.{starts}.log")));
    let url = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
    let url = engine.line("the engine comes up", url).await;
    (engine, Engine::new(&url).unwrap())
}

async fn until_over(fleet: &Fleet, api: &Engine, id: &JobId) -> EngineJob {
    let over = async || {
        let job = call(api.job_get(id)).await.unwrap();
        job.head.status.is_over().then_some(job)
    };
    fleet.eventually("the end of a job", over).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_deploys_and_removes_a_workload_over_the_death_of_engine_and_control_plane() {
    let mut fleet = Fleet::start().await;
    let folder = tempfile::tempdir().unwrap();
    let url = fleet.api.url().to_owned();
    let (engine, api) = start(folder.path(), &url, 1).await;
    let spec = fleet.sleeper("web")["spec"].clone();
    let submission: Submission = serde_json::from_value(
        json!({"scenario": "deploy@v1", "input": {"name": "web", "spec": spec}}),
    )
    .unwrap();
    let job = call(api.job_submit(&submission)).await.unwrap();
    // There is no node yet: the job waits, and so does the workload.
    let waits = async || {
        let steps = call(api.job_steps(&job.head.id)).await.unwrap();
        (steps.entries == 1).then_some(())
    };
    fleet.eventually("the wait", waits).await;
    engine.kill();
    let (_engine, api) = start(folder.path(), &url, 2).await;
    fleet.kill_control();
    fleet.start_control().await;
    fleet.add_node("a", &[]).await;
    let job = until_over(&fleet, &api, &job.head.id).await;
    assert_eq!(job.output.unwrap()["status"], json!("Running"));
    let running = fleet.get("web").await;
    assert_eq!((running.status, running.generation), (WorkloadStatus::Running, 1));

    let submission: Submission =
        serde_json::from_value(json!({"scenario": "undeploy@v1", "input": {"name": "web"}}))
            .unwrap();
    let job = call(api.job_submit(&submission)).await.unwrap();
    assert_eq!(until_over(&fleet, &api, &job.head.id).await.head.status, JobStatus::Completed);
    assert_eq!(call(api.job_list(None, None, None, None, None)).await.unwrap().items.len(), 2);
}
