//! Programs that are started, and what is waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tessera_e2e::{BOUND, Ended, POLL};

/// A program gives up on others after a minute, and is to say on whom.
const PROGRAM_BOUND: Duration = BOUND.saturating_add(Duration::from_secs(30));

/// What a program has written to one of its pipes.
type Written = Arc<Mutex<Vec<u8>>>;

/// A program whose output is collected.
pub(crate) struct Started {
    pub(crate) pid: u32,
    waiter: thread::JoinHandle<ExitStatus>,
    stdout: Written,
    stderr: Written,
}

impl Started {
    pub(crate) fn new(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh can be executed");
        let pid = child.id();
        let (stdout, output) = collect(child.stdout.take().expect("it was piped"));
        let (stderr, errors) = collect(child.stderr.take().expect("it was piped"));
        let waiter = thread::spawn(move || {
            for reader in [output, errors] {
                reader.join().expect("reading does not panic");
            }
            child.wait().expect("a child can be waited for")
        });
        Self { pid, waiter, stdout, stderr }
    }

    /// What it has written to standard output.
    pub(crate) fn output(&self) -> String {
        text(&self.stdout)
    }

    /// What it has written to standard error.
    pub(crate) fn complaints(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for its end. What does not end is ended with its manager.
    pub(crate) fn end(self) -> Ended {
        wait_within(PROGRAM_BOUND, "the program ends", || self.waiter.is_finished());
        let (stdout, stderr) = (self.output(), self.complaints());
        let status = self.waiter.join().expect("waiting does not panic");
        Ended { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

/// Reads a pipe to its end, line by line.
fn collect(pipe: impl Read + Send + 'static) -> (Written, thread::JoinHandle<()>) {
    let written = Written::default();
    let to = Arc::clone(&written);
    let reader = thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
            to.lock().expect("nobody panics with it").append(&mut line);
        }
    });
    (written, reader)
}

fn text(written: &Written) -> String {
    let bytes = written.lock().expect("nobody panics with it");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn wait_for(what: &str, holds: impl FnMut() -> bool) {
    wait_within(BOUND, what, holds);
}

fn wait_within(bound: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(POLL);
    }
}
