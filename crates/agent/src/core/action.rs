//! What the core asks for, and what it is told in return.

use std::fmt;
use std::sync::Arc;

use tessera_types::workload::{ExitOutcome, HealthCheck, Instance, Stop, WorkloadSpec};
use tessera_types::{Name, Timestamp};

use super::identity::{CopyId, RunId};
use super::progress::Progress;

/// Something that is to be done on the node, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write down how far a copy is, before any later action is taken.
    Save {
        /// What to write.
        progress: Box<Progress>,
        /// Whether there is something that people want to know.
        news: bool,
    },
    /// Start a run; answered by [`RunEvent::Started`] and, in the end, [`RunEvent::Ended`].
    Start(Launch),
    /// Stop a run: the signal, and after the grace SIGKILL. Said again if what is wanted changes.
    Stop {
        /// Which.
        run: RunId,
        /// How.
        stop: Stop,
    },
    /// Move the end of a run's window.
    SetNotAfter {
        /// Which.
        run: RunId,
        /// The new end; none to remove it.
        at: Option<Timestamp>,
    },
    /// Check the health of a run once; answered by [`RunEvent::Probed`].
    Probe {
        /// Which.
        run: RunId,
        /// How.
        check: HealthCheck,
    },
    /// Clean up after a run that has ended.
    Remove {
        /// Which.
        run: RunId,
    },
    /// Delete what was written down about a copy.
    Forget {
        /// Which.
        copy: CopyId,
    },
}

/// A run to start.
#[derive(Clone, PartialEq)]
pub struct Launch {
    /// What it is called.
    pub run: RunId,
    /// The workload's namespace.
    pub namespace: Name,
    /// The workload's name.
    pub name: Name,
    /// What to run.
    pub spec: Arc<WorkloadSpec>,
}

/// The spec may hold secrets, so it is not shown.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Launch({} of {}/{})", self.run, self.namespace, self.name)
    }
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// It runs.
    Started(Instance),
    /// It ended or could not be started, and nothing of it is left.
    Ended(RunEnd),
    /// Something is wrong with it, such as a process that survives SIGKILL; or no longer.
    Trouble(Option<String>),
    /// A health check passed, or failed for this reason.
    Probed(Result<(), String>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: ExitOutcome,
    /// Whether a stop was asked for before.
    pub requested: bool,
    /// Whether it could not be started, and never can be as it is declared.
    pub permanent: bool,
    /// The last lines it wrote.
    pub last_lines: Vec<String>,
}

impl RunEnd {
    /// A run that could not be started.
    #[must_use]
    pub fn start_failed(at: Timestamp, message: String, permanent: bool) -> Self {
        let outcome = ExitOutcome::StartFailed { message };
        Self { at, outcome, requested: false, permanent, last_lines: Vec::new() }
    }
}

/// A run that was there when the agent started.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    /// Which.
    pub run: RunId,
    /// Since when and as what it runs, if it was started.
    pub instance: Option<Instance>,
    /// How it ended, if it did.
    pub end: Option<RunEnd>,
}
