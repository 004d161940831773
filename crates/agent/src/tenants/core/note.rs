//! What is remembered of a tenant over a restart of the agent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::{Name, Timestamp, Uid};

use super::job::{Before, ServiceUnit};
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{Repaired, RunRequestId, TenantHash, TenantSpec};

/// What is remembered of one tenant. It is saved before anything that depends on it is done.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Its identity.
    pub id: Uid,
    /// Its name.
    pub name: Name,
    /// What is to become of it.
    pub wish: Wish,
    /// The generation that `spec` and `hash` are of.
    pub generation: u64,
    /// Which time it is that it is to come here or to leave, as far as that was heard of.
    #[serde(default)]
    pub turn: u64,
    /// The hash of what is declared.
    pub hash: TenantHash,
    /// What is declared; none of a tenant that was unknown when it was to be removed.
    pub spec: Option<Arc<TenantSpec>>,
    /// What is installed, if anything ever was.
    pub installed: Option<Installed>,
    /// Nothing of it is on the machine any more.
    pub removed: bool,
    /// What was put right.
    pub repaired: Option<Repaired>,
    /// The services that were installed last.
    pub services: Vec<ServiceUnit>,
    /// The runs that were asked for, by what names them, until the control plane knows how they ended.
    pub runs: BTreeMap<RunRequestId, RunNote>,
}

/// The environment may hold secrets, so what is declared is not shown.
impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({} {} {:?} {:?})", self.id, self.name, self.wish, self.runs)
    }
}

/// What is to become of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It is to be on the machine.
    Installed,
    /// It is not to be there, and the control plane wants to hear of it.
    Removed,
    /// As [`Wish::Removed`], and nobody wants to hear of it.
    Forgotten,
}

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Of which generation.
    pub generation: u64,
    /// The hash of it.
    pub hash: TenantHash,
}

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNote {
    /// The suffix of its service; none for the primary.
    pub service: Option<Name>,
    /// How far it is.
    pub phase: Phase,
}

/// How far a run is that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was done yet.
    Asked,
    /// It may be started from now on.
    Starting {
        /// How its unit was.
        before: Before,
    },
    /// It was started, or another was under way that it joined.
    Running {
        /// The service manager, and the invocation that is this run's.
        run: Before,
        /// Whether it was under way already.
        joined: bool,
        /// When it began.
        started_at: Option<Timestamp>,
    },
    /// It is over.
    Done {
        /// Which of the unit's it was, if it ever began.
        invocation: Option<String>,
        /// Whether it was under way already.
        joined: bool,
        /// When it began, if it did.
        started_at: Option<Timestamp>,
        /// How it ended.
        end: RunEnd,
    },
}

impl RunNote {
    /// Whether it is under way, or may be.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. } | Phase::Running { .. })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done { .. })
    }
}
