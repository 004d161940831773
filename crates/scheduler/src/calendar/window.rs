//! Windows of time, and how they are written.

use std::fmt;

use tessera_types::Timestamp;

/// The time from `from` until just before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it; [`Timestamp::MAX`] is for ever.
    pub until: Timestamp,
}

impl Window {
    /// From `from` until just before `until`.
    #[must_use]
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    /// From `from` on, for ever.
    #[must_use]
    pub const fn starting(from: Timestamp) -> Self {
        Self { from, until: Timestamp::MAX }
    }

    /// Whether there is no instant in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// Whether it has no end.
    #[must_use]
    pub fn is_for_ever(&self) -> bool {
        self.until >= Timestamp::MAX
    }

    /// Whether `at` is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether an instant is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.from < other.until && other.from < self.until
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    /// A window as long as this one that starts at `from`. One that has no end,
    /// or would end after the last time, ends never.
    #[must_use]
    pub fn moved_to(&self, from: Timestamp) -> Self {
        if self.is_for_ever() {
            return Self::starting(from);
        }
        let micros = self.until.as_micros().saturating_sub(self.from.as_micros());
        let until = Timestamp::from_micros(from.as_micros().saturating_add(micros));
        Self { from, until: until.min(Timestamp::MAX) }
    }

    /// The shortest window that covers both.
    pub(super) fn hull(&self, other: &Self) -> Self {
        Self { from: self.from.min(other.from), until: self.until.max(other.until) }
    }

    /// Its text where the reader knows the day of `reference`.
    pub(super) fn beside(self, reference: Timestamp) -> Beside {
        Beside { window: self, reference: Some(reference) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Beside { window: *self, reference: None }.fmt(f)
    }
}

/// A window whose times on the reader's day (UTC) are written without the day.
pub(super) struct Beside {
    window: Window,
    reference: Option<Timestamp>,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * SECOND;

impl Beside {
    fn write(&self, at: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: Timestamp| at.as_micros().div_euclid(DAY);
        if self.reference.is_none_or(|reference| day(reference) != day(at)) {
            return write!(f, "{at}");
        }
        let micros = at.as_micros().rem_euclid(DAY);
        let minutes = micros / (60 * SECOND);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
        match (micros / SECOND % 60, micros % SECOND) {
            (0, 0) => Ok(()),
            (seconds, 0) => write!(f, ":{seconds:02}"),
            (seconds, rest) => write!(f, ":{seconds:02}.{rest:06}"),
        }
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("from ")?;
        self.write(self.window.from, f)?;
        if self.window.is_for_ever() {
            return f.write_str(" on");
        }
        f.write_str(" to ")?;
        self.write(self.window.until, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_of_the_same_day_are_short_and_others_whole() {
        let day = at("2026-05-01T23:00:00Z");
        let show = |from, until| Window::new(at(from), at(until)).beside(day).to_string();
        assert_eq!(show("2026-05-01T09:00:00Z", "2026-05-01T10:30:05Z"), "from 09:00 to 10:30:05");
        assert_eq!(
            show("2026-05-01T09:00:00.25Z", "2026-05-02T00:00:00Z"),
            "from 09:00:00.250000 to 2026-05-02T00:00:00Z"
        );
        assert_eq!(Window::starting(day).beside(day).to_string(), "from 23:00 on");
        assert_eq!(Window::starting(day).to_string(), "from 2026-05-01T23:00:00Z on");
    }

    #[test]
    fn a_moved_window_keeps_its_length_or_has_no_end() {
        let window = Window::new(Timestamp::from_micros(5), Timestamp::from_micros(8));
        let ten = Timestamp::from_micros(10);
        assert_eq!(window.moved_to(ten), Window::new(ten, Timestamp::from_micros(13)));
        assert_eq!(Window::starting(ten).moved_to(Timestamp::EPOCH).until, Timestamp::MAX);
        assert!(window.moved_to(Timestamp::MAX).is_empty());
    }

    #[test]
    fn windows_that_touch_do_not_overlap() {
        let window =
            |from, until| Window::new(Timestamp::from_micros(from), Timestamp::from_micros(until));
        assert!(!window(0, 5).overlaps(&window(5, 9)));
        assert!(window(0, 6).overlaps(&window(5, 9)));
        assert!(!window(0, 6).overlaps(&window(3, 3)));
    }
}
