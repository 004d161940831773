//! A control plane and as many agents as a benchmark wants, as real processes, and what
//! the benchmarks do with them alike.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tessera_client::{Api, call};
use tessera_types::api::{ApplyRequest, ManifestText};

use crate::benchmark::Context;
use crate::program::{Process, binary, get, serving};

/// How often it is looked whether what is waited for has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the nodes may take to be Ready, and the control plane to come back.
const PATIENCE: Duration = Duration::from_secs(180);
/// More than any benchmark needs of a simulated node.
const ROOM: [&str; 6] = ["--cpu", "1000", "--memory", "1024GiB", "--workloads-max", "1000"];

/// A control plane and its agents. Dropping it ends all of them.
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) url: String,
    // Ended in this order: agents that outlive their control plane would only complain.
    pub(crate) agents: Vec<Process>,
    pub(crate) control: Process,
    pub(crate) folder: TempDir,
    nodes: usize,
}

impl Stage {
    /// A control plane without nodes.
    pub(crate) fn start(context: &Context) -> Result<Self> {
        let folder = context.new_folder()?;
        let (control, url) = start_control(&folder, "127.0.0.1:0")?;
        Ok(Self { api: Api::new(&url)?, url, agents: Vec::new(), control, folder, nodes: 0 })
    }

    /// A node that runs processes.
    pub(crate) fn real(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        self.nodes += 1;
        self.agent(name, &[&["--container-socket", "none"], arguments].concat())
    }

    /// So many simulated nodes in one process, with more room than is needed.
    pub(crate) fn simulated(&mut self, name: &str, nodes: usize) -> Result<()> {
        self.simulated_with(name, nodes, &ROOM)
    }

    /// So many simulated nodes in one process, of this size.
    pub(crate) fn simulated_with(&mut self, name: &str, nodes: usize, size: &[&str]) -> Result<()> {
        self.nodes += nodes;
        self.agent(name, &[&["--simulated-nodes", &nodes.to_string()], size].concat())
    }

    /// One more process of agents. The names of its nodes begin with `name`.
    fn agent(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        let agent = Command::new(binary("tessera-agent")?)
            .args(["--server", &self.url, "--name", name, "--state-dir"])
            .arg(self.folder.path().join(name))
            .args(arguments)
            .env("RUST_LOG", "error")
            .spawn()?;
        self.agents.push(Process(agent));
        Ok(())
    }

    /// Waits until all nodes are Ready, and returns how many there are and how long that took.
    pub(crate) async fn ready(&self) -> Result<(usize, Duration)> {
        let is_it = |figures: &Figures| figures.count("Node", "Ready") == self.nodes;
        Ok((self.nodes, self.until("registering", PATIENCE, is_it).await?))
    }

    /// Kills the control plane as a crash would, starts it again where it was, and waits
    /// until it answers.
    pub(crate) async fn kill_and_restart(self) -> Result<Self> {
        let Self { api, url, agents, control, folder, nodes } = self;
        control.kill()?;
        let (control, at) = start_control(&folder, url.trim_start_matches("http://"))?;
        ensure!(at == url, "it listens on {at}");
        let begun = Instant::now();
        while !get(&url, "/readyz").await.is_ok_and(|it| it.starts_with("HTTP/1.1 200")) {
            ensure!(begun.elapsed() < PATIENCE, "the control plane does not come back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { api, url, agents, control, folder, nodes })
    }

    /// What the control plane counts.
    pub(crate) async fn figures(&self) -> Result<Figures> {
        Ok(Figures(get(&self.url, "/metrics").await?))
    }

    /// Waits until the figures are as wanted, and returns how long that took.
    pub(crate) async fn until(
        &self,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Figures) -> bool,
    ) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let figures = self.figures().await?;
            if is_it(&figures) {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < patience, "{what} takes too long:\n{}", figures.resources());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn start_control(folder: &TempDir, listen: &str) -> Result<(Process, String)> {
    let mut control = Command::new(binary("tessera-control")?);
    control.args(["--listen", listen, "--state-dir"]).arg(folder.path().join("control"));
    serving(&mut control)
}

/// Declares all of it in one request, of which nothing may be refused.
pub(crate) async fn declare(api: &Api, manifests: impl IntoIterator<Item = Value>) -> Result<()> {
    let manifests = manifests.into_iter().map(|one| ManifestText::from(&one)).collect();
    let answer = call(api.apply(None, &ApplyRequest { manifests })).await?;
    let refused = answer.results.into_iter().find_map(|result| result.problem);
    ensure!(refused.is_none(), "refused: {refused:?}");
    Ok(())
}

/// The metrics of a control plane.
pub(crate) struct Figures(String);

impl Figures {
    /// One figure, by its name with its labels; 0 where there is none.
    pub(crate) fn of(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }

    /// How many resources of a kind have a status.
    pub(crate) fn count(&self, kind: &str, status: &str) -> usize {
        let labels = format!("tessera_resources{{kind=\"{kind}\",status=\"{status}\"}}");
        self.of(&labels) as usize
    }

    /// How many resources of a kind there are.
    pub(crate) fn total(&self, kind: &str) -> usize {
        let prefix = format!("tessera_resources{{kind=\"{kind}\",");
        let lines = self.0.lines().filter(|line| line.starts_with(&prefix));
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        lines.filter_map(value).sum::<f64>() as usize
    }

    fn resources(&self) -> String {
        let is_count = |line: &&str| line.starts_with("tessera_resources{");
        self.0.lines().filter(is_count).collect::<Vec<_>>().join("\n")
    }
}
