//! The service manager of the user, spoken to through `systemctl --user`.
//!
//! The one idea: the program is the interface. It finds the manager as people do, and what it says
//! when it fails is what people know. Every call is bounded, so that a manager that hangs is told.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a call may take that waits for no unit.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a program that is waited for.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Why the service manager did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemctlError {
    /// The program cannot be started.
    #[error("systemctl cannot be started: {0}: is systemd installed?")]
    NotStarted(#[source] io::Error),
    /// Nobody answers.
    #[error(
        "systemd's user manager does not answer: {0}: log in as this user, or \
         `loginctl enable-linger`"
    )]
    NoManager(String),
    /// It refused.
    #[error("systemctl --user {command}: {said}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
    /// It does not end.
    #[error("systemctl --user {0} does not end within {PATIENCE:?}: see `systemctl --user status`")]
    Silent(String),
}

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Properties of a unit, by name.
pub type Properties = BTreeMap<String, String>;

/// The manager reads its units anew.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn daemon_reload() -> Result<(), SystemctlError> {
    call(&["daemon-reload"]).map(drop)
}

/// Enables a timer: the manager does not read its units anew by that, and starts nothing.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn enable(unit: &str) -> Result<(), SystemctlError> {
    call(&["enable", "--no-reload", "--", unit]).map(drop)
}

/// Stops a timer, and disables it; systemd then removes its link in the folder of units, too. The
/// manager does not read its units anew by that.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn disable_now(unit: &str) -> Result<(), SystemctlError> {
    call(&["disable", "--now", "--no-reload", "--", unit]).map(drop)
}

/// The properties of a unit that have these names; a unit that does not exist has
/// `LoadState=not-found`.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn show(unit: &str, names: &[&str]) -> Result<Properties, SystemctlError> {
    let property = format!("--property={}", names.join(","));
    // Times are those of the machine otherwise, in words.
    let words = ["show", &property, "--timestamp=unix", "--", unit];
    let said = ended(output(command(&words), &format!("show {unit}"))?, &words)?;
    let pairs = said.stdout.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// As [`show`], of several units; in their order, of each one once.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn show_all(units: &[String], names: &[&str]) -> Result<Vec<Properties>, SystemctlError> {
    if units.is_empty() {
        // Without a name it would tell of itself.
        return show_manager(&["Version"]).map(|_| Vec::new());
    }
    let property = format!("--property={}", names.join(","));
    let mut words = vec!["show", &property, "--timestamp=unix", "--"];
    words.extend(units.iter().map(String::as_str));
    // Not all times are told as they are asked for: those of timers are by the clock.
    let mut show = command(&words);
    show.env("TZ", "UTC");
    let said = ended(output(show, &words.join(" "))?, &words)?;
    let blocks = said.stdout.split("\n\n").filter(|block| !block.trim().is_empty());
    let pairs = |block: &str| {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    Ok(blocks.map(pairs).collect())
}

/// Properties of the manager itself.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn show_manager(names: &[&str]) -> Result<Properties, SystemctlError> {
    let said = call(&["show", &format!("--property={}", names.join(","))])?;
    let pairs = said.stdout.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Starts a unit anew.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn restart(unit: &str) -> Result<(), SystemctlError> {
    call(&["restart", "--", unit]).map(drop)
}

/// Stops a unit.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn stop(unit: &str) -> Result<(), SystemctlError> {
    call(&["stop", "--", unit]).map(drop)
}

/// Forgets that a unit failed.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn reset_failed(unit: &str) -> Result<(), SystemctlError> {
    call(&["reset-failed", "--", unit]).map(drop)
}

/// `systemctl --user` with these words, to be started by the caller.
#[must_use]
pub fn command<S: AsRef<OsStr>>(words: &[S]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(["--user", "--no-pager", "--no-ask-password"]).args(words);
    // Ctrl-C is for who asks, who then finishes the step that he is in.
    command.process_group(0);
    // What is said is looked at.
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// As [`call`], with a file that is open in the program for as long as it lives.
pub(crate) fn call_holding(words: &[&str], held: File) -> Result<(), SystemctlError> {
    let mut command = command(words);
    command.stdin(held);
    ended(output(command, &words.join(" "))?, words).map(drop)
}

fn call(words: &[&str]) -> Result<Said, SystemctlError> {
    ended(output(command(words), &words.join(" "))?, words)
}

fn ended(said: Said, words: &[&str]) -> Result<Said, SystemctlError> {
    if said.status.success() {
        return Ok(said);
    }
    let message = said.stderr.trim().to_owned();
    if message.contains("Failed to connect to bus") || message.contains("not been booted") {
        return Err(SystemctlError::NoManager(message));
    }
    let message = match said.status.signal() {
        Some(signal) => format!("ended by signal {signal}"),
        None if message.is_empty() => format!("exit code {}", said.status.code().unwrap_or(-1)),
        None => message,
    };
    Err(SystemctlError::Refused { command: words.join(" "), said: message })
}

/// Runs it to its end, within the time that a call may take.
fn output(command: Command, words: &str) -> Result<Said, SystemctlError> {
    let said = bounded(command, PATIENCE).map_err(SystemctlError::NotStarted)?;
    said.ok_or_else(|| SystemctlError::Silent(words.to_owned()))
}

/// Runs a program to its end, or kills it after this time; then there is nothing that it said.
pub(crate) fn bounded(mut command: Command, patience: Duration) -> io::Result<Option<Said>> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().map(|pipe| thread::spawn(move || text(pipe)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || text(pipe)));
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            let _gone = child.kill().and_then(|()| child.wait());
            return Ok(None);
        }
        thread::sleep(LOOK_INTERVAL);
    };
    let read = |pipe: Option<thread::JoinHandle<String>>| {
        pipe.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    Ok(Some(Said { status, stdout: read(stdout), stderr: read(stderr) }))
}

fn text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    let _as_far_as_it_goes = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_not_waited_for() {
        let mut endless = Command::new("sleep");
        endless.arg("1000000");
        assert!(bounded(endless, Duration::ZERO).unwrap().is_none());
        let mut brief = Command::new("echo");
        brief.arg("told");
        assert_eq!(bounded(brief, PATIENCE).unwrap().unwrap().stdout, "told\n");
    }
}
