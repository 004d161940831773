//! A control plane and as many agents as a benchmark wants, as real processes: what the
//! benchmarks of many nodes share.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tessera_client::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::benchmark::Context;
use crate::fleet::{Process, binary};

/// How often it is looked whether what is waited for has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A control plane and its agents. Dropping it ends all of them.
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) url: String,
    // Ended in this order: agents that outlive their control plane would only complain.
    pub(crate) agents: Vec<Process>,
    pub(crate) control: Process,
    folder: TempDir,
}

impl Stage {
    /// A control plane without nodes.
    pub(crate) fn start(context: &Context) -> Result<Self> {
        let folder = context.new_folder()?;
        let mut control = Command::new(binary("tessera-control")?)
            .args(["--listen", "127.0.0.1:0", "--state-dir"])
            .arg(folder.path().join("control"))
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let out = control.stdout.take().context("standard output is piped")?;
        let control = Process(control);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { api: Api::new(&url)?, url, agents: Vec::new(), control, folder })
    }

    /// One more process of agents, with these arguments. Its nodes begin with `name`.
    pub(crate) fn agent(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        let agent = Command::new(binary("tessera-agent")?)
            .args(["--server", &self.url, "--name", name, "--state-dir"])
            .arg(self.folder.path().join(name))
            .args(arguments)
            .env("RUST_LOG", "error")
            .spawn()?;
        self.agents.push(Process(agent));
        Ok(())
    }

    /// So many simulated nodes in one process.
    pub(crate) fn simulated(&mut self, name: &str, nodes: usize) -> Result<()> {
        let nodes = nodes.to_string();
        let room = ["--cpu", "1000", "--memory", "1024GiB", "--workloads-max", "1000"];
        self.agent(name, &[&["--simulated-nodes", &nodes][..], &room[..]].concat())
    }

    /// What the control plane counts.
    pub(crate) async fn figures(&self) -> Result<Figures> {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(Figures(text))
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
