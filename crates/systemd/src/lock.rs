//! One at a time: Quadlet's runs disturb each other, and a plan is only right while nothing changes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::error::{MachineError, file};

const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// No command line is told in full.
const HOLDER_CHARS_MAX: usize = 200;

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// Somebody else holds the lock, and goes on.
#[derive(Debug, thiserror::Error)]
#[error("units are being {done} by process {holder} for longer than {waited:?}: wait for its end")]
pub struct Held {
    done: &'static str,
    holder: String,
    waited: Duration,
}

impl Held {
    /// Who it is: the id of a process, and what it does.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.holder
    }
}

/// Takes the lock that is this file, waiting for at most so long; whoever holds it has units
/// changed, tried or whatever this word says.
pub(crate) fn take(
    path: &Path,
    done: &'static str,
    patience: Duration,
) -> Result<Lock, MachineError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut held = options.open(path).map_err(file("opened", path))?;
    let deadline = Instant::now() + patience;
    while flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            let mut holder = String::new();
            let _unknown = held.read_to_string(&mut holder);
            return Err(Held { done, holder, waited: patience }.into());
        }
        thread::sleep(LOOK_INTERVAL);
    }
    // Only for people: what is told of the holder when somebody waits in vain.
    let _untold = held.set_len(0).and_then(|()| held.rewind());
    let _untold = held.write_all(own_name().as_bytes());
    Ok(Lock(held))
}

fn own_name() -> String {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let command: String =
        words.collect::<Vec<_>>().join(" ").chars().take(HOLDER_CHARS_MAX).collect();
    format!("{} ({command})", std::process::id())
}
