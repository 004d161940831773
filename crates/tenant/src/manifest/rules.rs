//! The rules that are about several fields.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tessera_manifest::Node;
use tessera_types::Duration;

use super::code;
use super::reader::Reader;
use crate::calendar::Calendar;

/// How far ahead runs are looked at: each sort of gap is in a year.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How many runs are looked at.
const RUNS_MAX: usize = 5000;

/// The time between two runs that follow each other.
#[derive(Clone, Copy)]
struct Gap {
    from: Timestamp,
    length: Duration,
}

/// The longest gaps of a schedule: without a change of the clock in them, and with one.
#[derive(Default)]
struct Gaps {
    usual: Option<Gap>,
    at_change: Option<Gap>,
}

impl<'d> Reader<'d> {
    pub(super) fn services_without_lifecycle(&mut self, root: &'d Node) {
        if let Some(services) = root.get("services")
            && root.get("lifecycle").is_none()
        {
            let message = "services need a [lifecycle], which says what they run";
            let hint = "add a [lifecycle], or remove the services".to_owned();
            let span = self.document.key_span(services).unwrap_or(services.span);
            self.wrong_at(services, span, code::MISSING_SECTION, message, hint);
        }
    }

    /// Refuses a freshness that a tenant whose runs all succeed does not keep.
    pub(super) fn fresh_between_runs(
        &mut self,
        root: &'d Node,
        calendar: Option<&Calendar>,
        freshness: Option<Duration>,
    ) {
        let (Some(calendar), Some(freshness)) = (calendar, freshness) else { return };
        let Some(node) = root.get("freshness") else { return };
        let gaps = gaps(calendar, self.now);
        let shorter = |gap: &Gap| freshness < gap.length;
        if let Some(Gap { from, length }) = gaps.usual.filter(shorter) {
            let message = format!(
                "{freshness} is shorter than the {length} from the run at {from:.0} to the next, so \
                 the data is stale before it"
            );
            let hint = format!("write {length} or more, or run more often");
            self.wrong(node, code::FRESHNESS_TOO_SHORT, message, hint);
        } else if let Some(Gap { from, length }) = gaps.at_change.filter(shorter) {
            let message = format!(
                "the clock is changed after the run at {from:.0}, and the next is {length} later: \
                 the data is stale before it"
            );
            let hint = format!("write {length} or more, or end the schedule with UTC");
            self.warn(node, code::STALE_AT_CLOCK_CHANGE, message, hint);
        }
    }
}

impl Calendar {
    /// The longest time between two runs within about a year, changes of the clock left out. None
    /// if there is only one run.
    pub(crate) fn longest_interval(&self, now: Timestamp) -> Option<Duration> {
        gaps(self, now).usual.map(|gap| gap.length)
    }
}

fn gaps(calendar: &Calendar, now: Timestamp) -> Gaps {
    let local = TimeZone::UTC;
    let zone = calendar.zone(&local);
    let last = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut runs = calendar.times_after(now, &local).take(RUNS_MAX);
    let mut gaps = Gaps::default();
    let Some(mut from) = runs.next() else { return gaps };
    for to in runs {
        let millis = u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default();
        let gap = Gap { from, length: Duration::from_millis(millis) };
        let changed = zone.to_offset(from) != zone.to_offset(to);
        let longest = if changed { &mut gaps.at_change } else { &mut gaps.usual };
        if longest.is_none_or(|longest| longest.length < gap.length) {
            *longest = Some(gap);
        }
        if to > last {
            break;
        }
        from = to;
    }
    gaps
}
