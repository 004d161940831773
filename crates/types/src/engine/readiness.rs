//! Whether an engine serves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether an engine serves, and how much it has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineReadiness {
    /// Whether it serves.
    pub ready: bool,
    /// Its version.
    pub version: String,
    /// Jobs that wait for their turn.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
    /// Events that are still to be sent.
    pub events_pending: u64,
    /// What is not ready, if anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}
