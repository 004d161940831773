//! Runs whose folder cannot be read when the agent starts.
//!
//! Such a run may be alive. So it counts as the run of its copy, and no other one is started, until
//! it is certain that nothing of it is left. That is found out here, again and again: the folder may
//! become readable, its supervisor may end, or a person may clean up and remove the folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::time::sleep;

use super::attend::{Attendant, Handle, RETRY};
use super::containers::Runtime;
use super::orders::Order;
use super::supervised::SupervisedOptions;
use crate::containers::{ContainerSocket, ContainerSpec};
use crate::supervisor::{
    LogSpec, ProcessSpec, Resources, RunHandle, RunKind, RunSpec, Signal, Started, StopSpec,
    SupervisorError,
};

/// How a run is stopped of which nobody knows how.
const STOP: StopSpec = StopSpec { signal: Signal::TERM, grace_ms: 10_000 };

/// What is known of the run, although its folder cannot be read.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) dir: PathBuf,
    pub(super) run_id: String,
    pub(super) options: SupervisedOptions,
    pub(super) containers: Runtime,
}

impl Attendant {
    /// Attends to a run as soon as that is possible.
    pub(super) async fn attend_unreadable(
        mut self,
        lost: Lost,
        mut error: SupervisorError,
        shared: Handle,
    ) {
        let mut stop = None;
        let handle = loop {
            match lost.open().await {
                Ok(handle) => break handle,
                Err(Some(now)) => error = now,
                Err(None) => {}
            }
            self.say_trouble(Some(lost.explain(&error)));
            tokio::select! {
                () = sleep(RETRY) => {}
                order = self.orders.recv() => match order {
                    Some(Order::Stop(asked)) => stop = Some(asked),
                    // A lease that cannot be prolonged lapses, which is safe.
                    Some(Order::NotAfter(_) | Order::Renew(_)) => {}
                    Some(Order::Remove) | None => return,
                },
            }
        };
        self.say_trouble(None);
        let handle = shared.get_or_init(|| handle).clone();
        if let Some(stop) = stop
            && let Err(error) = handle.stop(stop).await
        {
            self.say_trouble(Some(error.to_string()));
        }
        self.attend(handle).await;
    }
}

impl Lost {
    /// Opens the folder, also if only the spec in it is lost or the folder was removed. The error may
    /// be the one that is known.
    async fn open(&self) -> Result<RunHandle, Option<SupervisorError>> {
        let error = match RunHandle::open(&self.dir).await {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        if !error.is_lost_record() {
            return Err(Some(error));
        }
        let Some(kind) = self.kind() else { return Err(Some(error)) };
        RunHandle::open_without_spec(&self.dir, self.guess(kind)).await.map_err(Some)
    }

    /// What it was, as far as that can be told; none if it may be a container and nobody can be asked.
    fn kind(&self) -> Option<RunKind> {
        let started = std::fs::read(self.dir.join("started.json")).ok();
        let started = started.and_then(|bytes| serde_json::from_slice::<Started>(&bytes).ok());
        let is_process = started.map(|started| started.container_id.is_none());
        let no_containers = self.options.container_socket == ContainerSocket::None;
        let runtime = self.containers.found();
        match (is_process, runtime) {
            (Some(true), _) => Some(process()),
            // Cleaning up after a container does all that is done after a process, too.
            (_, Some(runtime)) => Some(container(runtime.socket)),
            (None, None) if no_containers => Some(process()),
            (_, None) => None,
        }
    }

    fn guess(&self, kind: RunKind) -> RunSpec {
        RunSpec {
            run_id: self.run_id.clone(),
            kind,
            // With any limit, no hierarchy is left out where it may have a group.
            resources: Resources { cpu_millicores: Some(1), memory_bytes: Some(1) },
            stop: STOP,
            lease: None,
            not_after: None,
            log: LogSpec { dir: self.options.logs_dir.clone(), limits: self.options.log_limits },
            cgroup: self.options.cgroup.clone(),
            labels: BTreeMap::new(),
        }
    }

    fn explain(&self, error: &SupervisorError) -> String {
        format!(
            "whether its run is alive is not known, so it is not started anew: {error}; make the \
             folder {} readable, or end what is left of the run and remove the folder",
            self.dir.display()
        )
    }
}

fn process() -> RunKind {
    let (command, args, env, working_dir) = Default::default();
    RunKind::Process(ProcessSpec { command, args, env, working_dir })
}

fn container(socket: PathBuf) -> RunKind {
    let (image, command, args, env, working_dir) = Default::default();
    let (ports, mounts, labels) = Default::default();
    RunKind::Container(ContainerSpec {
        socket,
        image,
        command,
        args,
        env,
        working_dir,
        ports,
        mounts,
        labels,
    })
}
