//! Running the real program, with a bound on everything.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No test takes as long.
const BOUND: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tesseractl"));
    for variable in ["TESSERA_SERVER", "TESSERA_NAMESPACE", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.arg("--server").arg(server).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `tesseractl` to its end.
pub(crate) fn run(server: &str, arguments: &[&str]) -> Ended {
    run_with(server, arguments, "")
}

/// As [`run`], with the server from the environment.
pub(crate) fn run_by_environment(server: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tesseractl"));
    command.env("TESSERA_SERVER", server).env("TESSERA_NAMESPACE", "lab").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end_of(command, "")
}

/// As [`run`] without a server, in at most this much address space, in bytes.
pub(crate) fn run_bounded(memory: u64, arguments: &[&str]) -> Ended {
    let mut bounded = Command::new("prlimit");
    bounded.arg(format!("--as={memory}")).arg(env!("CARGO_BIN_EXE_tesseractl")).args(arguments);
    bounded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end_of(bounded, "")
}

/// As [`run`] in this folder, with these variables and without those of Tessera that are set here.
pub(crate) fn run_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    end_of(command_in(folder, variables, arguments), "")
}

fn command_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = command("http://127.0.0.1:1", arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("TESSERA_")) {
            command.env_remove(name);
        }
    }
    command.env("HOME", folder).env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME");
    command.current_dir(folder).envs(variables.iter().copied());
    command
}

/// As [`run`], with this on standard input.
pub(crate) fn run_with(server: &str, arguments: &[&str], stdin: &str) -> Ended {
    end_of(command(server, arguments), stdin)
}

fn end_of(mut command: Command, stdin: &str) -> Ended {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let stdout = lines_of(child.stdout.take().unwrap());
    let stderr = lines_of(child.stderr.take().unwrap());
    let code = wait(&mut child);
    let all = |lines: Receiver<String>| lines.iter().map(|line| line + "\n").collect();
    Ended { code, stdout: all(stdout), stderr: all(stderr) }
}

fn wait(child: &mut Child) -> i32 {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().expect("the program ends by itself");
        }
        if started.elapsed() > BOUND {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// A run that goes on until it is told to end.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    pub(crate) fn start(server: &str, arguments: &[&str]) -> Self {
        Self::of(command(server, arguments))
    }

    /// As [`Self::start`], as [`run_in`] does it.
    pub(crate) fn start_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::of(command_in(folder, variables, arguments))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(BOUND).expect("a line of output")
    }

    /// The next line of standard error.
    pub(crate) fn error_line(&self) -> String {
        self.stderr.recv_timeout(BOUND).expect("a line of standard error")
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(self) -> Ended {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.end()
    }

    /// Waits for its end, with what was not read yet.
    pub(crate) fn end(mut self) -> Ended {
        let code = wait(&mut self.child);
        let rest = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        Ended { code, stdout: rest(&self.stdout), stderr: rest(&self.stderr) }
    }

    /// Stops reading its output, and waits for its end.
    pub(crate) fn close_output(server: &str, arguments: &[&str]) -> Ended {
        let mut child = command(server, arguments).spawn().unwrap();
        drop(child.stdout.take());
        let stderr = lines_of(child.stderr.take().unwrap());
        let code = wait(&mut child);
        Ended { code, stdout: String::new(), stderr: stderr.iter().collect() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
