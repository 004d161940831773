//! How a run ended, in words and in numbers.
//!
//! The one idea: whose failure it was is never left open. The tenant's own exit code is the tenant's;
//! what podman and systemd did instead of running it is told apart, though the numbers may be equal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Well.
    Success,
    /// The program ended with an exit code of its own.
    Exited(u8),
    /// Podman did not run the program: 125, 126 or 127.
    Podman(u8),
    /// systemd did not come to run the program: its codes from 200 on.
    Setup(u8),
    /// A signal killed it.
    Signal(u8),
    /// It took more memory than there is for it.
    OutOfMemory,
    /// It took longer than it may.
    Timeout,
    /// Somebody stopped it.
    Stopped,
    /// A command before the program failed, and the program was not run.
    Before,
    /// The program did its work, and a command after it failed.
    After,
    /// A condition of the unit did not hold, and the program was not run.
    Condition,
    /// It was started too often within a short time, and the program was not run.
    StartLimit,
    /// Something that the unit requires failed, and the program was not run.
    Dependency,
    /// The unit counts as active after its program has ended, so a start does nothing.
    StaysActive,
    /// There is no such unit.
    NotInstalled,
    /// The unit is masked.
    Masked,
    /// The unit's file cannot be used; what systemd says.
    Broken(String),
    /// Badly, and more is not known: another run has begun since.
    Unknown,
    /// Otherwise; what systemd calls it.
    Other(String),
}

/// Who decided how a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The tenant's program.
    Tenant,
    /// Podman, which did not run it.
    Podman,
    /// systemd, or whoever told it.
    Systemd,
}

impl End {
    /// The exit code that stands for it: the tenant's own, or one that
    /// `docs/reference/cli.md` lists.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Exited(code) | Self::Podman(code) | Self::Setup(code) => *code,
            Self::Signal(signal) => 128_u8.saturating_add(*signal),
            Self::Timeout => 124,
            Self::OutOfMemory => 128 + 9,
            Self::Stopped => 128 + 15,
            Self::NotInstalled => 3,
            Self::Masked | Self::Condition | Self::StartLimit | Self::StaysActive => 4,
            Self::Before
            | Self::After
            | Self::Dependency
            | Self::Broken(_)
            | Self::Unknown
            | Self::Other(_) => 1,
        }
    }

    /// Who decided it.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Success | Self::Exited(_) => Source::Tenant,
            Self::Podman(_) => Source::Podman,
            _ => Source::Systemd,
        }
    }

    /// What it is called, in systemd's word where it has one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "success",
            Self::Exited(_) | Self::Podman(_) | Self::Setup(_) => "exit-code",
            Self::Signal(_) => "signal",
            Self::OutOfMemory => "oom-kill",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::Before => "failed-before",
            Self::After => "failed-after",
            Self::Condition => "condition",
            Self::StartLimit => "start-limit-hit",
            Self::Dependency => "dependency",
            Self::StaysActive => "active",
            Self::NotInstalled => "not-found",
            Self::Masked => "masked",
            Self::Broken(_) => "bad-setting",
            Self::Unknown => "unknown",
            Self::Other(result) => result,
        }
    }

    /// Whether the work was done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Success
    }
}

/// What happened to `{unit}`, which comes before it.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("done"),
            Self::Exited(code @ 129..=192) => {
                write!(f, "failed with exit code {code}: killed by {}", Signal(code - 128))
            }
            Self::Exited(code) => write!(f, "failed with exit code {code}"),
            Self::Podman(125) => f.write_str(
                "podman could not run the container (exit code 125): is its image there, and \
                 are its options right",
            ),
            Self::Podman(126) => f.write_str(
                "podman could not execute the program in the container (exit code 126): it is \
                 there, and cannot be run",
            ),
            Self::Podman(code) => {
                write!(f, "podman found no such program in the image (exit code {code})")
            }
            Self::Setup(code) => {
                write!(f, "systemd could not start the program ({code}/{}", setup(*code))?;
                match code {
                    200 => f.write_str("): its folder is not there"),
                    203 => f.write_str("): it is not there, or cannot be executed"),
                    _ => f.write_str("): `man systemd.exec` explains the code"),
                }
            }
            Self::Signal(signal) => write!(f, "killed by {}", Signal(*signal)),
            Self::OutOfMemory => f.write_str("killed, as it took more memory than it may"),
            Self::Timeout => f.write_str("took longer than it may, and was stopped"),
            Self::Stopped => f.write_str("stopped by somebody before it was done"),
            Self::Before => {
                f.write_str("not run: a command before the program failed (ExecStartPre=)")
            }
            Self::After => {
                f.write_str("done, but a command after the program failed (ExecStartPost=)")
            }
            Self::Condition => f.write_str("not run: a condition of the unit does not hold"),
            Self::StartLimit => {
                f.write_str("not run: it was started too often within a short time")
            }
            Self::Dependency => f.write_str("not run: a unit that it requires has failed"),
            Self::StaysActive => f.write_str(
                "not run: it counts as active since its last run, so neither this nor its timer \
                 starts it",
            ),
            Self::NotInstalled => f.write_str("not installed"),
            Self::Masked => f.write_str("masked: neither this nor its timer can start it"),
            Self::Broken(why) => write!(f, "its file cannot be used: {why}"),
            Self::Unknown => {
                f.write_str("another run has begun since, and how this one ended is not known")
            }
            Self::Other(result) => write!(f, "failed: {result}"),
        }
    }
}

/// The name of a signal, as far as people know it.
struct Signal(u8);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "SIGHUP",
            2 => "SIGINT",
            3 => "SIGQUIT",
            4 => "SIGILL",
            6 => "SIGABRT",
            7 => "SIGBUS",
            8 => "SIGFPE",
            9 => "SIGKILL",
            11 => "SIGSEGV",
            13 => "SIGPIPE",
            15 => "SIGTERM",
            number => return write!(f, "signal {number}"),
        };
        write!(f, "signal {} ({name})", self.0)
    }
}

/// What systemd calls its exit codes, those that units of tenants meet.
fn setup(code: u8) -> &'static str {
    match code {
        200 => "CHDIR",
        203 => "EXEC",
        205 => "LIMITS",
        208 => "STDIN",
        209 => "STDOUT",
        216 => "GROUP",
        217 => "USER",
        218 => "CAPABILITIES",
        219 => "CGROUP",
        222 => "STDERR",
        226 => "NAMESPACE",
        228 => "SECCOMP",
        _ => "SETUP",
    }
}
