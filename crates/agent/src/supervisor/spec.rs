//! What a run is told, and what it tells: the records in the run's folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::clock::BootInstant;
use super::fault::StartFault;
use super::signal::Signal;
use crate::cgroup::{Cgroup, CgroupParent};
use crate::containers::ContainerSpec;
use crate::logs::LogLimits;

/// Everything a supervisor needs to know, written once by the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Unique on the node; the folder and the control group are named after it. Letters, digits,
    /// `-`, `_` and `.`.
    pub run_id: String,
    /// What to run.
    pub kind: RunKind,
    /// Limits, enforced as far as [`CgroupParent::support`] says.
    #[serde(default)]
    pub resources: Resources,
    /// How it is stopped when nobody says otherwise (at `not_after`).
    pub stop: StopSpec,
    /// With a lease, everything is killed as soon as it lapses.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// The end of its window: it is stopped gracefully then. It may be moved while it runs.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// Where its output goes.
    pub log: LogSpec,
    /// Where its control group is made.
    #[serde(default)]
    pub cgroup: CgroupParent,
    /// What the agent wants to find again when it re-adopts the run. The supervisor does not look
    /// at it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl RunSpec {
    /// Its control group, in the hierarchies that its limits need.
    #[must_use]
    pub fn group(&self) -> Cgroup {
        let Resources { cpu_millicores, memory_bytes } = self.resources;
        self.cgroup.group(&self.run_id).needed_for(cpu_millicores, memory_bytes)
    }
}

/// What a run consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A program on the node itself.
    Process(ProcessSpec),
    /// A container.
    Container(ContainerSpec),
}

/// A program, its arguments and surroundings.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// A path, or a name to be found in the `PATH` that the program gets.
    pub command: String,
    /// Arguments, without the command itself.
    #[serde(default)]
    pub args: Vec<String>,
    /// Added to the few variables that are inherited (`PATH`, `HOME`, `LANG`, `TZ`, `USER`,
    /// `TMPDIR`); wins over them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// `/` unless given.
    #[serde(default)]
    pub working_dir: Option<PathBuf>,
}

/// Environment variables may be secrets: only their number is ever shown.
impl fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessSpec")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &format_args!("<{} variables>", self.env.len()))
            .field("working_dir", &self.working_dir)
            .finish()
    }
}

/// Limits on what a run may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a core.
    #[serde(default)]
    pub cpu_millicores: Option<u64>,
    /// Bytes of memory, swap included.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// A graceful stop: `signal` to the main process, and SIGKILL to everything after `grace_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopSpec {
    /// Sent to the main process only; what it started is its own concern until the grace is over.
    pub signal: Signal,
    /// Milliseconds until SIGKILL.
    pub grace_ms: u64,
}

/// The right to run for a limited time.
///
/// It counts from when it was granted, not from when the supervisor hears of it: an agent that was
/// frozen between the two must not prolong it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// How long it lasts, in milliseconds.
    pub lease_ms: u64,
    /// Since when it counts.
    pub granted_at: BootInstant,
}

impl Lease {
    /// A lease that counts from now.
    pub fn from_now(lease_ms: u64) -> Self {
        Self { lease_ms, granted_at: BootInstant::now() }
    }

    /// When it lapses.
    pub fn until(self) -> BootInstant {
        self.granted_at.plus_ms(self.lease_ms)
    }
}

/// The log folder of the workload. Several runs append to it in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// The folder; it is created.
    pub dir: PathBuf,
    /// Bounds of the folder.
    #[serde(flatten)]
    pub limits: LogLimits,
}

/// The program was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The main process, which leads a session of its own. 0 for a container that ended before its
    /// runtime could be asked.
    pub pid: u32,
    /// The container, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Its supervisor.
    pub supervisor_pid: u32,
    /// When.
    pub started_at: Timestamp,
}

/// The run is over, and nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// When the program was executed; nothing if it never was.
    pub started_at: Option<Timestamp>,
    /// When the last of it was gone.
    pub ended_at: Timestamp,
    /// The main process, if there was one.
    pub pid: Option<u32>,
    /// How the main process ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Somebody asked for a stop or kill before it ended.
    pub requested: bool,
    /// Why it ended, where the outcome alone does not say.
    #[serde(default)]
    pub reason: Option<ExitReason>,
    /// The last lines that it printed, as many and as long as
    /// [`EXIT_LINES_MAX`](tessera_types::limits::EXIT_LINES_MAX) and
    /// [`EXIT_LINE_BYTES_MAX`](tessera_types::limits::EXIT_LINE_BYTES_MAX) allow.
    #[serde(default)]
    pub last_lines: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The main process returned.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The main process was ended by a signal.
    Signaled {
        /// Which.
        signal: Signal,
        /// A core dump was written.
        core: bool,
    },
    /// The program was never executed.
    StartFailed {
        /// What was wrong, for the person who declared it.
        message: String,
        /// What was at fault; records of earlier releases do not say.
        #[serde(default)]
        fault: StartFault,
    },
    /// The lease lapsed and everything was killed.
    LeaseExpired,
    /// The supervisor itself was killed, and the workload with it.
    SupervisorLost,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Signaled { signal, core: false } => write!(f, "killed by {signal}"),
            Self::Signaled { signal, core: true } => write!(f, "killed by {signal}, core dumped"),
            Self::StartFailed { message, .. } => write!(f, "could not be started: {message}"),
            Self::LeaseExpired => f.write_str("killed: its lease lapsed"),
            Self::SupervisorLost => f.write_str("killed: its supervisor was lost"),
        }
    }
}

/// Why a run ended, beyond its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// Its window closed.
    NotAfter,
    /// The kernel killed it because it used more memory than its limit.
    Oom,
}

/// Something that survives SIGKILL, usually because the kernel waits for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What will not die.
    pub unkillable: Vec<u32>,
    /// When this was found.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_never_shown() {
        let spec = ProcessSpec {
            command: "/bin/true".into(),
            args: vec![],
            env: BTreeMap::from([("TOKEN".into(), "hunter2".into())]),
            working_dir: None,
        };
        let shown = format!("{:?} {:#?}", RunKind::Process(spec.clone()), spec);
        assert!(!shown.contains("hunter2") && !shown.contains("TOKEN"), "{shown}");
        assert!(shown.contains("<1 variables>"), "{shown}");
    }

    #[test]
    fn an_exit_record_keeps_its_outcome() {
        for outcome in [
            Outcome::Exited { code: 3 },
            Outcome::Signaled { signal: Signal::KILL, core: false },
            Outcome::StartFailed {
                message: "no such file: /bin/nope".into(),
                fault: StartFault::Program,
            },
            Outcome::LeaseExpired,
            Outcome::SupervisorLost,
        ] {
            let record = ExitRecord {
                started_at: None,
                ended_at: Timestamp::UNIX_EPOCH,
                pid: None,
                outcome,
                requested: false,
                reason: Some(ExitReason::Oom),
                last_lines: vec!["bye".into()],
            };
            let json = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<ExitRecord>(&json).unwrap(), record, "{json}");
        }
    }

    #[test]
    fn a_record_of_an_earlier_release_is_read_and_may_be_tried_again() {
        let json = r#"{"started_at":null,"ended_at":"1970-01-01T00:00:00Z","pid":null,
            "outcome":"start_failed","message":"no such file: /x","requested":false}"#;
        let record: ExitRecord = serde_json::from_str(json).unwrap();
        let message = "no such file: /x".to_owned();
        assert_eq!(record.outcome, Outcome::StartFailed { message, fault: StartFault::Machine });
    }
}
