//! Runs of a tenant that somebody asked for.
//!
//! The one idea: who asks writes a run down, and the agent of the node does it. So the
//! request is not lost where an answer is, and a run is started once however often it is
//! asked for under one id.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Uid;
use crate::limits;
use crate::name::Name;
use crate::state::{Actor, state_enum};
use crate::time::Timestamp;

/// What names a run: whoever asks for it draws it, and asking twice under one id is asking
/// once. Letters, digits, `-` and `_`, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunRequestId(String);

impl RunRequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunRequestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !text.is_empty()
            && text.len() <= limits::RUN_ID_BYTES_MAX
            && text.bytes().all(is_allowed)
        {
            return Ok(Self(text.to_owned()));
        }
        let max = limits::RUN_ID_BYTES_MAX;
        Err(format!("the id of a run has letters, digits, `-` and `_`, 1 to {max} of them"))
    }
}

impl TryFrom<String> for RunRequestId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RunRequestId> for String {
    fn from(id: RunRequestId) -> Self {
        id.0
    }
}

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantRun {
    /// What names it.
    pub id: RunRequestId,
    /// The node that it runs on.
    pub node: Name,
    /// That node's identity.
    pub node_id: Uid,
    /// The suffix of the service; none for the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Who asked.
    pub requested_by: Actor,
    /// How far it is.
    pub state: RunState,
    /// Whether the service was running already, so that this is that run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// What systemd calls this run of the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended, in systemd's word: `success`, `exit-code`, `timeout`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What `tesseractl tenant run-now` exits with for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Whose exit code that is; none where it was never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RunSource>,
    /// How it ended, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TenantRun {
    /// Whether it is not over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != RunState::Done
    }
}

state_enum! {
    /// How far a run is that was asked for.
    RunState {
        /// The agent has not said anything of it.
        Requested,
        /// It runs.
        Running,
        /// It is over.
        Done,
    }
}

/// Whose an exit code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunSource {
    /// The tenant's program.
    Tenant,
    /// Podman: the program was never started.
    Podman,
    /// systemd: it ended the run, or could not start it.
    Systemd,
}

impl fmt::Display for RunSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tenant => "tenant",
            Self::Podman => "podman",
            Self::Systemd => "systemd",
        })
    }
}
