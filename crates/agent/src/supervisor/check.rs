//! Runs a command that checks the health of a run, and leaves nothing of it behind.
//!
//! Between the agent and the command there is a process of its own, the *checker*: once more the
//! same executable. It is in the run's control group, so that a check is held to the run's limits
//! and ends with the run, and it is a subreaper in a session of its own, so that whatever the
//! command starts stays its descendant. So it can kill exactly the check, with and without control
//! groups, and never hits the workload. It keeps the time itself: a check ends in time also when the
//! agent is gone.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{
    Pid, PidfdFlags, WaitOptions, getpid, pidfd_open, set_child_subreaper, setsid, wait,
};
use rustix::stdio::{dup2_stdout, stdout};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::launch::{enter, surround};
use super::run_dir::{RunDir, SPEC};
use super::spec::{RunKind, RunSpec};
use super::{CHECK, oom, procfs};
use crate::cgroup::kill;

/// What survives SIGKILL for so long is left to the end of the run.
const KILL_TIME: Duration = Duration::from_secs(2);
const KILL_RETRY: Duration = Duration::from_millis(5);
/// How long the checker may take beyond the check: to come up on a busy machine, and to kill.
const SLACK: Duration = Duration::from_secs(10);
const VERDICT_BYTES_MAX: u64 = 64 * 1024;

/// What the checker tells the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// The command returned.
    Exited(i32),
    /// It was ended by a signal.
    Killed,
    /// It took too long.
    Late,
    /// It was never executed, for this reason.
    Unable(String),
}

/// Checks a run once: starts the checker for the run in `run_dir` and waits for its verdict.
///
/// # Errors
/// If the check failed or could not be made: what was wrong, for people.
pub(super) async fn check(
    exe: &Path,
    run_dir: &Path,
    command: &[String],
    limit: tessera_types::Duration,
) -> Result<(), String> {
    let program = command.first().ok_or("the command is empty")?;
    let unable = |error: io::Error| format!("cannot start a health check: {error}");
    // It is not killed with this future: it would leave behind what it is there to clean up.
    let mut checker = tokio::process::Command::new(exe)
        .arg0("tessera-check")
        .arg(CHECK)
        .arg(run_dir)
        .arg(limit.as_millis().to_string())
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(unable)?;
    let mut said = Vec::new();
    let listen = async {
        if let Some(stdout) = checker.stdout.take() {
            stdout.take(VERDICT_BYTES_MAX).read_to_end(&mut said).await?;
        }
        checker.wait().await
    };
    match timeout(limit.as_std().saturating_add(SLACK), listen).await {
        Ok(Ok(_)) => judge(program, &said, limit),
        Ok(Err(error)) => Err(unable(error)),
        Err(_) => Err(late(limit)),
    }
}

fn judge(program: &str, said: &[u8], limit: tessera_types::Duration) -> Result<(), String> {
    match serde_json::from_slice(said) {
        Ok(Verdict::Exited(0)) => Ok(()),
        Ok(Verdict::Exited(code)) => Err(format!("{program} exited with code {code}")),
        Ok(Verdict::Killed) => Err(format!("{program} was killed")),
        Ok(Verdict::Late) => Err(late(limit)),
        Ok(Verdict::Unable(message)) => Err(message),
        Err(_) => Err(format!("the check of {program} was killed")),
    }
}

fn late(limit: tessera_types::Duration) -> String {
    format!("no answer within {limit}")
}

/// The checker: runs the command in the surroundings of the run in `dir` for at most `limit`, and
/// says on standard output how that went.
pub(super) fn check_main(dir: &Path, limit: Duration, command: &[OsString]) -> ExitCode {
    let Ok(report) = take_report_pipe() else { return ExitCode::FAILURE };
    let verdict = run(dir, limit, command).unwrap_or_else(Verdict::Unable);
    end_descendants();
    // The agent may be gone.
    let _unread = serde_json::to_writer(&report, &verdict);
    ExitCode::SUCCESS
}

/// Moves the pipe to a descriptor that is not handed on to the command.
fn take_report_pipe() -> io::Result<File> {
    let report = File::from(fcntl_dupfd_cloexec(stdout(), 3)?);
    dup2_stdout(File::options().write(true).open("/dev/null")?.as_fd())?;
    Ok(report)
}

fn run(dir: &Path, limit: Duration, command: &[OsString]) -> Result<Verdict, String> {
    let spec: RunSpec = RunDir::new(dir)
        .read(SPEC)
        .and_then(|spec| spec.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|error| format!("cannot read the run's spec: {error}"))?;
    let RunKind::Process(process) = &spec.kind else { return Err("the run is no process".into()) };
    detach(&spec).map_err(|error| format!("cannot join the run: {error}"))?;
    enter(process.working_dir.as_deref().unwrap_or(Path::new("/")))
        .map_err(|failure| failure.message)?;
    let [program, args @ ..] = command else { return Err("the command is empty".into()) };
    let mut command = Command::new(program);
    surround(command.args(args), &process.env, dir, &spec.run_id);
    let unable = |error: io::Error| format!("cannot execute {}: {error}", program.display());
    let mut child = command.spawn().map_err(unable)?;
    let ended = i32::try_from(child.id()).ok().and_then(Pid::from_raw).map(|pid| {
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        ends_within(&process, limit)
    });
    match ended {
        Some(Ok(true)) => child.wait().map(verdict).map_err(unable),
        Some(Ok(false)) => Ok(Verdict::Late),
        Some(Err(error)) => Err(unable(error)),
        None => Err("the kernel gave no process number".into()),
    }
}

/// Becomes one of the run's processes, and the one that everything below it falls back to.
fn detach(spec: &RunSpec) -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    oom::expose(0)?;
    spec.group().join()
}

fn ends_within(process: &OwnedFd, limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.try_into().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn verdict(status: ExitStatus) -> Verdict {
    match status.code() {
        Some(code) => Verdict::Exited(code),
        None => {
            debug_assert!(status.signal().is_some(), "a child that was waited for has ended");
            Verdict::Killed
        }
    }
}

/// Kills whatever is left of the check.
fn end_descendants() {
    let deadline = Instant::now() + KILL_TIME;
    while has_children() && Instant::now() < deadline {
        kill(|| procfs::descendants(std::process::id()));
        thread::sleep(KILL_RETRY);
    }
}

/// Reaps what is dead, and says whether anything is left.
fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_judged_in_peoples_words() {
        let limit = tessera_types::Duration::from_millis(50);
        let judged = |verdict: &Verdict| {
            judge("/x", &serde_json::to_vec(verdict).unwrap(), limit).map_err(|said| said + ".")
        };
        assert_eq!(judged(&Verdict::Exited(0)), Ok(()));
        assert_eq!(judged(&Verdict::Exited(3)), Err("/x exited with code 3.".to_owned()));
        assert_eq!(judged(&Verdict::Killed), Err("/x was killed.".to_owned()));
        assert_eq!(judged(&Verdict::Late), Err("no answer within 50ms.".to_owned()));
        assert_eq!(judged(&Verdict::Unable("no".to_owned())), Err("no.".to_owned()));
        assert_eq!(judge("/x", b"", limit), Err("the check of /x was killed".to_owned()));
    }
}
