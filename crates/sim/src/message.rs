//! What goes over the simulated network.

use tessera_reconciler::{Known, News};
use tessera_types::sync::{Report, TenantReport};
use tessera_types::{Duration, Timestamp, Uid};

/// Sessions from here on are of copies of an agent's state folder.
pub(crate) const TWINS_FROM: u64 = 1_000_000;

/// From an agent to the control plane.
#[derive(Clone, Debug)]
pub(crate) enum ToControl {
    Register {
        /// Which installation of an agent: counts.
        installation: u64,
    },
    Sync {
        known: Known,
        told: Option<Timestamp>,
        /// How long it may wait for news.
        wait: Duration,
        sent_at: Timestamp,
    },
    Report {
        reports: Vec<Report>,
        tenants: Vec<TenantReport>,
    },
}

/// From the control plane to an agent.
#[derive(Clone, Debug)]
pub(crate) enum ToAgent {
    Registered,
    NotRegistered,
    /// Another start of the agent has registered since.
    Superseded,
    News {
        news: News,
        /// What the control plane's clock showed.
        at: Timestamp,
        sent_at: Timestamp,
    },
    Reported {
        reports: Vec<Report>,
        tenants: Vec<TenantReport>,
        stale: Vec<Uid>,
    },
}
