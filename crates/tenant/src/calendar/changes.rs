//! What the changes of a clock do to a schedule.
//!
//! Twice a year most zones set their clocks. A local time may be passed over then, or come twice,
//! and a run with it: the people who depend on it should hear of that before.

use std::fmt;

use jiff::civil::{DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneTransition};
use jiff::{SignedDuration, Timestamp};

use super::Calendar;

/// How far ahead changes are looked for: one of each sort is in a year.
const AHEAD: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A change of the clock that a run does not come through unharmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When the clock is changed.
    pub at: Timestamp,
    /// The local time of the run concerned, the first of them if there are several.
    pub run: DateTime,
    /// What becomes of it.
    pub effect: ChangeEffect,
}

/// What a change of the clock does to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeEffect {
    /// Its time does not come, so it does not run.
    Skipped,
    /// Its time comes twice. It runs at the first, and again only if the timer is started anew
    /// between the two.
    Repeated,
    /// The time comes twice and has runs all along: they pause while it comes for the second time.
    Paused,
    /// Its time does not come, and the change is at midnight, as in Lebanon, or the clock goes
    /// forward to leave what its zone calls daylight-saving time, as in Morocco. systemd 252 may
    /// pass over later runs too then.
    Unclear,
}

impl Calendar {
    /// The changes within a year from `now` that skip or repeat a run.
    #[must_use]
    pub fn changes(&self, now: Timestamp, local: &TimeZone) -> Vec<Change> {
        let zone = self.zone(local);
        let Ok(last) = now.checked_add(AHEAD) else { return Vec::new() };
        let ahead = zone.following(now).take_while(|change| change.timestamp() <= last);
        ahead.filter_map(|change| self.change(zone, &change)).collect()
    }

    fn change(&self, zone: &TimeZone, change: &TimeZoneTransition<'_>) -> Option<Change> {
        let at = change.timestamp();
        let just_before = at.checked_sub(SignedDuration::from_nanos(1)).ok()?;
        let before = zone.to_offset(just_before);
        let (from, to) = (before.to_datetime(at), change.offset().to_datetime(at));
        let (run, effect) = if from < to {
            // systemd then takes a time that is passed over for one before the change.
            let was_saving = zone.to_offset_info(just_before).dst().is_dst();
            let unclear = was_saving && !change.dst().is_dst() || from.time() == Time::midnight();
            let effect = if unclear { ChangeEffect::Unclear } else { ChangeEffect::Skipped };
            (self.within(from, to)?, effect)
        } else {
            // The clock goes from `from` back to `to`, so that what lies between comes twice.
            let run = self.within(to, from)?;
            let length = to.duration_until(from);
            let all_along = self.within(to.checked_sub(length).ok()?, to).is_some()
                && self.within(from, from.checked_add(length).ok()?).is_some();
            let effect = if all_along { ChangeEffect::Paused } else { ChangeEffect::Repeated };
            (run, effect)
        };
        Some(Change { at, run, effect })
    }

    /// The first local time of the expression in `[from, to)`.
    fn within(&self, from: DateTime, to: DateTime) -> Option<DateTime> {
        self.next_local(from).filter(|time| *time < to)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.run.date(), self.run.time());
        match self.effect {
            ChangeEffect::Skipped => {
                write!(f, "on {date} the clock passes over {time}, so it does not run then")
            }
            ChangeEffect::Unclear => write!(
                f,
                "on {date} the clock passes over {time}, so it does not run then; systemd may \
                 pass over later ones too"
            ),
            ChangeEffect::Repeated => write!(
                f,
                "on {date} the clock shows {time} twice: it runs at the first, and again if its \
                 timer is started between the two"
            ),
            ChangeEffect::Paused => write!(
                f,
                "on {date} the clock is set back, and there are no runs while the time from \
                 {time} comes again"
            ),
        }
    }
}
