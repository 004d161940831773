//! What Tessera knows of a tenant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TenantHash, TenantRun};
use crate::identity::Uid;
use crate::name::Name;
use crate::omitted::is_default;
use crate::state::state_enum;
use crate::time::Timestamp;

/// What Tessera knows of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TenantObserved {
    /// The hash of what is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<TenantHash>,
    /// Since which generation that is so: what agents say of an older one is about
    /// something else.
    pub hash_generation: u64,
    /// The generation that all else here is about.
    pub generation: u64,
    /// How often it was to come to a node or to leave one: what [`TenantNode::turn`] counts.
    #[serde(skip_serializing_if = "is_default")]
    pub turns: u64,
    /// The nodes that it is on, or is to be on, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<TenantNode>,
    /// Nodes that it is to be on and that have no room for it: it comes there when another
    /// tenant leaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_room_on: Vec<Name>,
    /// The last runs that were asked for, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<TenantRun>,
}

state_enum! {
    /// How a tenant is on one node.
    TenantNodeState {
        /// The agent has not said anything of what is declared now.
        Waiting,
        /// It is being installed, or brought up to date.
        Installing,
        /// It is installed.
        Installed,
        /// Something is in its place that is not its own. Nothing was changed.
        Conflict,
        /// It cannot be installed. The agent goes on trying.
        Failed,
        /// It is to be gone from the node, which it does not belong on any more.
        Removing,
    }
}

/// A tenant on one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantNode {
    /// The node.
    pub node: Name,
    /// The node's identity.
    pub node_id: Uid,
    /// The last time that it was to come there or to leave, of all of the tenant's. What an
    /// agent says before it has heard of that is about an earlier time, at which it may have
    /// been gone from there, or been there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub turn: u64,
    /// How it is there.
    pub state: TenantNodeState,
    /// The hash of what is installed there, as the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TenantHash>,
    /// Why it is so, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is in its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<TenantConflict>,
    /// What somebody changed there and the agent put right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// Its services, the primary first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<TenantService>,
    /// When the agent last said something of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
    /// Which report that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<TenantTold>,
}

impl TenantNode {
    /// The agent has something to do of which it has not said anything.
    pub(super) fn wait(&mut self) {
        if self.state != TenantNodeState::Removing {
            self.state = TenantNodeState::Waiting;
            self.reason = None;
            self.conflicts.clear();
        }
    }

    /// A node that was chosen, and whose agent has not been told.
    #[must_use]
    pub fn chosen(node: Name, node_id: Uid, turn: u64) -> Self {
        Self {
            node,
            node_id,
            turn,
            state: TenantNodeState::Waiting,
            hash: None,
            reason: None,
            conflicts: Vec::new(),
            repaired: None,
            services: Vec::new(),
            reported_at: None,
            told: None,
        }
    }
}

/// The last report of an agent that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantTold {
    /// The start of the agent that sent it.
    pub session: String,
    /// Its number in that.
    pub seq: u64,
    /// The generation of the tenant that it is about.
    pub generation: u64,
}

/// Something that is in a tenant's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantConflict {
    /// Where it is.
    pub path: String,
    /// What it is, in words.
    pub found: String,
}

/// What somebody changed on a node and the agent put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repaired {
    /// How often.
    pub count: u64,
    /// When it last was.
    pub last_at: Timestamp,
    /// What was changed then, in words.
    pub what: String,
}

/// A service of a tenant on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantService {
    /// Its suffix; none for the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// The name of its unit, such as `circ-trans.service`.
    pub unit: String,
    /// When its timer fires next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_at: Option<Timestamp>,
    /// Since when it runs, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_since: Option<Timestamp>,
    /// Its last run that is over, whoever started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
}

/// How a service ran last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// What systemd calls that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended, in systemd's word: `success`, `exit-code`, `timeout`, …
    pub result: String,
    /// The exit code of its program, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}
