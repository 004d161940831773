//! The binaries, and running them.
//!
//! Programs stay in the test's process group, so that whoever ends the group (a
//! test runner at its time limit, Ctrl-C) ends them, too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No condition is waited for longer. It is long because machines are busy, and
/// costs nothing where all is well.
pub const BOUND: Duration = Duration::from_secs(60);

/// Between two looks at a condition that is waited for.
pub const POLL: Duration = Duration::from_millis(15);

/// The binary of this name, which was built beside the tests, or beside the tool that asks.
///
/// # Panics
/// When it is not there, saying how to build it.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let beside = test.with_file_name(name);
    if beside.is_file() {
        return beside;
    }
    let folder =
        test.parent().and_then(Path::parent).expect("tests are in <target>/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` first, or use `cargo xtask test`",
        path.display()
    );
    path
}

/// A program that runs, with all that it prints in a file.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`, which writes to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let output = File::create(&log).expect("the log can be written");
        let errors = output.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // It is not reaped yet, so the number is still its own.
        let _ended = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Kills it, and returns when it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + BOUND;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end; it said:\n{}", self.output());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it prints a line that `read` takes something from.
    ///
    /// # Panics
    /// When it does not in time, or ends before.
    pub async fn line<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> T {
        self.lines(what, |lines| lines.lines().find_map(&read)).await
    }

    /// Waits until `read` takes something from all whole lines that it has
    /// printed.
    ///
    /// # Panics
    /// When it does not in time, or ends before.
    pub async fn lines<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + BOUND;
        loop {
            let ended = self.ended();
            let output = self.output();
            let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(found) = read(whole) {
                return found;
            }
            let late = Instant::now() >= deadline;
            assert!(ended.is_none() && !late, "{what}: {ended:?}; it said:\n{output}");
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// A command without what the machine's user may have set for it. What it logs is
/// chosen with `TESSERA_E2E_LOG`, in the syntax of `RUST_LOG`.
#[must_use]
pub fn plain(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("TESSERA_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env_remove("NO_COLOR");
    if let Some(filter) = std::env::var_os("TESSERA_E2E_LOG") {
        command.env("RUST_LOG", filter);
    }
    command
}
