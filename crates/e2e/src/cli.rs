//! Running the command line tools to their end, with a bound.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::process::Signal;

use crate::program::{BOUND, POLL, Program, plain};
use crate::sweep::Area;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Fails unless it ended with `code`.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[expect(clippy::must_use_candidate, reason = "often the check is all that is wanted")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `tesseractl` against `server` to its end, with `stdin` as its input.
///
/// # Panics
/// When it cannot be run, or does not end in time.
#[must_use]
pub fn tesseractl(server: &str, arguments: &[&str], stdin: &str) -> Ended {
    let mut command = plain("tesseractl");
    command.args(["--server", server]).args(arguments);
    run(command, stdin)
}

/// Runs any of the binaries to its end.
///
/// # Panics
/// When it cannot be run, or does not end in time.
#[must_use]
pub fn tessera(name: &str, arguments: &[&str]) -> Ended {
    let mut command = plain(name);
    command.args(arguments);
    run(command, "")
}

fn run(mut command: Command, stdin: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("it is piped");
    let text = stdin.to_owned();
    // It may end without reading all of it.
    std::thread::spawn(move || input.write_all(text.as_bytes()));
    let pid = crate::proc::Process::find(child.id());
    let waiter = std::thread::spawn(move || child.wait_with_output());
    let deadline = Instant::now() + BOUND;
    while !waiter.is_finished() {
        if Instant::now() >= deadline {
            pid.inspect(|process| process.kill());
            panic!("{command:?} did not end");
        }
        std::thread::sleep(POLL / 3);
    }
    let output = waiter.join().expect("waiting does not panic").expect("a child can be waited for");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A tool that runs until it is told to end.
#[derive(Debug)]
pub struct Running(Program);

impl Running {
    /// Starts `name`; what it prints goes to a file in `area`.
    #[must_use]
    pub fn start(area: &Area, name: &str, arguments: &[&str], env: &[(&str, PathBuf)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut command = plain(name);
        command.args(arguments).envs(env.iter().map(|(name, value)| (name, value)));
        Self(Program::start(command, area.join(&format!("{name}-{number}.log"))))
    }

    /// Waits until it prints a line that `read` takes something from.
    pub async fn line<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> T {
        self.0.line(what, read).await
    }

    /// Waits until it has printed `line` so many times.
    pub async fn line_count(&mut self, what: &str, line: &str, count: usize) {
        let is_there = |lines: &str| lines.lines().filter(|found| *found == line).count() >= count;
        self.0.lines(what, |lines| is_there(lines).then_some(())).await;
    }

    /// All that it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.0.output()
    }

    /// Presses Ctrl-C.
    pub fn press_interrupt(&self) {
        self.0.signal(Signal::INT);
    }

    /// Presses Ctrl-C, and waits for the end.
    pub async fn interrupt(self) -> Ended {
        self.press_interrupt();
        self.end().await
    }

    /// Closes its terminal, and waits for the end.
    pub async fn hang_up(self) -> Ended {
        self.0.signal(Signal::HUP);
        self.end().await
    }

    /// Kills it, and returns when it is gone.
    pub fn kill(self) {
        self.0.kill();
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ended {
        let status = self.0.wait().await;
        let output = self.0.output();
        Ended { code: status.code().unwrap_or(-1), stdout: output, stderr: String::new() }
    }
}
