//! What the core asks for, and what it is told in return.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_types::{Name, Timestamp, Uid};

use super::note::Note;
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{RunRequestId, TenantConflict, TenantSpec};

/// One thing to do. There is never more than one under way.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Write down what is to be remembered of a tenant, so that it outlasts a crash of the machine.
    Save(Box<Note>),
    /// Delete what was written down.
    Forget(Uid),
    /// Make the machine as a tenant is declared, or find out why that cannot be.
    Converge(Declared),
    /// Make it as if the tenant had never been there.
    Remove {
        /// Its identity.
        id: Uid,
        /// Its name.
        name: Name,
    },
    /// Start a unit, unless it was started since it was looked at.
    Start(Start),
    /// Look at units.
    Look(Vec<String>),
}

/// A tenant as it is declared.
#[derive(Clone, PartialEq)]
pub struct Declared {
    /// Its identity.
    pub id: Uid,
    /// Its name.
    pub name: Name,
    /// What is declared.
    pub spec: Arc<TenantSpec>,
}

/// The environment may hold secrets, so what is declared is not shown.
impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Declared({} {})", self.id, self.name)
    }
}

/// A run to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The tenant's identity.
    pub id: Uid,
    /// What names the run.
    pub run: RunRequestId,
    /// What to start.
    pub unit: String,
    /// How the unit was before.
    pub before: Before,
}

/// How a unit was before it was started. Whether it was started is told by this alone, whoever died in between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The service manager, which forgets all invocations when it is started anew.
    pub manager: String,
    /// The unit's last invocation; empty for none.
    pub invocation: String,
}

/// What came of a [`Job`].
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Of [`Job::Save`].
    Saved(Result<(), String>),
    /// Of [`Job::Forget`].
    Forgotten(Result<(), String>),
    /// Of [`Job::Converge`].
    Converged(Converged),
    /// Of [`Job::Remove`].
    Removed(Result<(), String>),
    /// Of [`Job::Start`].
    Started(Started),
    /// Of [`Job::Look`].
    Looked(Look),
    /// Of [`Job::Converge`] and [`Job::Remove`]: somebody else changes units just now, for this reason nothing was
    /// done.
    HeldUp(String),
    /// Of any job that asks the service manager: it does not answer, whichever tenant it is asked about.
    Unanswered(String),
}

/// What came of [`Job::Converge`].
#[derive(Clone, Debug, PartialEq)]
pub enum Converged {
    /// The machine is as declared.
    Installed {
        /// The tenant's services.
        services: Vec<ServiceUnit>,
        /// What was changed for that; empty where it was so already.
        changed: Vec<String>,
    },
    /// Something of somebody else's is in the way, and nothing was changed.
    Conflict(Vec<TenantConflict>),
    /// It cannot be done, for this reason.
    Failed(String),
}

/// What came of [`Job::Start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The service manager has taken the order.
    Accepted,
    /// It was started already, or nobody can say yet: a look will tell.
    Unclear,
    /// The service manager refuses, for this reason.
    Refused(String),
}

/// A service of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUnit {
    /// Its suffix; none for the primary.
    pub service: Option<Name>,
    /// Its unit's name without `.service`.
    pub unit: String,
}

impl ServiceUnit {
    /// What runs.
    #[must_use]
    pub fn service_unit(&self) -> String {
        format!("{}.service", self.unit)
    }

    /// What starts it.
    #[must_use]
    pub fn timer_unit(&self) -> String {
        format!("{}.timer", self.unit)
    }
}

/// What is seen of units, all at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// The service manager, as in [`Before::manager`].
    pub manager: String,
    /// The units that were asked for.
    pub units: BTreeMap<String, UnitSeen>,
}

/// What is seen of one unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitSeen {
    /// Why it cannot be started, if so.
    pub unusable: Option<RunEnd>,
    /// The last run, by which systemd knows it; empty for none.
    pub invocation: String,
    /// It waits for its turn to start.
    pub queued: bool,
    /// Nothing refers to the unit: systemd forgets it, and how it ended, once it has ended well.
    pub forgets: bool,
    /// The run is under way.
    pub running: bool,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// How the run ended, if it did.
    pub ended: Option<RunEnd>,
    /// When a timer fires next.
    pub next_run_at: Option<Timestamp>,
}
