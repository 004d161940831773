//! What a run writes.
//!
//! The one idea: systemd gives it to the journal, under the run's invocation, and keeps nothing itself.
//! So where no journal is kept, or it may not be read, there is no output to show, which is said.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::systemctl;

/// Where systemd hands over what units write.
const JOURNAL: &str = "/run/systemd/journal/stdout";
/// After the end of a run its last lines are on their way for a moment: so long nothing has come.
const QUIET: Duration = Duration::from_millis(300);
/// No longer is waited for them.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no output to be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutput {
    /// Nobody keeps it.
    #[error("no journal is kept on this machine, so what the run writes is lost")]
    NoJournal,
    /// It is not for this user, or otherwise not to be had.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

/// The output of one run, as it is written.
#[derive(Debug)]
pub struct Output {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    complaints: Receiver<Vec<u8>>,
}

impl Output {
    /// That of the run with this invocation, from its beginning.
    ///
    /// # Errors
    /// There is none to be seen.
    pub fn of(invocation_id: &str) -> Result<Self, NoOutput> {
        let mut command = journal(invocation_id)?;
        command.args(["--follow", "--lines=all"]);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| NoOutput::Unreadable(error.to_string()))?;
        let (pieces, complaints) = (read(child.stdout.take()), read(child.stderr.take()));
        Ok(Self { child, pieces, complaints })
    }

    /// What has come since.
    ///
    /// # Errors
    /// No more will come.
    pub fn take(&mut self) -> Result<Vec<u8>, NoOutput> {
        let taken: Vec<u8> = self.pieces.try_iter().flatten().collect();
        match self.child.try_wait() {
            Ok(Some(_)) if taken.is_empty() => Err(NoOutput::Unreadable(self.complaint())),
            _ => Ok(taken),
        }
    }

    /// What has come since, and what of a run that is over is still on its way.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut taken = Vec::new();
        while Instant::now() < deadline {
            match self.pieces.recv_timeout(QUIET) {
                Ok(piece) => taken.extend(piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        taken
    }

    fn complaint(&self) -> String {
        let said: Vec<u8> = self.complaints.iter().flatten().collect();
        String::from_utf8_lossy(&said).lines().next().unwrap_or("journalctl has ended").to_owned()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The last lines that a run has written.
///
/// # Errors
/// There are none to be seen.
pub fn last_lines(invocation_id: &str, count: u16) -> Result<Vec<String>, NoOutput> {
    let mut command = journal(invocation_id)?;
    command.arg(format!("--lines={count}"));
    let said = systemctl::output(command, "journalctl")
        .map_err(|error| NoOutput::Unreadable(error.to_string()))?;
    match said.status.success() {
        true => Ok(said.stdout.lines().map(str::to_owned).collect()),
        false => Err(NoOutput::Unreadable(said.stderr.trim().to_owned())),
    }
}

/// The journal's part that is about a run. Without `--user`: a user of the system's own has no
/// journal apart.
fn journal(invocation_id: &str) -> Result<Command, NoOutput> {
    if !Path::new(JOURNAL).exists() {
        return Err(NoOutput::NoJournal);
    }
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--all", "--output=cat"]);
    command.arg(format!("_SYSTEMD_INVOCATION_ID={invocation_id}"));
    command.env("LC_ALL", "C").stdin(Stdio::null());
    Ok(command)
}

/// Reads a pipe to its end, piece by piece.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
