//! An engine as a process of its own, with a folder that outlives it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tessera_client::{Engine, call};
use tessera_types::engine::{EngineJob, JobHead, JobId, JobStatus, Submission};

/// How long anything may take that is waited for.
const WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    args: Vec<String>,
}

pub(crate) struct Running {
    child: Child,
    pub(crate) api: Engine,
    pub(crate) url: String,
}

impl Stage {
    pub(crate) fn new(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scenarios")).unwrap();
        fs::create_dir(folder.path().join("secrets")).unwrap();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { folder, args }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a scenario `NAME@v1` into the folder, with these tasks.
    pub(crate) fn scenario(&self, name: &str, rest: &str) {
        let head = format!(
            "document: {{ dsl: 1.0.3, namespace: test, name: {}, version: 1.0.0 }}\n",
            name.replace('_', "-")
        );
        let path = self.path("scenarios").join(format!("{name}.v1.yaml"));
        fs::write(path, head + rest).unwrap();
    }

    pub(crate) fn start(&self) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tessera-engine"))
            .args(["--listen", "127.0.0.1:0", "--state-dir"])
            .arg(self.path("state"))
            .arg("--scenarios")
            .arg(self.path("scenarios"))
            .arg("--secrets")
            .arg(self.path("secrets"))
            .args(&self.args)
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            panic!("{}", fs::read_to_string(self.path("log")).unwrap());
        };
        Running { child, api: Engine::new(url).unwrap(), url: url.to_owned() }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Running {
    /// As a loss of power ends it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it read its scenarios again.
    pub(crate) fn reload(&self) {
        let kill = Command::new("kill").arg("-HUP").arg(self.child.id().to_string()).status();
        assert!(kill.unwrap().success());
    }

    pub(crate) async fn submit(&self, submission: Value) -> EngineJob {
        let submission: Submission = serde_json::from_value(submission).unwrap();
        call(self.api.job_submit(&submission)).await.unwrap()
    }

    pub(crate) async fn run(&self, scenario: &str, input: Value) -> EngineJob {
        let job = self.submit(json!({ "scenario": scenario, "input": input })).await;
        self.until_over(&job.head.id).await
    }

    pub(crate) async fn get(&self, id: &JobId) -> EngineJob {
        call(self.api.job_get(id)).await.unwrap()
    }

    pub(crate) async fn all(&self) -> Vec<JobHead> {
        let page = call(self.api.job_list(Some(1000), None, None, None, None));
        page.await.unwrap().items
    }

    pub(crate) async fn until_over(&self, id: &JobId) -> EngineJob {
        self.until_job(id, |job| job.head.status.is_over()).await
    }

    pub(crate) async fn until_runs(&self, id: &JobId) -> EngineJob {
        self.until_job(id, |job| job.head.status == JobStatus::Running).await
    }

    pub(crate) async fn until_job(
        &self,
        id: &JobId,
        is_so: impl Fn(&EngineJob) -> bool,
    ) -> EngineJob {
        let begun_at = Instant::now();
        loop {
            let job = self.get(id).await;
            if is_so(&job) {
                return job;
            }
            assert!(begun_at.elapsed() < WITHIN, "{job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun_at = Instant::now();
    while !is_so().await {
        assert!(begun_at.elapsed() < WITHIN, "not within {WITHIN:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
