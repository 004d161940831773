//! The words on the control socket: one JSON object a line, and one line in answer to each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::clock::BootInstant;
use super::signal::Signal;

/// A request line may not be longer than this.
pub(super) const REQUEST_BYTES_MAX: usize = 4096;

/// What an agent asks of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Stop gracefully. Asking again can only bring the end nearer.
    Stop { signal: Signal, grace_ms: u64 },
    /// Kill everything now.
    Kill {},
    /// Prolong the lease.
    Renew {
        lease_ms: u64,
        /// Since when it counts: so that a request which waited in a queue gives no extra time.
        /// Now, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        granted_at: Option<BootInstant>,
    },
    /// Move or remove the end of the window.
    NotAfter(Option<Timestamp>),
    /// Say how it is.
    Status {},
}

/// What the supervisor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It is done, or under way.
    Done {},
    /// How it is.
    Status(Status),
    /// It cannot be done.
    Refused { message: String },
}

/// How a run is at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it is between start and end.
    pub phase: Phase,
    /// The main process, once it was started.
    pub pid: Option<u32>,
    /// When the program was executed.
    pub started_at: Option<Timestamp>,
    /// What survives SIGKILL; empty unless there is trouble.
    #[serde(default)]
    pub unkillable: Vec<u32>,
    /// The end of its window.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// How long its lease still lasts, in milliseconds.
    #[serde(default)]
    pub lease_left_ms: Option<u64>,
    /// Lines of output that could not be written to the log.
    #[serde(default)]
    pub log_lines_lost: u64,
    /// What the supervisor itself cannot do, such as writing its records to a full disk.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Where a run is between start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The program is not executed yet.
    Starting,
    /// It runs.
    Running,
    /// It was asked to end and has time to do so.
    Stopping,
    /// What is left of it is being killed.
    Killing,
    /// Nothing is left of it; only the record of its end is not written yet.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Request {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn requests_are_read_as_documented() {
        assert_eq!(
            parse(r#"{"stop":{"signal":"SIGTERM","grace_ms":10000}}"#),
            Request::Stop { signal: Signal::TERM, grace_ms: 10_000 }
        );
        assert_eq!(parse(r#"{"kill":{}}"#), Request::Kill {});
        assert_eq!(
            parse(r#"{"renew":{"lease_ms":15000}}"#),
            Request::Renew { lease_ms: 15_000, granted_at: None }
        );
        assert_eq!(parse(r#"{"not_after":null}"#), Request::NotAfter(None));
        assert_eq!(
            parse(r#"{"not_after":"1970-01-01T00:00:00Z"}"#),
            Request::NotAfter(Some(Timestamp::UNIX_EPOCH))
        );
        assert_eq!(parse(r#"{"status":{}}"#), Request::Status {});
    }
}
