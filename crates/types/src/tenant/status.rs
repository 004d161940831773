//! The life of a tenant.

use crate::state::{State, state_enum};

state_enum! {
    /// Where a tenant is in its life.
    TenantStatus {
        /// There is no node for it.
        Pending,
        /// It is being installed, or brought up to date, on some of its nodes.
        Installing,
        /// It is installed on all of its nodes, as it is declared.
        Installed,
        /// On some of its nodes it is not as declared, and may not come to be by itself.
        Degraded,
        /// It is being removed from its nodes.
        Terminating,
        /// It is gone from all of them.
        Terminated,
    }
}

state_enum! {
    /// What is wanted of a tenant: that it is installed. Who does not want it any more
    /// deletes it.
    #[derive(Default)]
    DesiredTenantStatus {
        /// It is installed on its nodes.
        #[default]
        Installed,
    }
}

impl State for TenantStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Pending;

    fn may_become(self, to: Self) -> bool {
        use TenantStatus::{Degraded, Installed, Installing, Pending, Terminated, Terminating};
        match self {
            Pending => matches!(to, Installing | Terminating),
            Installing => matches!(to, Pending | Installed | Degraded | Terminating),
            Installed | Degraded if to == Installed || to == Degraded => self != to,
            Installed | Degraded => matches!(to, Pending | Installing | Terminating),
            Terminating => matches!(to, Terminated),
            Terminated => false,
        }
    }
}
