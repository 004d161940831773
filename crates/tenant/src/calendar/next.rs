//! The next time that belongs to an expression.
//!
//! A local time that the clock skips is no time at all, so it is passed over. One that comes twice
//! is taken at its first; counted from an instant between the two, at its second. systemd does the
//! same, so that a timer never runs at a moment of which this says nothing.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::{Calendar, Fault, MICROS, Weekdays, Zone, bounds};

impl Calendar {
    /// The first time after `after`, or none if there is none before the year 2200. `local` is the
    /// zone of the machine, for an expression that names none.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone(local);
        let first = after.checked_add(1.microsecond()).ok()?;
        let mut from = whole_micros(zone.to_datetime(first));
        loop {
            let found = self.next_local(from)?;
            let ambiguous = zone.to_ambiguous_timestamp(found);
            match ambiguous.offset() {
                AmbiguousOffset::Unambiguous { offset } => return offset.to_timestamp(found).ok(),
                AmbiguousOffset::Fold { before, after: offset } => {
                    let first = before.to_timestamp(found).ok()?;
                    return if first > after {
                        Some(first)
                    } else {
                        offset.to_timestamp(found).ok()
                    };
                }
                AmbiguousOffset::Gap { after: offset, .. } => {
                    let before = offset.to_timestamp(found).ok()?;
                    let change =
                        zone.following(before.checked_sub(1.microsecond()).ok()?).next()?;
                    from = whole_micros(zone.to_datetime(change.timestamp()));
                }
            }
        }
    }

    /// The times after `after`, in their order.
    pub fn times_after<'a>(
        &'a self,
        after: Timestamp,
        local: &'a TimeZone,
    ) -> impl Iterator<Item = Timestamp> + 'a {
        std::iter::successors(self.next_after(after, local), |last| self.next_after(*last, local))
    }

    /// Refuses an expression whose times are all over.
    ///
    /// # Errors
    /// There is no time after `now`.
    pub fn refuse_past(
        &self,
        expression: &str,
        now: Timestamp,
        local: &TimeZone,
    ) -> Result<(), Fault> {
        if self.next_after(now, local).is_some() {
            return Ok(());
        }
        let message = format!("it never fires after {now:.0}");
        Err(Fault::new(0..expression.len(), message))
    }

    /// The zone whose clock the expression is about; `local` is that of the machine.
    pub fn zone<'a>(&'a self, local: &'a TimeZone) -> &'a TimeZone {
        match &self.zone {
            Zone::Local => local,
            Zone::Utc => const { &TimeZone::UTC },
            Zone::Named(_, zone) => zone,
        }
    }

    /// The first local time that is not before `from`.
    pub(super) fn next_local(&self, from: DateTime) -> Option<DateTime> {
        let today = self.next_date(from.date())?;
        if today > from.date() {
            return Some(today.to_datetime(self.next_time(Time::midnight())?));
        }
        if let Some(time) = self.next_time(from.time()) {
            return Some(today.to_datetime(time));
        }
        let later = self.next_date(today.tomorrow().ok()?)?;
        Some(later.to_datetime(self.next_time(Time::midnight())?))
    }

    fn next_date(&self, from: Date) -> Option<Date> {
        let (mut year, mut month, mut day) =
            (from.year() as u64, from.month() as u64, from.day() as u64);
        loop {
            let found = self.year.at_or_after(year, bounds::YEAR.1)?;
            if found > year {
                (year, month, day) = (found, 1, 1);
            }
            let Some(found) = self.month.at_or_after(month, bounds::MONTH.1) else {
                (year, month, day) = (year + 1, 1, 1);
                continue;
            };
            if found > month {
                (month, day) = (found, 1);
            }
            let Some(date) = self.next_day(year, month, day) else {
                (month, day) = (month + 1, 1);
                continue;
            };
            return Some(date);
        }
    }

    /// The first day in a month, not before `day`.
    fn next_day(&self, year: u64, month: u64, mut day: u64) -> Option<Date> {
        let first = Date::new(year as i16, month as i8, 1).ok()?;
        let length = first.days_in_month() as u64;
        loop {
            day = if self.from_month_end {
                self.day.at_or_after_from_end(day, length)?
            } else {
                self.day.at_or_after(day, length)?
            };
            let date = Date::new(year as i16, month as i8, day as i8).ok()?;
            if self.weekdays.has(date) {
                return Some(date);
            }
            day += 1;
        }
    }

    fn next_time(&self, from: Time) -> Option<Time> {
        let (mut hour, mut minute) = (from.hour() as u64, from.minute() as u64);
        let mut second = from.second() as u64 * MICROS + from.subsec_nanosecond() as u64 / 1000;
        loop {
            let found = self.hour.at_or_after(hour, bounds::HOUR.1)?;
            if found > hour {
                (hour, minute, second) = (found, 0, 0);
            }
            let Some(found) = self.minute.at_or_after(minute, bounds::MINUTE.1) else {
                (hour, minute, second) = (hour + 1, 0, 0);
                continue;
            };
            if found > minute {
                (minute, second) = (found, 0);
            }
            let Some(found) = self.second.at_or_after(second, bounds::SECOND.1) else {
                (minute, second) = (minute + 1, 0);
                continue;
            };
            let (seconds, micros) = (found / MICROS, found % MICROS);
            return Time::new(hour as i8, minute as i8, seconds as i8, micros as i32 * 1000).ok();
        }
    }
}

/// Whole microseconds, which is as fine as an expression can be.
fn whole_micros(time: DateTime) -> DateTime {
    let nanos = time.subsec_nanosecond();
    time.with().subsec_nanosecond(nanos - nanos % 1000).build().unwrap_or(time)
}

impl Weekdays {
    fn has(self, date: Date) -> bool {
        self.0 & (1 << date.weekday().to_monday_zero_offset()) != 0
    }
}
