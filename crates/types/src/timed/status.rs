//! The states of parts, pods and hosts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::state::{State, state_enum};

state_enum! {
    /// Where a part, a pod or a host is in its life.
    TimedStatus {
        /// It has a window, and its provisioning has not begun.
        Scheduled,
        /// It is being made ready.
        Provisioning,
        /// It is ready, and its window has not opened.
        Ready,
        /// Its window is open and it can be used.
        Active,
        /// What was done in it is being graded.
        Grading,
        /// A phase failed as often as it may. What it has is torn down when its
        /// parent says so, or when its window ends.
        Failed,
        /// All that it has is being removed.
        TearingDown,
        /// Nothing of it is left.
        Terminated,
    }
}

impl State for TimedStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Scheduled;

    fn may_become(self, to: Self) -> bool {
        use TimedStatus::{
            Active, Failed, Grading, Provisioning, Ready, Scheduled, TearingDown, Terminated,
        };
        match self {
            // One that is given up before its time has nothing to tear down.
            Scheduled => matches!(to, Provisioning | Failed | TearingDown),
            Provisioning => matches!(to, Ready | Failed | TearingDown),
            Ready => matches!(to, Active | Failed | TearingDown),
            Active => matches!(to, Grading | TearingDown | Failed),
            Grading => matches!(to, Active | TearingDown | Failed),
            // An operator may have the failed phase tried again.
            Failed => matches!(to, TearingDown | Provisioning),
            TearingDown => matches!(to, Terminated),
            Terminated => false,
        }
    }
}

impl TimedStatus {
    /// Whether it is on its way out or gone.
    #[must_use]
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::TearingDown | Self::Terminated)
    }

    /// Whether it is ready, active or being graded.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Ready | Self::Active | Self::Grading)
    }
}

/// How far a timed resource is wanted to go. A person or its parent says so.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DesiredTimedStatus {
    /// It is made ready and waits: its parent has not let it begin.
    Ready,
    /// It follows its window.
    #[default]
    Active,
    /// It is torn down, whatever its window says.
    TornDown,
}

impl fmt::Display for DesiredTimedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "Ready",
            Self::Active => "Active",
            Self::TornDown => "TornDown",
        })
    }
}
