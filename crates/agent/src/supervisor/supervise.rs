//! The supervisor process itself: from its arguments to its end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{getpid, set_child_subreaper, setsid};
use rustix::stdio::{dup2_stdin, dup2_stdout, stdin, stdout};

use super::container::Container;
use super::control::Control;
use super::fault::StartFault;
use super::oom;
use super::process::Process;
use super::run_dir::{EXIT, LOCK, RunDir, SPEC};
use super::spec::{ExitRecord, Outcome, RunKind, RunSpec};

/// Supervises the run in `dir` until nothing of it is left.
///
/// Standard input is the locked file `lock`, which thereby stays locked; standard output is a pipe
/// to the agent, which is closed when the program was executed or never will be.
pub fn supervise_main(dir: &Path) -> ExitCode {
    let dir = RunDir::new(dir);
    match supervise(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the supervisor of {} failed: {error}", dir.path().display());
            ExitCode::FAILURE
        }
    }
}

fn supervise(dir: &RunDir) -> io::Result<()> {
    let lock = take_lock(dir)?;
    let notify = take_notify_pipe()?;
    let oom_score = oom::protect();
    let result = detach().and_then(|()| control(dir, notify, oom_score));
    if let Err(error) = &result {
        record_failure(dir, error);
    }
    drop(lock);
    result
}

fn control(dir: &RunDir, notify: OwnedFd, oom_score: i32) -> io::Result<()> {
    let spec: RunSpec = dir.read(SPEC)?.ok_or(io::ErrorKind::NotFound)?;
    match &spec.kind {
        RunKind::Process(_) => {
            let (path, group) = (dir.path().to_owned(), spec.group());
            let process = Process::new(path, group, spec.resources, oom_score);
            Control::new(dir.clone(), &spec, process, notify)?.run(&spec)
        }
        RunKind::Container(container) => {
            let container = Container::new(&spec.run_id, container.clone(), spec.resources);
            Control::new(dir.clone(), &spec, container, notify)?.run(&spec)
        }
    }
}

/// Moves the lock to a descriptor that is not handed on to the workload.
fn take_lock(dir: &RunDir) -> io::Result<File> {
    let lock = File::from(fcntl_dupfd_cloexec(stdin(), 3)?);
    let (given, expected) = (lock.metadata()?, std::fs::metadata(dir.file(LOCK))?);
    if (given.dev(), given.ino()) != (expected.dev(), expected.ino()) {
        return Err(io::Error::other("standard input is not the lock of the run"));
    }
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(lock)
}

fn take_notify_pipe() -> io::Result<OwnedFd> {
    let notify = fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdout(File::options().write(true).open("/dev/null")?.as_fd())?;
    Ok(notify)
}

/// Leaves the agent's session, adopts whatever the workload orphans, and holds no file system busy.
fn detach() -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    // The name that process lists show; it would be "exe", after the path by which this was
    // started.
    let _cosmetic = std::fs::write("/proc/self/comm", "tessera-superv");
    std::env::set_current_dir("/")
}

/// A supervisor that fails takes its workload with it. Where that can still be said precisely, it
/// is.
fn record_failure(dir: &RunDir, error: &io::Error) {
    if dir.file(super::run_dir::STARTED).exists() {
        // The agent will find the run abandoned, kill what is left of it and record that.
        return;
    }
    let record = ExitRecord {
        started_at: None,
        ended_at: Timestamp::now(),
        pid: None,
        outcome: Outcome::StartFailed {
            message: format!("its supervisor failed: {error}"),
            fault: StartFault::Machine,
        },
        requested: false,
        reason: None,
        last_lines: Vec::new(),
    };
    if let Err(error) = dir.write(EXIT, &record) {
        eprintln!("cannot write {EXIT}: {error}");
    }
}
