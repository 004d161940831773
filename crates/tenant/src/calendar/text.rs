//! The normal form of an expression, as systemd writes it.

use std::fmt;

use super::components::{Chain, Component};
use super::{Calendar, MICROS, Weekdays, Zone};

/// The weekdays from Monday.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weekdays != Weekdays::ALL {
            write!(f, "{} ", self.weekdays)?;
        }
        let month_end = if self.from_month_end { '~' } else { '-' };
        let whole = |chain, width| Field { chain, width, unit: 1 };
        write!(f, "{}-{}", whole(&self.year, 4), whole(&self.month, 2))?;
        write!(f, "{month_end}{} ", whole(&self.day, 2))?;
        write!(f, "{}:{}", whole(&self.hour, 2), whole(&self.minute, 2))?;
        write!(f, ":{}", Field { chain: &self.second, width: 2, unit: MICROS })?;
        match &self.zone {
            Zone::Local => Ok(()),
            Zone::Utc => f.write_str(" UTC"),
            Zone::Named(name, _) => write!(f, " {name}"),
        }
    }
}

/// A run of three days or more is written as a range.
impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |day: usize| day < WEEKDAYS.len() && self.0 & (1 << day) != 0;
        let mut separator = "";
        let mut day = 0;
        while day < WEEKDAYS.len() {
            if !has(day) {
                day += 1;
                continue;
            }
            let last = (day..).take_while(|day| has(*day)).last().unwrap_or(day);
            write!(f, "{separator}{}", &WEEKDAYS[day][..3])?;
            if last > day {
                let joined = if last - day > 1 { ".." } else { "," };
                write!(f, "{joined}{}", &WEEKDAYS[last][..3])?;
            }
            separator = ",";
            day = last + 1;
        }
        Ok(())
    }
}

/// A chain in a field of so many digits, whose values are multiples of a unit.
struct Field<'a> {
    chain: &'a Chain,
    width: usize,
    unit: u64,
}

impl Field<'_> {
    fn number(&self, f: &mut fmt::Formatter<'_>, value: u64, width: usize) -> fmt::Result {
        write!(f, "{:0width$}", value / self.unit)?;
        if value.is_multiple_of(self.unit) {
            Ok(())
        } else {
            write!(f, ".{:06}", value % self.unit)
        }
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = Component { start: 0, stop: None, step: MICROS };
        // With every second, whatever else a chain has says nothing.
        if self.chain.0.first().is_none_or(|first| self.unit == MICROS && *first == every) {
            return f.write_str("*");
        }
        for (index, component) in self.chain.0.iter().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            self.number(f, component.start, self.width)?;
            if let Some(stop) = component.stop {
                f.write_str("..")?;
                self.number(f, stop, self.width)?;
            }
            // That a range has each of its values goes without saying.
            let said = component.stop.is_some() && component.step == self.unit;
            if component.step > 0 && !said {
                f.write_str("/")?;
                self.number(f, component.step, 1)?;
            }
        }
        Ok(())
    }
}
