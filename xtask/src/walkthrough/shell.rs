//! The one shell that runs all commands of a walkthrough.
//!
//! The one idea: a single bash reads commands from a pipe, so variables and the
//! working directory last as they do for a reader. Each command's output goes
//! to a file, and only its exit code comes back through the pipe: nothing that
//! a command prints, or leaves running, can be mistaken for the shell's answer.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tessera_testkit::UserManager;

use super::sandbox::Sandbox;

const PROLOGUE: &str = include_str!("prologue.sh");

/// A command that runs longer is taken for one that hangs.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// The prologue gives background commands ten seconds to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// What is read of a command's output.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// A running shell. Dropping it ends it and all that it started.
pub(crate) struct Shell<'a> {
    sandbox: &'a Sandbox,
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
    outputs: u32,
}

/// How a command ended.
pub(crate) struct Finished {
    pub(crate) output: String,
    pub(crate) exit: i32,
}

impl<'a> Shell<'a> {
    /// Starts bash in the sandbox, with the programs in `binaries` on its path; or in the
    /// home of a user manager.
    pub(crate) fn start(
        sandbox: &'a Sandbox,
        repository: &Path,
        binaries: &Path,
        manager: Option<&UserManager>,
    ) -> anyhow::Result<Self> {
        let mut command = manager.map_or_else(|| Command::new("bash"), |it| it.command("bash"));
        command.args(["--noprofile", "--norc"]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        sandbox.dress(&mut command, repository, binaries)?;
        if let Some(manager) = manager {
            let (_, environment) = manager.command_line();
            command.envs(environment).current_dir(manager.home());
        }
        let mut child = command.spawn().context("cannot start bash")?;
        let stdout = child.stdout.take().context("bash has no output")?;
        let stdin = child.stdin.take();
        let mut shell = Self { sandbox, child, stdin, replies: read_lines(stdout), outputs: 0 };
        shell.send(PROLOGUE)?;
        Ok(shell)
    }

    /// Sets a variable for all commands; the value may use others.
    pub(crate) fn export(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('`', "\\`");
        self.send(&format!("export {name}=\"{value}\"\n"))
    }

    /// Runs a command to its end.
    pub(crate) fn run(&mut self, command: &str) -> anyhow::Result<Finished> {
        let output = self.next_output();
        self.send(&format!(
            "(exit $walkthrough_status); eval {} >{} 2>&1 </dev/null\n\
             walkthrough_status=$?; echo $walkthrough_status\n",
            quoted(command),
            quoted(&output.to_string_lossy()),
        ))?;
        let reply = self.reply().map_err(|error| {
            let printed = read(&output).unwrap_or_default();
            error.context(format!("what it printed until then:\n{printed}"))
        })?;
        let exit = reply.parse().with_context(|| format!("bash answered '{reply}'"))?;
        Ok(Finished { output: read(&output)?, exit })
    }

    /// Starts a command in a process group of its own and returns the file that
    /// its output goes to. `$!` is its process id, as bash replaces itself with a
    /// single program; it sees exported variables only.
    pub(crate) fn start_background(&mut self, command: &str) -> anyhow::Result<PathBuf> {
        let output = self.next_output();
        // Bash opens it some time after it has said that the command started.
        File::create(&output).context("the command's output cannot be created")?;
        self.send(&format!(
            "set -m; bash --noprofile --norc -c {} >{} 2>&1 </dev/null &\n\
             walkthrough_groups+=($!); disown; set +m; echo started\n",
            quoted(&replacing_bash(command)),
            quoted(&output.to_string_lossy()),
        ))?;
        self.reply()?;
        Ok(output)
    }

    /// Ends the shell and the background commands, and names the processes
    /// that were still there and had to be killed.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.end()
    }

    fn end(&mut self) -> Vec<String> {
        drop(self.stdin.take());
        for signal in [None, Some("TERM"), Some("KILL")] {
            if let Some(signal) = signal {
                self.signal_group(signal);
            }
            if self.has_ended_within(STOP_TIMEOUT) {
                break;
            }
        }
        self.sandbox.end_processes()
    }

    fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("the shell has ended")?;
        stdin.write_all(text.as_bytes()).context("the shell has ended")
    }

    fn reply(&mut self) -> anyhow::Result<String> {
        match self.replies.recv_timeout(COMMAND_TIMEOUT) {
            Ok(reply) => Ok(reply),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the command has ended the shell"),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.signal_group("TERM");
                bail!("the command has not ended within {} s", COMMAND_TIMEOUT.as_secs())
            }
        }
    }

    fn signal_group(&self, signal: &str) {
        let line = format!("kill -{signal} -- -{} 2>/dev/null", self.child.id());
        // A group that is gone is what was wanted.
        let _ = Command::new("bash").args(["-c", &line]).status();
    }

    fn has_ended_within(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if begin.elapsed() > limit {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn next_output(&mut self) -> PathBuf {
        self.outputs += 1;
        self.sandbox.outputs().join(self.outputs.to_string())
    }
}

impl Drop for Shell<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What has been written to an output file so far.
pub(crate) fn read(output: &Path) -> anyhow::Result<String> {
    let file = File::open(output).context("the command's output cannot be read")?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_lines(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The command so that bash becomes the program, where it is a single one. By
/// itself bash does that only for commands without redirections.
fn replacing_bash(command: &str) -> String {
    let first = command.split_whitespace().next().unwrap_or_default();
    let is_single = !first.contains('=') && !command.contains([';', '|', '&', '(', '\n']);
    if is_single { format!("exec {command}") } else { command.to_owned() }
}

/// The text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_shell(test: impl FnOnce(&mut Shell<'_>)) -> Vec<String> {
        let sandbox = Sandbox::create().unwrap();
        let mut shell =
            Shell::start(&sandbox, Path::new("/repo"), Path::new("/binaries"), None).unwrap();
        test(&mut shell);
        shell.stop()
    }

    fn run(shell: &mut Shell<'_>, command: &str) -> (String, i32) {
        let finished = shell.run(command).unwrap();
        (finished.output, finished.exit)
    }

    #[test]
    fn variables_the_folder_and_the_exit_code_last() {
        with_shell(|shell| {
            assert_eq!(run(shell, "mkdir a; cd a; x=it\\'s"), (String::new(), 0));
            assert_eq!(run(shell, "echo \"$x $(basename $PWD)\""), ("it's a\n".into(), 0));
            assert_eq!(run(shell, "(exit 7)"), (String::new(), 7));
            assert_eq!(run(shell, "echo $?"), ("7\n".into(), 0));
            assert_eq!(run(shell, "echo no newline >&2; printf x"), ("no newline\nx".into(), 0));
        });
    }

    #[test]
    fn a_syntax_error_harms_only_its_own_command() {
        with_shell(|shell| {
            assert_ne!(run(shell, "if 'unfinished").1, 0);
            assert_eq!(
                run(shell, "cat <<X\n'$HOME\nX"),
                (format!("'{}\n", shell.sandbox.home().display()), 0)
            );
        });
    }

    #[test]
    fn a_command_that_reads_gets_nothing() {
        with_shell(|shell| assert_eq!(run(shell, "cat; echo done"), ("done\n".into(), 0)));
    }

    #[test]
    fn a_command_that_ends_the_shell_is_an_error() {
        with_shell(|shell| {
            let error = shell.run("echo bye; exit 3").err().unwrap();
            let text = format!("{error:#}");
            assert!(text.contains("ended the shell") && text.contains("bye"), "{text}");
        });
    }

    #[test]
    fn exported_values_may_use_others_and_hold_quotes() {
        with_shell(|shell| {
            shell.export("X", "\"$REPO\" `\\").unwrap();
            assert_eq!(run(shell, "printenv X"), ("\"/repo\" `\\\n".into(), 0));
        });
    }

    fn poll(mut condition: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !condition() {
            assert!(begin.elapsed() < STOP_TIMEOUT, "the condition never held");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn a_background_command_is_known_by_its_own_id() {
        let left = with_shell(|shell| {
            shell.start_background("X=1 sleep 600").unwrap();
            poll(|| run(shell, "cat /proc/$!/comm").0 == "sleep\n");
            assert_eq!(run(shell, "kill -KILL $!"), (String::new(), 0));
            poll(|| run(shell, "kill -0 $!").1 != 0);
        });
        assert_eq!(left, [""; 0]);
    }

    #[test]
    fn a_background_command_is_told_to_stop_and_waited_for() {
        let sandbox = Sandbox::create().unwrap();
        let mut shell = Shell::start(&sandbox, Path::new("/"), Path::new("/"), None).unwrap();
        let script =
            "trap 'sleep 0.2; echo stopped; exit' TERM; echo up; while :; do sleep 0.05; done";
        let output = shell.start_background(script).unwrap();
        poll(|| read(&output).unwrap() == "up\n");
        assert_eq!(shell.stop(), [""; 0]);
        assert!(read(&output).unwrap().ends_with("stopped\n"));
    }

    #[test]
    fn what_runs_on_in_a_session_of_its_own_is_named_and_ended() {
        let left = with_shell(|shell| {
            assert_eq!(run(shell, "setsid sleep 600 &").1, 0);
        });
        // It is caught as what it is about to become, if it is caught that early.
        let is_it = |name: &String| name.starts_with("sleep (") || name.starts_with("setsid (");
        assert!(left.len() == 1 && is_it(&left[0]), "{left:?}");
    }
}
