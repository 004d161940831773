//! What a run writes.
//!
//! The one idea: systemd gives it to the journal, under the run's invocation, and keeps nothing itself.
//! So where no journal is kept, or it may not be read, there is no output to show, which is said.
//!
//! The journal is behind the run. When that is over, a line is written into the journal, too: once that
//! is read, what the run wrote has been taken in.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::{self, NoOutput};

/// Where anybody may write to the journal, in its own form: a field a line.
const ENTRANCE: &str = "/run/systemd/journal/socket";
/// Of much output some may come after the line that ends it: so long nothing has come.
const QUIET: Duration = Duration::from_millis(200);
/// No longer is waited for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The output of one run, as it is written.
#[derive(Debug)]
pub struct Output {
    child: Child,
    lines: Receiver<Vec<u8>>,
    complaints: Receiver<Vec<u8>>,
    invocation_id: String,
    /// Whether the line was read that comes after all others.
    is_complete: bool,
}

impl Output {
    /// That of the run with this invocation, from its beginning.
    ///
    /// # Errors
    /// There is none to be seen.
    pub(super) fn of(invocation_id: &str) -> Result<Self, NoOutput> {
        Self::since(invocation_id, "all")
    }

    fn since(invocation_id: &str, lines: &str) -> Result<Self, NoOutput> {
        let mut command = journal::of_run(invocation_id, lines)?;
        let mut child = command.spawn().map_err(|error| NoOutput::Unreadable(error.to_string()))?;
        let (lines, complaints) = (read(child.stdout.take()), read(child.stderr.take()));
        let invocation_id = invocation_id.to_owned();
        Ok(Self { child, lines, complaints, invocation_id, is_complete: false })
    }

    /// What has come since: whole lines.
    ///
    /// # Errors
    /// No more will come.
    pub fn take(&mut self) -> Result<Vec<u8>, NoOutput> {
        let ended = self.child.try_wait();
        let taken: Vec<_> = self.lines.try_iter().collect();
        let taken: Vec<_> = taken.into_iter().filter(|line| self.is_of_the_run(line)).collect();
        match ended {
            Ok(Some(_)) if taken.is_empty() => Err(self.complaint()),
            _ => Ok(taken.concat()),
        }
    }

    /// What has come since, and what of a run that is over is still on its way.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let is_sent = self.send_end();
        let deadline = Instant::now() + PATIENCE;
        let mut taken = Vec::new();
        while Instant::now() < deadline {
            match self.lines.recv_timeout(QUIET) {
                Ok(line) if self.is_of_the_run(&line) => taken.extend(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) if is_sent && !self.is_complete => {}
                Err(_) => break,
            }
        }
        taken
    }

    /// Writes the line that comes after all others.
    fn send_end(&self) -> bool {
        let id = &self.invocation_id;
        let entry = journal::ending(id, &end_of(id));
        let socket = UnixDatagram::unbound();
        socket.and_then(|socket| socket.send_to(entry.as_bytes(), ENTRANCE)).is_ok()
    }

    /// Others who wait for the same run write such a line, too.
    fn is_of_the_run(&mut self, line: &[u8]) -> bool {
        let is_end = line.trim_ascii_end() == end_of(&self.invocation_id).as_bytes();
        self.is_complete |= is_end;
        !is_end
    }

    fn complaint(&self) -> NoOutput {
        journal::complaint(&self.complaints.iter().flatten().collect::<Vec<u8>>())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The last lines that a run has written which is over.
///
/// # Errors
/// There are none to be seen.
pub fn last_lines(invocation_id: &str, count: usize) -> Result<Vec<String>, NoOutput> {
    // One more, for a line that is not the run's.
    let output = Output::since(invocation_id, &(count + 1).to_string())?;
    let text = String::from_utf8_lossy(&output.finish()).into_owned();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    Ok(lines[lines.len().saturating_sub(count)..].to_vec())
}

/// The line that comes after all others of a run.
fn end_of(invocation_id: &str) -> String {
    format!("the end of run {invocation_id} was waited for")
}

/// Reads a pipe to its end, line by line.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
