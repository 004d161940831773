//! The service manager of the user, spoken to through `systemctl --user`.
//!
//! The one idea: the program is the interface. It finds the manager as people do, and what it says
//! when it fails is what people know. Every call is bounded, so that a manager that hangs is told.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a call may take that waits for no unit.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// More than any program says that is asked here.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
    /// It is there, and does not answer in time.
    #[error(
        "systemd's user manager does not answer in time (systemctl --user {0}): see \
         `systemctl --user status`"
    )]
    Silent(String),
    /// A unit does not stop, although systemd kills what does not heed.
    #[error("{unit} does not stop within {waited:?}: see `systemctl --user status {unit}`")]
    NotStopped {
        /// The unit.
        unit: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl SystemctlError {
    /// The same, for one more who waited for it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::NotStarted(error) => {
                Self::NotStarted(io::Error::new(error.kind(), error.to_string()))
            }
            Self::NoManager(said) => Self::NoManager(said.clone()),
            Self::Refused { command, said } => {
                Self::Refused { command: command.clone(), said: said.clone() }
            }
            Self::Silent(command) => Self::Silent(command.clone()),
            Self::NotStopped { unit, waited } => {
                Self::NotStopped { unit: unit.clone(), waited: *waited }
            }
        }
    }
}

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// How the program ended, if it failed.
    pub(crate) fn failure(&self) -> Option<String> {
        match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => Some(format!("ended by signal {signal}")),
            (None, Some(0)) => None,
            (None, code) => Some(format!("exit code {}", code.unwrap_or(-1))),
        }
    }
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
    Ok(properties(&said.stdout))
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
    Ok(properties_of_all(&said.stdout))
}

/// The properties that one unit is said to have, one a line.
pub(crate) fn properties(said: &str) -> Properties {
    let pairs = said.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Those of several, with an empty line between them.
pub(crate) fn properties_of_all(said: &str) -> Vec<Properties> {
    let blocks = said.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(properties).collect()
}

/// Properties of the manager itself.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn show_manager(names: &[&str]) -> Result<Properties, SystemctlError> {
    let said = call(&["show", &format!("--property={}", names.join(","))])?;
    Ok(properties(&said.stdout))
}

/// Starts a unit anew.
///
/// # Errors
/// It cannot be asked, or refuses.
pub fn restart(unit: &str) -> Result<(), SystemctlError> {
    call(&["restart", "--", unit]).map(drop)
}

/// Stops a unit, and waits as long as its program may take to end before systemd kills it.
///
/// # Errors
/// It cannot be asked, or refuses; or the unit goes on.
pub fn stop(unit: &str) -> Result<(), SystemctlError> {
    const TIMEOUT: &str = "TimeoutStopUSec";
    let timeout = show(unit, &[TIMEOUT])?.remove(TIMEOUT).and_then(|told| time_span(&told));
    let waited = PATIENCE + timeout.unwrap_or_default();
    let words = ["stop", "--", unit];
    let said = bounded(command(&words), waited).map_err(SystemctlError::NotStarted)?;
    let said = said.ok_or_else(|| SystemctlError::NotStopped { unit: unit.to_owned(), waited })?;
    ended(said, &words).map(drop)
}

/// A time span such as `1min 30s`; none where there is no limit.
pub(crate) fn time_span(told: &str) -> Option<Duration> {
    told.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
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
    let Some(failure) = said.failure() else { return Ok(said) };
    let message = said.stderr.trim().to_owned();
    if message.contains("Failed to connect to bus") || message.contains("not been booted") {
        return Err(SystemctlError::NoManager(message));
    }
    // What systemctl says where it gives up first.
    if message.contains("Connection timed out") || message.contains("Method call timed out") {
        return Err(SystemctlError::Silent(words.join(" ")));
    }
    let is_told = said.status.signal().is_none() && !message.is_empty();
    let said = if is_told { message } else { failure };
    Err(SystemctlError::Refused { command: words.join(" "), said })
}

/// Runs it to its end, within the time that a call may take.
fn output(command: Command, words: &str) -> Result<Said, SystemctlError> {
    let said = bounded(command, PATIENCE).map_err(SystemctlError::NotStarted)?;
    said.ok_or_else(|| SystemctlError::Silent(words.to_owned()))
}

/// Runs a program to its end, or kills it and what it has started after this time; then there is
/// nothing that it said.
pub(crate) fn bounded(mut command: Command, patience: Duration) -> io::Result<Option<Said>> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let deadline = Instant::now() + patience;
    let (stdout, stderr) = (text(child.stdout.take()), text(child.stderr.take()));
    let said = said_by(deadline, &mut child, &stdout, &stderr)?;
    if said.is_none() {
        let _gone = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait()?;
    }
    Ok(said)
}

/// What a program said, if it ends before that time and lets go of its pipes, which what it has
/// started may have, too.
fn said_by(
    deadline: Instant,
    child: &mut Child,
    stdout: &Receiver<String>,
    stderr: &Receiver<String>,
) -> io::Result<Option<Said>> {
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        thread::sleep(LOOK_INTERVAL);
    };
    let all = |pipe: &Receiver<String>| {
        // What is there already is taken, however late it is.
        let left = deadline.saturating_duration_since(Instant::now()).max(LOOK_INTERVAL);
        pipe.recv_timeout(left).ok()
    };
    let (Some(stdout), Some(stderr)) = (all(stdout), all(stderr)) else { return Ok(None) };
    Ok(Some(Said { status, stdout, stderr }))
}

/// All that comes through a pipe, once it has.
fn text(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _as_far_as_it_goes =
            pipe.map(|pipe| pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes));
        let _nobody_waits = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
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

    #[test]
    fn what_a_program_leaves_running_is_not_waited_for_and_ended_with_it() {
        let mut parent = Command::new("sh");
        parent.args(["-c", "exec 3<&0; sleep 1000000 <&3 & wait"]);
        let (mut reader, writer) = io::pipe().unwrap();
        // Held by what is left, and read to its end when that is gone.
        parent.stdin(writer);
        assert!(bounded(parent, Duration::from_millis(200)).unwrap().is_none());
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
        let mut parent = Command::new("sh");
        parent.args(["-c", "sleep 1000000 &"]);
        assert!(bounded(parent, Duration::from_millis(200)).unwrap().is_none());
    }

    #[test]
    fn who_gives_up_waiting_says_that_nobody_answers() {
        let said = |stderr: &str| {
            let status = ExitStatus::from_raw(1 << 8);
            let said = Said { status, stdout: String::new(), stderr: stderr.to_owned() };
            ended(said, &["show"]).unwrap_err()
        };
        let silent = said("Failed to get properties: Connection timed out");
        assert!(matches!(silent, SystemctlError::Silent(_)), "{silent}");
        let late = said("Job for x.service failed because a timeout was exceeded.");
        assert!(matches!(late, SystemctlError::Refused { .. }), "{late}");
    }

    #[test]
    fn time_spans_are_read() {
        assert_eq!(time_span("1min 30s"), Some(Duration::from_secs(90)));
        assert_eq!(time_span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time_span("1h 5s"), Some(Duration::from_secs(3605)));
        assert_eq!(time_span("infinity"), None);
    }
}
