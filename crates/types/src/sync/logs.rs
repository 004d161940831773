//! Logs: what somebody wants to read, and what agents answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Uid;
use crate::name::Name;
use crate::problem::{Code, Problem};
use crate::time::Timestamp;

/// Somebody wants to read a workload's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogRequest {
    /// Names this request.
    pub request: String,
    /// The workload's namespace.
    pub namespace: Name,
    /// The workload's name.
    pub name: Name,
    /// Only the last so many lines; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether to go on as lines are written.
    #[serde(default)]
    pub follow: bool,
}

/// Somebody wants to read what a service of a tenant wrote on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantLogRequest {
    /// Names this request.
    pub request: String,
    /// The tenant's identity.
    pub id: Uid,
    /// The suffix of the service; none for the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// Only the last so many lines; as many as the node gives when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether to go on as lines are written.
    #[serde(default)]
    pub follow: bool,
}

/// A part of the answer to a [`LogRequest`] or a [`TenantLogRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogChunk {
    /// As in the registration.
    pub session: String,
    /// Numbers the chunks of a request, from 1 on. One that is sent again has the
    /// number that it had, and is passed on once.
    pub seq: u64,
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Whether nothing follows.
    pub end: bool,
    /// Why the log cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer to a [`LogChunk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogChunkAnswer {
    /// Whether somebody still reads.
    pub wanted: bool,
    /// Whether the chunk was taken. The reader may be slow: then the same chunk is
    /// to be sent again.
    pub taken: bool,
}

/// One line of the output of a workload, or of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// `stdout` or `stderr`.
    pub stream: LogStream,
    /// The text, without its line feed.
    pub text: String,
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of what `GET /v1/workloads/{name}/logs` answers, and of what that of a tenant does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogItem {
    /// A line of the log.
    Line(LogLine),
    /// The last line of the answer, when it ends before the log does.
    End(LogEnd),
}

/// Why an answer ends before the log does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// What happened.
    pub ended: LogEnding,
    /// The node whose log it was.
    pub node: Name,
    /// What happened, for people.
    pub message: String,
}

/// What ends an answer before the log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogEnding {
    /// The node's agent says nothing any more.
    Silent,
    /// The node's agent cannot read the log any further.
    Unreadable,
    /// The workload runs on another node now: its log goes on there.
    Moved,
    /// The control plane stops.
    Stopping,
}

impl LogEnd {
    /// The same as an error, for whoever wanted all of the log.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let code = match self.ended {
            LogEnding::Silent | LogEnding::Unreadable | LogEnding::Moved => Code::NodeUnavailable,
            LogEnding::Stopping => Code::Unavailable,
        };
        Problem::new(code, &self.message).remedy("the lines above are not all: read it again")
    }
}
