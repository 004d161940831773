//! The life of a workload. `docs/rfd/0003-workload-states.md` gives the reason
//! for each status and arrow that the seed's machine did not have.

use crate::state::{State, state_enum};

state_enum! {
    /// Where a workload is in its life.
    WorkloadStatus {
        /// It has no node yet.
        Pending,
        /// A node was chosen; its agent has not begun.
        Scheduled,
        /// The agent starts it, or its health check has not passed yet.
        Provisioning,
        /// It runs, and is healthy if it has a health check.
        Running,
        /// It ended, and starts again on the same node after a pause.
        BackingOff,
        /// It is being stopped.
        Stopping,
        /// It was stopped as was wanted.
        Stopped,
        /// It ended by itself, as it should.
        Completed,
        /// It ended and will not be started again by itself.
        Failed,
        /// Its node is Offline: whether it runs is not known.
        Lost,
    }
}

state_enum! {
    /// What is wanted of a workload.
    #[derive(Default)]
    DesiredWorkloadStatus {
        /// It should run.
        #[default]
        Running,
        /// It should not run, but be kept.
        Stopped,
    }
}

impl State for WorkloadStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Pending;

    fn may_become(self, to: Self) -> bool {
        use WorkloadStatus::{
            BackingOff, Completed, Failed, Lost, Pending, Provisioning, Running, Scheduled,
            Stopped, Stopping,
        };
        match self {
            Pending => matches!(to, Scheduled | Stopped | Failed),
            Scheduled => matches!(to, Provisioning | Stopping | Failed | Lost),
            Provisioning => {
                matches!(to, Running | BackingOff | Stopping | Completed | Failed | Lost)
            }
            Running => matches!(to, BackingOff | Stopping | Completed | Failed | Lost),
            BackingOff => matches!(to, Provisioning | Stopping | Failed | Lost),
            Stopping => matches!(to, Stopped | Failed | Lost),
            Stopped | Completed => matches!(to, Pending),
            Failed => matches!(to, Pending | Stopping),
            Lost => matches!(
                to,
                Provisioning | Running | BackingOff | Stopping | Completed | Failed | Pending
            ),
        }
    }
}

impl WorkloadStatus {
    /// Whether a copy may be alive on the assigned node.
    #[must_use]
    pub const fn holds_node(self) -> bool {
        match self {
            Self::Scheduled
            | Self::Provisioning
            | Self::Running
            | Self::BackingOff
            | Self::Stopping
            | Self::Lost => true,
            Self::Pending | Self::Stopped | Self::Completed | Self::Failed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WorkloadStatus::*;

    /// The arrows of the seed's picture, each of which must exist.
    #[test]
    fn the_machine_of_the_seed_is_a_part_of_ours() {
        for (from, to) in [
            (Pending, Scheduled),
            (Scheduled, Provisioning),
            (Provisioning, Running),
            (Provisioning, Failed),
            (Running, Stopping),
            (Failed, Stopping),
            (Stopping, Failed),
            (Stopping, Stopped),
        ] {
            assert!(from.may_become(to), "{from} to {to}");
        }
    }

    #[test]
    fn no_status_follows_itself_and_none_is_a_dead_end() {
        for status in WorkloadStatus::ALL {
            assert!(!status.may_become(*status), "{status}");
            assert!(status.path_to(Running).is_some(), "{status}");
            assert!(status.path_to(Pending).is_some(), "{status}");
        }
    }

    #[test]
    fn a_copy_can_live_only_after_a_node_was_chosen() {
        for from in WorkloadStatus::ALL.iter().filter(|status| !status.holds_node()) {
            for to in
                WorkloadStatus::ALL.iter().filter(|to| from.may_become(**to) && to.holds_node())
            {
                assert!(
                    matches!((from, to), (Pending, Scheduled) | (Failed, Stopping)),
                    "{from} to {to}"
                );
            }
        }
    }

    #[test]
    fn unobserved_statuses_are_filled_in_by_the_shortest_way() {
        assert_eq!(Scheduled.path_to(Running), Some(vec![Provisioning, Running]));
        assert_eq!(Running.path_to(Provisioning), Some(vec![BackingOff, Provisioning]));
        assert_eq!(Running.path_to(Running), Some(vec![]));
    }
}
