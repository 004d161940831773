//! One node of a fleet: its agent, and its way to the control plane.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::gate::Gate;
use crate::program::{Program, plain};

/// Where a node has its containers; nowhere, unless a test says.
const SOCKET: &str = "--container-socket";

/// A node: its agent may run or not, its state stays.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its way to the control plane.
    pub gate: Gate,
    state_dir: PathBuf,
    log: PathBuf,
    arguments: Vec<String>,
    starts: u32,
    agent: Option<Program>,
}

impl Node {
    pub(crate) fn new(name: &str, gate: Gate, dir: PathBuf, arguments: &[&str]) -> Self {
        let log = dir.with_file_name(format!("agent-{name}"));
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { name: name.to_owned(), gate, state_dir: dir, log, arguments, starts: 0, agent: None }
    }

    /// Starts an agent on the node's state.
    ///
    /// # Panics
    /// When one runs already.
    pub fn start(&mut self) {
        assert!(self.agent.is_none(), "the agent of {} runs already", self.name);
        self.starts += 1;
        let mut command = plain("tessera-agent");
        command.args(["--name", &self.name, "--server", &self.gate.url(), "--state-dir"]);
        command.arg(&self.state_dir).args(&self.arguments);
        if !self.arguments.iter().any(|argument| argument == SOCKET) {
            command.args([SOCKET, "none"]);
        }
        let log = self.log.with_extension(format!("{}.log", self.starts));
        self.agent = Some(Program::start(command, log));
    }

    /// Ends the agent with SIGKILL. Its workloads are not touched.
    ///
    /// # Panics
    /// When none runs.
    pub fn kill(&mut self) {
        self.agent.take().expect("an agent runs").kill();
    }

    /// Ends the agent in order. Its workloads are not touched.
    ///
    /// # Panics
    /// When none runs, or it does not end well.
    pub async fn terminate(&mut self) {
        let mut agent = self.agent.take().expect("an agent runs");
        agent.signal(Signal::TERM);
        let status = agent.wait().await;
        assert!(status.success(), "{status}: {}", agent.output());
    }

    /// Stops the agent's process without ending it.
    ///
    /// # Panics
    /// When none runs.
    pub fn freeze(&self) {
        self.agent().signal(Signal::STOP);
    }

    /// Lets a frozen agent go on.
    ///
    /// # Panics
    /// When none runs.
    pub fn thaw(&self) {
        self.agent().signal(Signal::CONT);
    }

    /// The agent's process, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Program::pid)
    }

    /// The agent's process.
    ///
    /// # Panics
    /// When none runs.
    #[must_use]
    pub fn agent(&self) -> &Program {
        self.agent.as_ref().expect("an agent runs")
    }
}
