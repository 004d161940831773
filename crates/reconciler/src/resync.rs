//! When everything is looked at again, whatever the changes said.
//!
//! The one idea: a timer says when to look again by the clock that it was set by. A wall clock
//! that is set back makes true again what was over, and no timer waits for that. So the two
//! clocks are compared: when one has moved against the other, everything is looked at.

use tessera_types::{BootTime, Duration, Now};

/// The safety net: everything is looked at so often.
const EVERY: Duration = Duration::from_secs(600);

/// A wall clock that has moved so far since everything was looked at was set. One that is only
/// made faster or slower, by half a thousandth at most, takes longer for it than [`EVERY`].
const SET_BY: Duration = Duration::from_secs(1);

/// When everything was looked at last, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Resync {
    last: Now,
}

impl Resync {
    /// A reconciler is new: it looks at everything by itself.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { last: now }
    }

    /// How long until everything is to be looked at, if no clock is set: zero when it is to be
    /// now.
    #[must_use]
    pub fn next_in(&self, now: Now) -> Duration {
        if self.clock_was_set(now) { Duration::ZERO } else { self.due_at().since(now.boot) }
    }

    /// Whether everything is to be looked at now; if so, it counts as done.
    pub fn take(&mut self, now: Now) -> bool {
        let is_due = self.next_in(now) == Duration::ZERO;
        if is_due {
            self.last = now;
        }
        is_due
    }

    fn due_at(&self) -> BootTime {
        self.last.boot.plus(EVERY)
    }

    fn clock_was_set(&self, now: Now) -> bool {
        let expected = self.last.wall_at(now.boot);
        now.wall.since(expected).max(expected.since(now.wall)) >= SET_BY
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::Timestamp;

    use super::*;

    fn at(wall_ms: i64, boot_ms: u64) -> Now {
        let wall = Timestamp::from_micros(1_000_000_000_000).moved_by_ms(wall_ms);
        Now { wall, boot: BootTime::from_millis(boot_ms) }
    }

    #[test]
    fn everything_is_looked_at_every_ten_minutes() {
        let mut resync = Resync::new(at(0, 5000));
        assert_eq!(resync.next_in(at(1000, 6000)), Duration::from_secs(599));
        assert!(!resync.take(at(599_999, 604_999)));
        assert!(resync.take(at(600_000, 605_000)));
        assert_eq!(resync.next_in(at(600_000, 605_000)), Duration::from_secs(600));
    }

    #[test]
    fn everything_is_looked_at_once_when_the_wall_clock_was_set() {
        for ms in [-7_200_000, -1000, 1000, 7_200_000] {
            let mut resync = Resync::new(at(0, 0));
            let set = at(60_000 + ms, 60_000);
            assert_eq!(resync.next_in(set), Duration::ZERO, "{ms}");
            assert!(resync.take(set) && !resync.take(at(60_100 + ms, 60_100)), "{ms}");
        }
    }

    #[test]
    fn a_clock_that_is_made_slower_or_faster_is_not_set() {
        for ppm in [-500, 500] {
            let mut resync = Resync::new(at(0, 0));
            for second in 1..600_i64 {
                let wall_ms = second * 1000 + second * ppm / 1000;
                assert!(!resync.take(at(wall_ms, second as u64 * 1000)));
            }
        }
    }
}
