//! Runs a container: asks the container runtime for it, and kills it without asking if need be.
//!
//! A container is no child of its supervisor but the container runtime's, which is spoken to
//! through its API and may be slow, or gone. So a thread of its own, the [`keeper`], does all the
//! talking, while the control loop goes on enforcing deadlines: to kill, it does not wait for the
//! API but sends SIGKILL to the container's first process itself, which the kernel lets nothing in
//! the container survive.

mod explain;
mod keeper;
mod main_process;
mod output;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::events::Events;
use super::fault::{StartFailure, StartFault};
use super::runtime::{Output, Runtime};
use super::signal::Signal;
use super::spec::{Resources, Started};
use crate::containers::{ContainerApi, ContainerSpec, missing_mount};
use crate::logs::Stream;

use keeper::Keeper;
use main_process::MainProcess;
use output::PipeEnds;

/// The end of a run waits so long for the removal of its container. Whoever cleans up after the run
/// tries again.
const REMOVAL_TIME: Duration = Duration::from_secs(4);
const KILL_TIME: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The container of one run.
#[derive(Debug)]
pub(super) struct Container {
    run_id: String,
    spec: ContainerSpec,
    resources: Resources,
    shared: Arc<Shared>,
    /// Signals for the keeper to send; none before the start.
    signals: Option<UnboundedSender<Signal>>,
    /// Closed when the container is removed; none before the start.
    removed: Option<mpsc::Receiver<()>>,
}

/// What the control loop and the keeper both know.
#[derive(Debug, Default)]
struct Shared {
    main: OnceLock<MainProcess>,
    /// There is a container, or there may be one soon.
    alive: AtomicBool,
    /// It is to be killed.
    killed: AtomicBool,
    kill: Notify,
    oom_killed: AtomicBool,
}

impl Container {
    pub(super) fn new(run_id: &str, spec: ContainerSpec, resources: Resources) -> Self {
        let shared = Arc::default();
        let run_id = run_id.to_owned();
        Self { run_id, spec, resources, shared, signals: None, removed: None }
    }

    fn try_start(&mut self, events: &Events) -> io::Result<Output> {
        let tokio = tokio()?;
        let (ends, output) = pipes()?;
        let (signals, to_send) = unbounded_channel();
        let (done, removed) = mpsc::channel();
        let keeper = Keeper {
            api: ContainerApi::new(&self.spec.socket),
            run_id: self.run_id.clone(),
            spec: self.spec.clone(),
            resources: self.resources,
            shared: Arc::clone(&self.shared),
            events: events.clone(),
            signals: to_send,
        };
        self.shared.alive.store(true, Ordering::Release);
        let keep = move || {
            tokio.block_on(keeper.run(ends));
            drop(done);
        };
        thread::Builder::new().name("keeper".into()).spawn(keep)?;
        (self.signals, self.removed) = (Some(signals), Some(removed));
        Ok(output)
    }
}

impl Runtime for Container {
    fn start(&mut self, events: &Events) -> Result<Output, StartFailure> {
        if let Some(mount) = missing_mount(&self.spec) {
            let message = format!("the mount's source {} is not on the node", mount.source);
            return Err(StartFailure::new(StartFault::Mount, message));
        }
        self.try_start(events)
            .map_err(|error| StartFailure::machine(format!("cannot keep a container: {error}")))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        if let Some(signals) = &self.signals {
            let _has_ended = signals.send(signal);
        }
        Ok(())
    }

    fn kill_all(&self) {
        self.shared.killed.store(true, Ordering::Release);
        if let Some(main) = self.shared.main.get() {
            main.kill();
        }
        self.shared.kill.notify_one();
    }

    fn remaining(&self) -> Vec<u32> {
        let main = self.shared.main.get().filter(|_| !self.is_gone());
        main.map(MainProcess::pid).filter(|pid| *pid != 0).into_iter().collect()
    }

    fn is_gone(&self) -> bool {
        !self.shared.alive.load(Ordering::Acquire)
    }

    fn oom_killed(&self) -> bool {
        self.shared.oom_killed.load(Ordering::Acquire)
    }

    fn release(&self) -> io::Result<()> {
        let Some(removed) = &self.removed else { return Ok(()) };
        match removed.recv_timeout(REMOVAL_TIME) {
            Err(RecvTimeoutError::Timeout) => {
                Err(io::Error::other("the container could not be removed yet"))
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}

fn tokio() -> io::Result<Tokio> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

fn pipes() -> io::Result<(PipeEnds, Output)> {
    let pipe = || -> io::Result<(OwnedFd, OwnedFd)> { Ok(pipe_with(PipeFlags::CLOEXEC)?) };
    let ((out, out_end), (err, err_end)) = (pipe()?, pipe()?);
    let (notice, notice_end) = pipe()?;
    let ends = PipeEnds { out: out_end, err: err_end, notice: notice_end };
    let output = vec![(Stream::Stdout, out), (Stream::Stderr, err), (Stream::Notice, notice)];
    Ok((ends, output))
}

/// Ends and removes the container of a run whose supervisor is gone.
///
/// # Errors
/// If it cannot be made sure of that nothing of it runs.
pub(super) fn end_without_supervisor(
    run_id: &str,
    spec: &ContainerSpec,
    started: Option<&Started>,
) -> io::Result<()> {
    let removed = tokio()?.block_on(ContainerApi::new(&spec.socket).remove_run(run_id));
    let Err(error) = removed else { return Ok(()) };
    let Some(Started { pid, container_id: Some(id), .. }) = started else {
        return Err(io::Error::other(error));
    };
    // What does not run any more can be removed later.
    let main = MainProcess::find(id, *pid);
    let deadline = Instant::now() + KILL_TIME;
    main.kill();
    while main.is_alive() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("process {pid} survives SIGKILL, and {error}")));
        }
        thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}
