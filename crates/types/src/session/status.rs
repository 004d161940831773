//! The states of sessions.

use crate::state::{State, state_enum};

state_enum! {
    /// Where a session is in its orchestration: admit, run the parts, aggregate,
    /// finalize.
    SessionStatus {
        /// It is admitted: its hosts are booked. Its window has not opened.
        Pending,
        /// Its window is open: its parts take place.
        Active,
        /// Its parts are over, and its report is made of theirs.
        Aggregating,
        /// All that is left of it is being removed.
        Finalizing,
        /// It is over, and nothing of it is left.
        Inactive,
        /// It has failed, and nothing of it is left.
        Failed,
    }
}

impl State for SessionStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Pending;

    fn may_become(self, to: Self) -> bool {
        use SessionStatus::{Active, Aggregating, Failed, Finalizing, Inactive, Pending};
        match self {
            // One that is cancelled or skipped has only its parts to end.
            Pending => matches!(to, Active | Finalizing),
            Active => matches!(to, Aggregating | Finalizing | Inactive),
            Aggregating => matches!(to, Finalizing | Inactive),
            Finalizing => matches!(to, Inactive | Failed),
            Inactive | Failed => false,
        }
    }
}

impl SessionStatus {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }
}
