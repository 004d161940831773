//! Which reports go into a call: no more than the control plane takes, and not those that it has just postponed.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;
use tessera_types::sync::{Report, ReportResponse};
use tessera_types::{Uid, limits};
use tokio::time::Instant;

use super::pace::Pace;
use tessera_types::sync::TenantReport;

const POSTPONED_INITIAL: Duration = Duration::from_millis(500);
const POSTPONED_MAX: Duration = Duration::from_secs(30);

/// Something that is told of one resource.
pub(super) trait Told: Clone + Serialize {
    /// Of which.
    fn id(&self) -> Uid;
}

impl Told for Report {
    fn id(&self) -> Uid {
        self.id
    }
}

impl Told for TenantReport {
    fn id(&self) -> Uid {
        self.id
    }
}

/// What is known of what the control plane takes.
pub(super) struct Posting {
    bytes_max: usize,
    postponed: HashSet<Uid>,
    postponed_until: Instant,
    pace: Pace,
}

impl Posting {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bytes_max: limits::REPORTS_BYTES_MAX,
            postponed: HashSet::new(),
            postponed_until: now,
            pace: Pace::new(POSTPONED_INITIAL, POSTPONED_MAX),
        }
    }

    /// What to post now, of all that is to be told. A single report goes alone, however large it is.
    pub(super) fn choose<'a, R: Told + 'a>(
        &self,
        now: Instant,
        unreported: impl Iterator<Item = &'a R>,
    ) -> Vec<R> {
        let waits = now < self.postponed_until;
        let due = unreported.filter(|report| !(waits && self.postponed.contains(&report.id())));
        let mut bytes = 0;
        let fitting = due.take(limits::REPORTS_MAX).enumerate().take_while(|(i, report)| {
            bytes += size(*report);
            *i == 0 || bytes <= self.bytes_max
        });
        fitting.map(|(_, report)| report.clone()).collect()
    }

    /// Whether all is told. What the store of the control plane does not take is not waited
    /// for: nothing else of the node could be judged as long as that lasts.
    pub(super) fn is_all_told<'a, R: Told + 'a>(
        &self,
        mut unreported: impl Iterator<Item = &'a R>,
    ) -> bool {
        unreported.all(|report| self.postponed.contains(&report.id()))
    }

    /// The control plane has answered.
    pub(super) fn answered<R: Told>(
        &mut self,
        now: Instant,
        reports: &[R],
        answer: &ReportResponse,
    ) {
        for report in reports {
            self.postponed.remove(&report.id());
        }
        if answer.postponed.is_empty() {
            if self.postponed.is_empty() {
                self.pace.reset();
            }
            return;
        }
        self.postponed.extend(&answer.postponed);
        self.postponed_until = now + self.pace.failed();
    }

    /// These were too many bytes for one call. Answers the one that is too large by itself.
    pub(super) fn too_large<'a, R: Told>(&mut self, reports: &'a [R]) -> Option<&'a R> {
        if let [alone] = reports {
            return Some(alone);
        }
        self.bytes_max = reports.iter().map(|report| size(report)).sum::<usize>() / 2;
        None
    }

    /// When what was postponed is due, if it is not yet.
    pub(super) fn next_after(&self, now: Instant) -> Option<Instant> {
        Some(self.postponed_until).filter(|at| !self.postponed.is_empty() && *at > now)
    }
}

/// The bytes that a report takes in a call, with the comma after it.
fn size(report: &impl Told) -> usize {
    serde_json::to_vec(report).map_or(0, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn report(id: u64, bytes: usize) -> Report {
        serde_json::from_value(json!({
            "id": Uid(id), "epoch": 1, "seq": 1, "at": "2026-05-01T08:00:00Z",
            "state": "Running", "reason": "x".repeat(bytes), "restarts": 0,
        }))
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever a control plane takes, all is told in the end, or named as too large; nothing is tried for ever.
        #[test]
        fn all_is_told_to_a_control_plane_with_any_limit(
            sizes in prop::collection::vec(0usize..60_000, 0..30), takes in 1_000usize..1_000_000,
        ) {
            let now = Instant::now();
            let mut posting = Posting::new(now);
            let mut left: Vec<_> =
                sizes.iter().zip(1..).map(|(bytes, id)| report(id, *bytes)).collect();
            let mut too_large = Vec::new();
            for _ in 0..200 {
                if left.is_empty() {
                    break;
                }
                let call = posting.choose(now, left.iter());
                prop_assert!(!call.is_empty());
                let bytes: usize = call.iter().map(size).sum();
                prop_assert!(call.len() == 1 || bytes <= limits::REPORTS_BYTES_MAX);
                if bytes <= takes {
                    left.drain(..call.len());
                } else if let Some(alone) = posting.too_large(&call) {
                    too_large.push(size(alone));
                    left.remove(0);
                }
            }
            prop_assert!(left.is_empty());
            prop_assert!(too_large.iter().all(|size| *size > takes));
        }
    }

    #[test]
    fn what_is_postponed_waits_and_holds_up_nothing_else() {
        let now = Instant::now();
        let mut posting = Posting::new(now);
        let all = [report(1, 1), report(2, 1)];
        let answer = ReportResponse { postponed: vec![Uid(1)], ..ReportResponse::default() };
        posting.answered(now, &all, &answer);
        let ids = |reports: Vec<Report>| reports.iter().map(|it| it.id.0).collect::<Vec<_>>();
        assert_eq!(ids(posting.choose(now, all.iter())), [2]);
        let due = posting.next_after(now).unwrap();
        assert_eq!(ids(posting.choose(due, all.iter())), [1, 2]);
        posting.answered(due, &all, &ReportResponse::default());
        assert_eq!(posting.next_after(now), None);
    }
}
