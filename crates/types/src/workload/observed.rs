//! What Tessera knows of a workload besides its status.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{Epoch, Uid};
use crate::name::Name;
use crate::time::Timestamp;
use crate::workload::spec::{OnDisconnect, Port, Resources};

/// What Tessera knows of a workload besides its status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WorkloadObserved {
    /// The epoch of the last placement; 0 before the first.
    pub epoch: Epoch,
    /// The generation since which a copy must have been started to be right.
    pub launch_generation: u64,
    /// The generation that was placed last, or given up before it was.
    pub placed_generation: u64,
    /// Where it is placed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<Assigned>,
    /// Where it was placed last; its logs are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_node: Option<Name>,
    /// The number of the last report of the agent that was applied in this epoch.
    pub report_seq: u64,
    /// The live copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// How often it was started again in this epoch.
    pub restarts: u32,
    /// When it starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start_at: Option<Timestamp>,
    /// How it ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// What its health check said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What goes wrong at the moment, as the agent sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assigned {
    /// The node.
    pub node: Name,
    /// The node's identity.
    pub node_id: Uid,
    /// Since when.
    pub since: Timestamp,
    /// What is set aside for it there, whatever its spec says by now.
    #[serde(default, skip_serializing_if = "Resources::is_nothing")]
    pub resources: Resources,
    /// What was declared for the case that its node is cut off: the copy behaves
    /// as it was started, whatever its spec says by now.
    #[serde(default)]
    pub on_disconnect: OnDisconnect,
    /// The ports that it takes there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A live copy of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The process on the node; for a container its first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The container's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    /// When.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub outcome: ExitOutcome,
    /// The last lines it wrote, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ExitOutcome {
    /// It exited.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// It used more memory than it may.
    OutOfMemory,
    /// It could not be started.
    StartFailed {
        /// Why.
        message: String,
    },
    /// Its health check failed too often.
    Unhealthy {
        /// What the last check said.
        message: String,
    },
    /// Its `not_after` passed.
    WindowClosed,
    /// Its node was cut off, and it is declared `on_disconnect: stop`.
    Disconnected,
    /// Its supervisor disappeared, and it with that.
    SupervisorLost,
}

impl ExitOutcome {
    /// Whether it is what a program that has done its work does.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for ExitOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Signaled { signal } => {
                write!(f, "ended by signal {signal}{}", signal_name(*signal))
            }
            Self::OutOfMemory => f.write_str("killed: it used more memory than it may"),
            Self::StartFailed { message } => write!(f, "could not be started: {message}"),
            Self::Unhealthy { message } => write!(f, "unhealthy: {message}"),
            Self::WindowClosed => f.write_str("stopped: its not_after has passed"),
            Self::Disconnected => f.write_str("stopped: its node lost the control plane"),
            Self::SupervisorLost => f.write_str("ended with its supervisor, which disappeared"),
        }
    }
}

/// The usual signals by name, for people.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// What a health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has not passed yet.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}
