//! The control plane and the fleet, as processes, and what is asked of them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tessera_client::{Api, ListOptions, PutOptions};
use tessera_types::node::NodeStatus;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Manifest, Name, Node, Workload, limits};

use super::files::{Files, NODE_CPU, NODE_MEMORY_MIB, NODE_WORKLOADS};
use crate::benchmark::Context;
use crate::fleet::{Process, binary};

const PATIENCE: Duration = Duration::from_secs(120);

/// A control plane and a fleet.
pub(crate) struct Stage {
    pub(super) api: Api,
    pub(crate) control: Process,
    pub(super) agent: Process,
    pub(super) folder: TempDir,
    http: reqwest::Client,
    url: String,
}

impl Stage {
    /// Starts both, and waits until every node is ready.
    pub(super) async fn start(context: &Context, files: &Files) -> Result<Self> {
        let folder = context.new_folder()?;
        let (control, url) = start_control(&folder, "127.0.0.1:0")?;
        let agent = Command::new(binary("tessera-agent")?)
            .args(["--server", &url, "--name", "bench"])
            .args(["--simulated-nodes", &files.nodes.to_string()])
            .args(["--cpu", &format!("{NODE_CPU}m")])
            .args(["--memory", &format!("{NODE_MEMORY_MIB}MiB")])
            .args(["--workloads-max", &NODE_WORKLOADS.to_string(), "--state-dir"])
            .arg(folder.path().join("agent"))
            .env("RUST_LOG", "error")
            .spawn()?;
        let (agent, api) = (Process(agent), Api::new(&url)?);
        let stage = Self { api, control, agent, folder, http: reqwest::Client::new(), url };
        stage.all_ready(files.nodes as usize).await?;
        Ok(stage)
    }

    async fn all_ready(&self, nodes: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut ready = 0;
            let mut options =
                ListOptions { limit: Some(limits::PAGE_MAX as u32), ..ListOptions::default() };
            loop {
                let page = self.api.list::<Node>(&options).await?;
                ready += page.items.iter().filter(|it| it.status == NodeStatus::Ready).count();
                options.page = page.next_page;
                if options.page.is_none() {
                    break;
                }
            }
            if ready == nodes {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "only {ready} of {nodes} nodes are ready");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Sends every file, some at a time.
    pub(super) async fn apply(&self, files: &Files, senders: usize) -> Result<()> {
        let names: Arc<Vec<_>> = Arc::new(files.names().collect());
        let next = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..senders)
            .map(|_| {
                let (names, next) = (Arc::clone(&names), Arc::clone(&next));
                let folder = Files::folder(self.folder.path());
                let (http, url) = (self.http.clone(), format!("{}/v1/apply", self.url));
                tokio::spawn(async move {
                    while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let manifests = std::fs::read(folder.join(name))?;
                        send(&http, &url, name, &manifests).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for sender in senders {
            sender.await??;
        }
        Ok(())
    }

    /// Has `tesseractl` apply the folder of files.
    pub(super) async fn apply_by_command(&self) -> Result<()> {
        let mut command = tokio::process::Command::new(binary("tesseractl")?);
        command.args(["--server", &self.url, "apply", "-f"]);
        command.arg(Files::folder(self.folder.path())).stdout(Stdio::null());
        let status = command.status().await?;
        ensure!(status.success(), "tesseractl apply ends with {status}");
        Ok(())
    }

    /// How many workloads are Running, as the control plane counts them.
    pub(super) async fn running(&self) -> Result<usize> {
        let text = self.http.get(format!("{}/metrics", self.url)).send().await?.text().await?;
        let is_it = |line: &&str| {
            line.starts_with("tessera_resources{")
                && line.contains("\"Workload\"")
                && line.contains("\"Running\"")
        };
        let line = text.lines().find(is_it);
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        Ok(count.unwrap_or(0))
    }

    /// Kills the control plane as a crash would, starts it again where it was, and waits
    /// until it answers.
    pub(crate) async fn kill_and_restart(mut self) -> Result<Self> {
        let pid = Pid::from_raw(self.control.id().cast_signed()).context("no process id")?;
        kill_process(pid, Signal::KILL)?;
        self.control.0.wait()?;
        let listen = self.url.trim_start_matches("http://").to_owned();
        let (control, url) = start_control(&self.folder, &listen)?;
        ensure!(url == self.url, "it listens on {url}");
        self.control = control;
        let begun = Instant::now();
        loop {
            let ready = self.http.get(format!("{}/readyz", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(self);
            }
            if begun.elapsed() > PATIENCE {
                bail!("the control plane does not come back");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Declares one workload more, and waits until it runs.
    pub(crate) async fn run_one(&self) -> Result<()> {
        let name: Name = "one-more".parse()?;
        let manifest: Manifest<Workload> = serde_json::from_value(serde_json::json!({
            "name": name, "spec": {"command": "/bin/sleep"},
        }))?;
        self.api.put(&manifest, &PutOptions::default()).await?;
        let begun = Instant::now();
        while self.api.get::<Workload>(&name, None).await?.status != WorkloadStatus::Running {
            ensure!(begun.elapsed() < PATIENCE, "it does not run");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

fn start_control(folder: &TempDir, listen: &str) -> Result<(Process, String)> {
    let mut control = Command::new(binary("tessera-control")?)
        .args(["--listen", listen, "--state-dir"])
        .arg(folder.path().join("control"))
        .stdout(Stdio::piped())
        .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()))
        .spawn()?;
    let out = control.stdout.take().context("standard output is piped")?;
    let control = Process(control);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok((control, line.trim().rsplit(' ').next().unwrap_or_default().to_owned()))
}

async fn send(http: &reqwest::Client, url: &str, name: &str, manifests: &[u8]) -> Result<()> {
    let body = [b"{\"manifests\":", manifests, b"}"].concat();
    let request = http.post(url).header("content-type", "application/json");
    // The name of the file makes a retry safe, as a client would.
    let answer = request.header("idempotency-key", name).body(body).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success() && !text.contains("\"problem\""), "{name}: {status}: {text:.500}");
    Ok(())
}
