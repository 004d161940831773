//! How windows of time are written.

use std::fmt;

use tessera_types::Timestamp;
use tessera_types::timed::Window;

/// The shortest window that covers both.
pub(super) fn hull(one: Window, other: &Window) -> Window {
    Window { from: one.from.min(other.from), until: one.until.max(other.until) }
}

/// The text of a window where the reader knows the day of `reference`.
pub(super) fn beside(window: Window, reference: Timestamp) -> Beside {
    Beside { window, reference }
}

/// A window whose times on the reader's day (UTC) are written without the day, in
/// whole seconds: what stands in the way does so for no longer than is said.
pub(super) struct Beside {
    window: Window,
    reference: Timestamp,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * SECOND;

impl Beside {
    fn write(&self, at: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: Timestamp| at.as_micros().div_euclid(DAY);
        if day(self.reference) != day(at) {
            return write!(f, "{at}");
        }
        let micros = at.as_micros().rem_euclid(DAY);
        let minutes = micros / (60 * SECOND);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
        match micros / SECOND % 60 {
            0 => Ok(()),
            seconds => write!(f, ":{seconds:02}"),
        }
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("from ")?;
        self.write(self.window.from.second_before(), f)?;
        if self.window.is_for_ever() {
            return f.write_str(" on");
        }
        f.write_str(" to ")?;
        self.write(self.window.until.second_after(), f)
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
        let show = |from, until| beside(Window::new(at(from), at(until)), day).to_string();
        assert_eq!(show("2026-05-01T09:00:00Z", "2026-05-01T10:30:05Z"), "from 09:00 to 10:30:05");
        assert_eq!(
            show("2026-05-01T09:00:00.25Z", "2026-05-02T00:00:00Z"),
            "from 09:00 to 2026-05-02T00:00:00Z"
        );
        assert_eq!(beside(Window::starting(day), day).to_string(), "from 23:00 on");
        assert_eq!(Window::starting(day).to_string(), "from 2026-05-01T23:00:00Z on");
    }
}
