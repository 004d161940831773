//! Lateness: a resource whose provisioning should have begun while nobody was
//! there to begin it.

use tessera_types::timed::{Boundary, LateDecision, Lateness, OnLate, Timeslot};
use tessera_types::{Duration, Timestamp};

/// Less than this is not late: a restart of the control plane takes about a
/// second, and a window has its lead time for such things.
const LATE_MIN: Duration = Duration::from_secs(5);

/// How late a resource is, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    boundary: Boundary,
    by: Duration,
}

/// How late something is at `now` whose provisioning has not begun; none when it
/// is not late.
pub(crate) fn is_late(slot: &Timeslot, now: Timestamp) -> Option<Late> {
    let boundary = if slot.is_expired(now) {
        Boundary::End
    } else if now >= slot.start.plus(LATE_MIN) {
        Boundary::Start
    } else {
        Boundary::ProvisionAt
    };
    let by = now.since(slot.provision_at());
    (by >= LATE_MIN || boundary == Boundary::End).then_some(Late { boundary, by })
}

impl Late {
    /// By how much.
    pub(crate) fn by(self) -> Duration {
        self.by
    }

    /// What `policy` makes of it. What is over cannot take place any more,
    /// unless it may be shifted.
    pub(crate) fn decide(self, policy: OnLate) -> LateDecision {
        match (policy, self.boundary) {
            (OnLate::Shift, _) => LateDecision::Shifted,
            (OnLate::Skip, _) | (OnLate::Shorten, Boundary::End) => LateDecision::Skipped,
            (OnLate::Shorten, _) => LateDecision::Shortened,
        }
    }

    /// The same when a shift is not possible.
    pub(crate) fn decide_without_shift(self) -> LateDecision {
        self.decide(OnLate::Shorten)
    }

    /// What is kept of the decision.
    pub(crate) fn record(self, decision: LateDecision, at: Timestamp) -> Lateness {
        Lateness { boundary: self.boundary, by: self.by, decision, at }
    }
}

/// In words, for the history.
pub(crate) fn in_words(late: &Lateness) -> String {
    let what = match late.boundary {
        Boundary::ProvisionAt => "the beginning of its provisioning",
        Boundary::Start => "its start",
        Boundary::End => "its end",
    };
    let decision = match late.decision {
        LateDecision::Skipped => "it does not take place",
        LateDecision::Shortened => "it has less time",
        LateDecision::Shifted => "it takes place later",
    };
    format!("nobody was there at {what}, {} ago: {decision}", late.by)
}
