//! How long an agent waits for what keeps its lease: the answer to a heartbeat, or to a registration.

use tessera_types::Duration;

/// How long one heartbeat takes at most.
///
/// One that gets lost must leave time for another, and for its answer, before the lease ends. That counts from when the
/// one before was sent, so both of these times and the next one's wait have to fit: after a failure it is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How long the control plane may wait for news.
    pub wait: Duration,
    /// An answer that comes later than this is not waited for.
    pub limit: Duration,
}

impl Heartbeat {
    /// What an agent takes its lease to be until it is told: a control plane's, unless it is set otherwise.
    pub const LEASE_USUAL: Duration = Duration::from_secs(15);

    /// The next one, under a lease of this length; `has_failed` says that the last call has.
    #[must_use]
    pub fn next(lease: Duration, has_failed: bool) -> Self {
        let share = if has_failed { 15 } else { 3 };
        let of_lease = |share| Duration::from_millis(lease.as_millis() / share);
        Self { wait: of_lease(share), limit: of_lease(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_gets_lost_does_not_cost_the_lease() {
        let (lease, pause) = (Duration::from_secs(15), Duration::from_secs(1));
        let (lost, next) = (Heartbeat::next(lease, false), Heartbeat::next(lease, true));
        let answered = lost.wait.plus(lost.limit).plus(pause).plus(next.wait);
        assert!(answered < lease, "answered after {answered}");
        assert!(next.wait < lost.wait && next.limit > lost.wait, "{next:?}");
    }
}
