//! The life of a node.

use crate::state::{State, state_enum};

state_enum! {
    /// Where a node is in its life.
    NodeStatus {
        /// It is reachable and takes workloads.
        Ready,
        /// It is reachable and keeps what it has, but takes nothing new.
        Cordoned,
        /// What it has is being moved away.
        Draining,
        /// Nothing is left on it.
        Drained,
        /// It has not been heard of for the length of its lease.
        Offline,
    }
}

state_enum! {
    /// What is wanted of a node.
    #[derive(Default)]
    DesiredNodeStatus {
        /// It takes workloads.
        #[default]
        Ready,
        /// It takes nothing new.
        Cordoned,
        /// It takes nothing, and what it has moves away.
        Drained,
    }
}

impl State for NodeStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Offline;

    fn may_become(self, to: Self) -> bool {
        match self {
            Self::Ready => matches!(to, Self::Cordoned | Self::Draining | Self::Offline),
            Self::Cordoned => matches!(to, Self::Ready | Self::Draining | Self::Offline),
            Self::Draining => {
                matches!(to, Self::Ready | Self::Cordoned | Self::Drained | Self::Offline)
            }
            Self::Drained => {
                matches!(to, Self::Ready | Self::Cordoned | Self::Draining | Self::Offline)
            }
            Self::Offline => matches!(to, Self::Ready | Self::Cordoned | Self::Draining),
        }
    }
}

impl NodeStatus {
    /// Whether the agent is heard of.
    #[must_use]
    pub const fn is_reachable(self) -> bool {
        !matches!(self, Self::Offline)
    }
}
