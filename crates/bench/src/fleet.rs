//! A control plane and an agent, as real processes, for one benchmark.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tessera_client::Api;
use tessera_types::Name;
use tessera_types::node::NodeStatus;

use crate::benchmark::Context;

/// How long anything may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control plane and an agent. Dropping it ends both.
pub(crate) struct Fleet {
    pub(crate) api: Api,
    pub(crate) control: Process,
    pub(crate) agent: Process,
    _folder: TempDir,
}

/// A process that ends with its owner.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        if let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

impl Fleet {
    /// Starts both and waits until the node is ready.
    pub(crate) async fn start(context: &Context) -> Result<Self> {
        Self::start_as(context, &["--container-socket", "none"], "bench").await
    }

    /// The same with so many nodes that start nothing.
    pub(crate) async fn simulated(
        context: &Context,
        nodes: u32,
        arguments: &[&str],
    ) -> Result<Self> {
        let nodes = nodes.to_string();
        let last = format!("bench-{nodes:0>4}");
        let all: Vec<_> =
            ["--simulated-nodes", &nodes].into_iter().chain(arguments.iter().copied()).collect();
        Self::start_as(context, &all, &last).await
    }

    async fn start_as(context: &Context, arguments: &[&str], node: &str) -> Result<Self> {
        let folder = context.new_folder()?;
        let state = folder.path().join("control").display().to_string();
        let mut control = Command::new(binary("tessera-control")?)
            .args(["--listen", "127.0.0.1:0", "--state-dir", &state])
            .stdout(Stdio::piped())
            .spawn()?;
        let out = control.stdout.take().context("standard output is piped")?;
        let control = Process(control);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        let state = folder.path().join("agent").display().to_string();
        let agent = Command::new(binary("tessera-agent")?)
            .args(["--server", &url, "--name", "bench", "--state-dir", &state])
            .args(arguments)
            .env("RUST_LOG", "warn")
            .spawn()?;
        let agent = Process(agent);
        let api = Api::new(&url)?;
        wait_until_ready(&api, node).await?;
        Ok(Self { api, control, agent, _folder: folder })
    }
}

async fn wait_until_ready(api: &Api, node: &str) -> Result<()> {
    let name: Name = node.parse()?;
    let ready = async {
        loop {
            if let Ok(node) = api.get::<tessera_types::Node>(&name, None).await
                && node.status == NodeStatus::Ready
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.context("the node did not become Ready")
}

/// The binary that was built beside this one.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: run `cargo xtask bench`, which builds it", path.display());
    }
    Ok(path)
}
