//! `systemctl start`, which says which job it got, and waits for the end of it: for a oneshot that is
//! the run.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::systemctl::{self, SystemctlError};

/// What it says before it waits.
const ENQUEUED: &str = "Enqueued anchor job ";

/// Dropping it ends the waiting, and not the job.
#[derive(Debug)]
pub(super) struct Waiter {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Waiter {
    pub(super) fn start(unit: &str) -> Result<Self, SystemctlError> {
        let mut command = systemctl::command(&["start", "--show-transaction", "--", unit]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(SystemctlError::NotStarted)?;
        let (sender, lines) = mpsc::channel();
        if let Some(pipe) = child.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    // Nobody waits any more.
                    let _dropped = sender.send(line);
                }
            });
        }
        Ok(Self { child, lines, said: String::new() })
    }

    /// The number of its job, as soon as that is said.
    pub(super) fn job_id(&mut self) -> Option<String> {
        for line in self.lines.try_iter() {
            self.said += &(line + "\n");
        }
        let rest = self.said.lines().find_map(|line| line.strip_prefix(ENQUEUED))?;
        rest.split(' ').next().map(str::to_owned)
    }

    /// Whether it was successful and what it said, when it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<(bool, String)>, SystemctlError> {
        let Some(status) = self.child.try_wait().map_err(SystemctlError::NotStarted)? else {
            return Ok(None);
        };
        for line in self.lines.iter() {
            self.said += &(line + "\n");
        }
        Ok(Some((status.success(), self.said.clone())))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}
