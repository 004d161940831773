//! One node of a fleet: its agent, and its way to the control plane.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    /// What starts the agent, and in which environment, if that is not the test itself.
    within: (Vec<String>, Vec<(String, String)>),
    starts: u32,
    agent: Option<Program>,
}

impl Node {
    pub(crate) fn new(name: &str, gate: Gate, dir: PathBuf, arguments: &[&str]) -> Self {
        let log = dir.with_file_name(format!("agent-{name}"));
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let within = Default::default();
        let name = name.to_owned();
        Self { name, gate, state_dir: dir, log, arguments, within, starts: 0, agent: None }
    }

    /// The agent is started by these words, and in this environment.
    pub(crate) fn within(self, words: Vec<String>, environment: Vec<(String, String)>) -> Self {
        Self { within: (words, environment), ..self }
    }

    /// Where its state is.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// All that its agents have said.
    #[must_use]
    pub fn output(&self) -> String {
        let log = |start| std::fs::read_to_string(self.log.with_extension(format!("{start}.log")));
        (1..=self.starts).filter_map(|start| log(start).ok()).collect()
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
        self.agent = Some(Program::start(self.wrapped(command), log));
    }

    fn wrapped(&self, inner: Command) -> Command {
        let (words, environment) = &self.within;
        let Some((first, rest)) = words.split_first() else { return inner };
        let mut command = Command::new(first);
        command.args(rest).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(environment.iter().cloned());
        command
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
