//! Runs a plain process: spawns the launcher, waits for everything that descends from it, and kills
//! all of it.
//!
//! The supervisor is a subreaper, so whatever the workload starts stays its descendant, however
//! often it forks and whatever session it makes. `waitpid` says precisely when nothing of it is
//! left.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal, wait,
};

use super::events::{Event, Events};
use super::fault::StartFailure;
use super::launch::ABOUT_TO_EXECUTE;
use super::runtime::{Output, Runtime};
use super::signal::Signal;
use super::spec::{Outcome, Resources};
use super::{LAUNCH, own_executable, procfs};
use crate::cgroup::{Cgroup, kill};
use crate::logs::Stream;

/// The process of one run.
#[derive(Debug)]
pub(super) struct Process {
    run_dir: PathBuf,
    group: Cgroup,
    resources: Resources,
    /// What this process had before it protected itself, and what its workload gets again.
    oom_score: i32,
    /// Refers to the main process, and never to another one that got its number.
    main: Option<OwnedFd>,
    /// The supervisor has no descendants (any more).
    gone: Arc<AtomicBool>,
}

impl Process {
    pub(super) fn new(
        run_dir: PathBuf,
        group: Cgroup,
        resources: Resources,
        oom_score: i32,
    ) -> Self {
        let gone = Arc::new(AtomicBool::new(true));
        Self { run_dir, group, resources, oom_score, main: None, gone }
    }

    /// Spawns the launcher. It dies with the thread that calls this, which must be the main one.
    fn spawn(&self, report: OwnedFd, out: OwnedFd, err: OwnedFd) -> io::Result<u32> {
        let child = Command::new(own_executable())
            .arg0("tessera-launch")
            .arg(LAUNCH)
            .arg(&self.run_dir)
            .arg(std::process::id().to_string())
            .arg(self.oom_score.to_string())
            .stdin(Stdio::from(report))
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn()?;
        // The thread that waits for all descendants reaps it.
        Ok(child.id())
    }

    fn try_start(&mut self, events: &Events) -> io::Result<Output> {
        let (report, report_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (out, out_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_end) = pipe_with(PipeFlags::CLOEXEC)?;
        self.gone.store(false, Ordering::Release);
        let pid = self.spawn(report_end, out_end, err_end)?;
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| io::Error::other("the kernel gave no process number"))?;
        self.main = Some(pidfd_open(number, PidfdFlags::empty())?);
        let watcher =
            Watcher { main: number, gone: Arc::clone(&self.gone), events: events.clone() };
        let watch = move || watcher.run(File::from(report));
        thread::Builder::new().name("wait".into()).spawn(watch)?;
        Ok(vec![(Stream::Stdout, out), (Stream::Stderr, err)])
    }

    fn descendants(&self) -> BTreeSet<u32> {
        if self.gone.load(Ordering::Acquire) {
            BTreeSet::new()
        } else {
            procfs::descendants(std::process::id())
        }
    }
}

impl Runtime for Process {
    fn start(&mut self, events: &Events) -> Result<Output, StartFailure> {
        let unable =
            |what: &str, error: io::Error| StartFailure::machine(format!("cannot {what}: {error}"));
        self.group
            .create(self.resources.cpu_millicores, self.resources.memory_bytes)
            .map_err(|error| unable("set up the control group", error))?;
        self.try_start(events).map_err(|error| unable("start a process", error))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let unsendable = || io::Error::other(format!("{signal} cannot be sent"));
        let signal = signal.sendable().ok_or_else(unsendable)?;
        let Some(main) = &self.main else { return Ok(()) };
        pidfd_send_signal(main, signal)?;
        // A process that is suspended would not notice.
        Ok(pidfd_send_signal(main, rustix::process::Signal::CONT)?)
    }

    fn kill_all(&self) {
        self.group.kill_all();
        kill(|| self.descendants());
    }

    fn remaining(&self) -> Vec<u32> {
        let mut pids = self.group.pids();
        pids.append(&mut self.descendants());
        pids.into_iter().collect()
    }

    fn oom_killed(&self) -> bool {
        self.group.oom_kills() > 0
    }

    fn release(&self) -> io::Result<()> {
        // A health check may have come in last.
        self.group.kill_all();
        self.group.remove()
    }
}

/// Waits for the start and for every end, on a thread of its own.
struct Watcher {
    main: Pid,
    gone: Arc<AtomicBool>,
    events: Events,
}

impl Watcher {
    fn run(&self, report: File) {
        self.events.send(how_it_went(report, self.main));
        while let Some((pid, status)) = self.wait(WaitOptions::empty()) {
            if pid == self.main {
                // Usually there is nothing else. To know that now spares the control loop a look at
                // all processes.
                while self.wait(WaitOptions::NOHANG).is_some() {}
                self.events.send(Event::Ended(outcome(status)));
            } else {
                self.events.send(Event::Reaped);
            }
        }
        self.events.send(Event::Reaped);
    }

    /// Reaps one process. `None` if there is none to reap.
    fn wait(&self, options: WaitOptions) -> Option<(Pid, WaitStatus)> {
        loop {
            match wait(options) {
                Ok(reaped) => return reaped,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.gone.store(true, Ordering::Release);
                    return None;
                }
            }
        }
    }
}

/// Reads the launcher's report to its end, which is when the program is executed or the launcher
/// has failed.
fn how_it_went(mut report: File, main: Pid) -> Event {
    let mut bytes = Vec::new();
    let read = report.read_to_end(&mut bytes);
    let said = match (read, bytes.split_first()) {
        (Err(error), _) => {
            let message = format!("cannot read the launcher's report: {error}");
            return Event::StartFailed(StartFailure::machine(message));
        }
        (Ok(_), Some((&ABOUT_TO_EXECUTE, []))) => {
            let pid = main.as_raw_nonzero().get().unsigned_abs();
            return Event::Started { pid, container_id: None };
        }
        (Ok(_), Some((&ABOUT_TO_EXECUTE, said))) => said,
        (Ok(_), Some(_)) => &bytes,
        (Ok(_), None) => {
            let message =
                "it was killed before the program could be executed; is its memory limit too low?";
            return Event::StartFailed(StartFailure::machine(message));
        }
    };
    // A launcher that is killed in the middle of a word has told nothing that can be relied on.
    let failure = serde_json::from_slice(said)
        .unwrap_or_else(|_| StartFailure::machine(String::from_utf8_lossy(said)));
    Event::StartFailed(failure)
}

fn outcome(status: WaitStatus) -> Outcome {
    const CORE_DUMPED: i32 = 0x80;
    match status.terminating_signal() {
        Some(number) => Outcome::Signaled {
            signal: Signal::from_raw(number),
            core: status.as_raw() & CORE_DUMPED != 0,
        },
        None => Outcome::Exited { code: status.exit_status().unwrap_or(0) },
    }
}
