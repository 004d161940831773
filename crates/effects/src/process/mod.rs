//! Processes: shell commands, scripts and containers.
//!
//! The one idea: a process is attended by a task of its own, so that it is ended properly (its whole
//! group, with TERM and then KILL) also where whoever wants it is dropped.

mod attend;
mod container;
mod leftovers;
mod script;
mod shell;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{ContainerSpec, Error, ProcessSpec};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::settings::{Limits, Settings};
use container::Containers;
use leftovers::Leftovers;

/// What a process is told the effect's key in.
const KEY_VARIABLE: &str = "TESSERA_IDEMPOTENCY_KEY";
/// What of this process's environment others get.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Runs processes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Processes {
    limits: Arc<Limits>,
    work_dir: Option<PathBuf>,
    containers: Containers,
    leftovers: Arc<Leftovers>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code; 128 and the signal's number where one ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process that can be started.
struct Launch {
    command: Command,
    stdin: Option<Arc<str>>,
    /// What must be there while it runs.
    file: Option<tempfile::NamedTempFile>,
    /// What becomes of it, and of its group, when nobody attends it any more.
    unattended: Unattended,
}

/// What becomes of a process that nobody attends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unattended {
    /// It is ended with its group.
    Ends,
    /// It goes on: ending the command line of containers in the middle would leave it wrong about
    /// what runs.
    GoesOn,
}

impl Finished {
    pub(crate) fn into_json(self) -> Json {
        let Self { code, stdout, stderr } = self;
        json!({ "code": code, "stdout": stdout, "stderr": stderr })
    }
}

impl Processes {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = Arc::new(settings.limits.clone());
        let work_dir = settings.work_dir.clone();
        let containers = Containers::new(settings.container_engine.clone(), Arc::clone(&limits));
        Self { limits, work_dir, containers, leftovers: Arc::default() }
    }

    /// Looks for processes that an earlier program left behind; says how many effects' there are.
    pub(crate) fn look_for_leftovers(&self) -> usize {
        self.leftovers.look()
    }

    /// Runs a process to its end. One with this key that a crash left behind is ended before.
    pub(crate) async fn run(
        &self,
        spec: &ProcessSpec,
        key: &str,
        cancelled: &CancellationToken,
    ) -> Result<Finished, Error> {
        match spec {
            ProcessSpec::Container(spec) => self.containers.run(spec, key, cancelled).await,
            spec => {
                self.leftovers.end(key, self.limits.grace).await;
                if cancelled.is_cancelled() {
                    return Err(fault::cancelled());
                }
                attend::run(self.launch(spec, key)?, &self.limits, cancelled).await
            }
        }
    }

    /// Starts a process that nobody waits for.
    pub(crate) async fn start(&self, spec: &ProcessSpec, key: &str) -> Result<(), Error> {
        match spec {
            ProcessSpec::Container(spec) => self.containers.start(spec, key).await,
            spec => attend::start(self.launch(spec, key)?),
        }
    }

    /// Forgets a container whose result is stored.
    pub(crate) async fn settle(&self, spec: &ContainerSpec, key: &str) {
        self.containers.settle(spec, key).await;
    }

    fn launch(&self, spec: &ProcessSpec, key: &str) -> Result<Launch, Error> {
        let (mut launch, environment) = match spec {
            ProcessSpec::Shell(spec) => (shell::launch(spec), &spec.environment),
            ProcessSpec::Script(spec) => (script::launch(spec)?, &spec.environment),
            ProcessSpec::Container(_) => return Err(fault::runtime("a container is no command")),
        };
        let command = &mut launch.command;
        command.env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        for (name, value) in environment {
            check_variable(name, value)?;
            command.env(&**name, &**value);
        }
        command.env(KEY_VARIABLE, key);
        if let Some(folder) = &self.work_dir {
            command.current_dir(folder);
        }
        command.stdin(if launch.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.process_group(0);
        Ok(launch)
    }
}

/// What the system would refuse in words that nobody understands.
fn check_variable(name: &str, value: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(fault::configuration(format!("`{name}` is no name of a variable")));
    }
    match value.contains('\0') {
        true => Err(fault::configuration(format!("the variable `{name}` has a zero byte in it"))),
        false => Ok(()),
    }
}
