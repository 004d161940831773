//! What must happen between fork and exec, in a process of its own.
//!
//! Forking a large process is slow and running code after a fork is unsafe, so the supervisor
//! spawns this instead: it makes the process what the workload should be, and then becomes the
//! workload by `exec`, keeping its pid.
//!
//! Standard input is a pipe to the supervisor at first. One byte on it says that `exec` comes next;
//! what follows that, or comes instead of it, is what went wrong, as JSON. On success nothing
//! follows, for `exec` closes the pipe.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, setsid};
use rustix::stdio::{dup2_stdin, stdin};

use super::fault::{StartFailure, StartFault, is_about_the_file};
use super::oom;
use super::procfs::RUN_DIR_VARIABLE;
use super::run_dir::{RunDir, SPEC};
use super::spec::{ProcessSpec, RunKind, RunSpec};

/// Says on the pipe that `exec` comes next.
pub(super) const ABOUT_TO_EXECUTE: u8 = b'.';

/// For the workload's own use.
pub(crate) const RUN_VARIABLE: &str = "TESSERA_RUN";

/// What a workload inherits of the agent's environment.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "USER", "TMPDIR"];

/// Becomes the process that the run in `dir` asks for. It returns only if that fails.
///
/// `oom_score` is what the supervisor had before it protected itself.
pub fn launch_main(dir: &Path, supervisor_pid: u32, oom_score: i32) -> ExitCode {
    let Ok(mut report) = take_report_pipe() else { return ExitCode::FAILURE };
    let failure = match launch(dir, supervisor_pid, oom_score, &mut report) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // Nobody is left to tell if this fails.
    let _unread = serde_json::to_writer(&mut report, &failure);
    ExitCode::FAILURE
}

/// Moves the pipe out of the workload's way, to a descriptor that `exec` closes.
fn take_report_pipe() -> io::Result<File> {
    let report = File::from(fcntl_dupfd_cloexec(stdin(), 3)?);
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(report)
}

fn launch(
    dir: &Path,
    supervisor_pid: u32,
    oom_score: i32,
    report: &mut File,
) -> Result<Never, StartFailure> {
    let spec: RunSpec = RunDir::new(dir)
        .read(SPEC)
        .map_err(unable("read the run's spec"))?
        .ok_or_else(|| StartFailure::machine("the run's spec is gone"))?;
    detach(supervisor_pid)?;
    oom::expose(oom_score).map_err(unable("give up the supervisor's protection"))?;
    spec.group().join().map_err(unable("join the control group"))?;
    let RunKind::Process(process) = spec.kind else {
        return Err(StartFailure::machine("the run is no process"));
    };
    enter(process.working_dir.as_deref().unwrap_or(Path::new("/")))?;
    let mut command = command(&process, dir, &spec.run_id);
    report.write_all(&[ABOUT_TO_EXECUTE]).map_err(unable("speak to the supervisor"))?;
    let error = command.exec();
    Err(failure(StartFault::Program, &error, explain(&process.command, &error)))
}

/// `exec` returns only to say why it failed.
enum Never {}

/// A session of its own, and an end if the supervisor ends: without it nothing would stop the
/// workload in time.
fn detach(supervisor_pid: u32) -> Result<(), StartFailure> {
    setsid().map_err(unable("make a session"))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(unable("follow the supervisor"))?;
    // It may have died before the line above.
    let parent = getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs());
    let gone = || StartFailure::machine("the supervisor is gone");
    if parent == Some(supervisor_pid) { Ok(()) } else { Err(gone()) }
}

pub(super) fn enter(dir: &Path) -> Result<(), StartFailure> {
    std::env::set_current_dir(dir).map_err(|error| {
        let message = format!("working directory {}: {}", dir.display(), plain(&error));
        failure(StartFault::WorkingDir, &error, message)
    })
}

/// What failed about a file that the spec names: that file's fault, or the machine's.
fn failure(fault: StartFault, error: &io::Error, message: String) -> StartFailure {
    let fault = if is_about_the_file(error) { fault } else { StartFault::Machine };
    StartFailure::new(fault, message)
}

/// What the launcher itself could not do.
fn unable<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> StartFailure {
    move |error| StartFailure::machine(format!("cannot {what}: {error}"))
}

fn command(process: &ProcessSpec, dir: &Path, run_id: &str) -> Command {
    let mut command = Command::new(&process.command);
    surround(command.args(&process.args), &process.env, dir, run_id);
    command
}

/// Gives a command the environment of a run, and nothing else.
pub(super) fn surround(
    command: &mut Command,
    env: &BTreeMap<String, String>,
    dir: &Path,
    run_id: &str,
) {
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(env).env(RUN_VARIABLE, run_id).env(RUN_DIR_VARIABLE, dir);
}

/// Says what is wrong with a program that could not be executed.
fn explain(command: &str, error: &io::Error) -> String {
    let by_path = command.contains('/');
    let file = Path::new(command);
    match error.kind() {
        io::ErrorKind::NotFound if !by_path => format!("no such command in PATH: {command}"),
        io::ErrorKind::NotFound if file.exists() => {
            format!("{command} needs an interpreter or loader that does not exist")
        }
        io::ErrorKind::NotFound => format!("no such file: {command}"),
        io::ErrorKind::PermissionDenied if by_path && file.is_dir() => {
            format!("not a program but a folder: {command}")
        }
        io::ErrorKind::PermissionDenied => format!("not executable: {command}"),
        io::ErrorKind::ArgumentListTooLong => {
            format!("the arguments and the environment of {command} are too large together")
        }
        _ => format!("{command}: {}", plain(error)),
    }
}

/// The system's words, without the number behind them.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
