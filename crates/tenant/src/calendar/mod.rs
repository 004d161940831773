//! Calendar expressions of systemd, such as `Mon..Fri *-*-* 08:35:00 America/New_York`: when a
//! tenant runs.
//!
//! The one idea: an expression is a set of local times. Each field (year, month, day, hour, minute,
//! second) is a chain of values, ranges and steps, and a time belongs to the set when all its
//! fields and its weekday do. [`Calendar::next_after`] walks from field to field to the next member,
//! and only then asks the time zone which instant that is.
//!
//! systemd.time(7) says what an expression means; where it is silent, `systemd-analyze calendar` of
//! systemd 252 does, and the tests compare with it.

mod changes;
mod components;
mod cron;
mod explain;
mod fault;
mod next;
mod parse;
mod text;

pub use changes::{Change, ChangeEffect};
pub use cron::from_cron;
pub use fault::Fault;

use components::Chain;
use jiff::tz::TimeZone;

/// A calendar expression, in its normal form.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Bit 0 is Monday. All are set where the expression names none.
    weekdays: Weekdays,
    year: Chain,
    month: Chain,
    day: Chain,
    /// Days are counted from the end of the month, from 1.
    from_month_end: bool,
    hour: Chain,
    minute: Chain,
    /// In microseconds.
    second: Chain,
    zone: Zone,
}

/// A set of weekdays; bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weekdays(u8);

impl Weekdays {
    const ALL: Self = Self(0b111_1111);
}

/// Which clock an expression is about.
#[derive(Clone, Debug)]
enum Zone {
    /// That of the machine that the timer is on.
    Local,
    Utc,
    Named(String, TimeZone),
}

/// The first and the last value of each field; days count from either end.
mod bounds {
    pub(super) const YEAR: (u64, u64) = (1970, 2199);
    pub(super) const MONTH: (u64, u64) = (1, 12);
    pub(super) const DAY: (u64, u64) = (1, 31);
    pub(super) const HOUR: (u64, u64) = (0, 23);
    pub(super) const MINUTE: (u64, u64) = (0, 59);
    pub(super) const SECOND: (u64, u64) = (0, 60 * super::MICROS - 1);
}

/// Microseconds in a second: the unit of the field of seconds.
const MICROS: u64 = 1_000_000;
