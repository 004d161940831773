//! When a run's next timer is due, also where somebody sets the clock.
//!
//! The one idea: a timer is due when the wall clock has come to its time, or when as much time has
//! passed as was left of it when it became the next one. So a clock that is set back delays
//! nothing, and one that stood still while the machine slept misses nothing.

use std::time::Duration;

use tessera_planted::{Bug, planted};
use tessera_types::Timestamp;

/// The next timer, as it was first seen.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The time that it waits for.
    pub at: Timestamp,
    /// When it is due by the clock that nobody sets; none if that is beyond its reach.
    passes: Option<Duration>,
}

impl Due {
    /// A timer for `at` of a run whose time is `now`. `passed` is what a clock shows that nobody sets.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp, passed: Duration) -> Self {
        Self { at, passes: passed.checked_add(at.since(now).as_std()) }
    }

    /// How long it is until then, as the wall clock and the other one stand.
    #[must_use]
    pub fn left(&self, wall: Timestamp, passed: Duration) -> Duration {
        let by_wall = self.at.since(wall).as_std();
        let passes = self.passes.map(|it| it.saturating_sub(passed));
        passes.filter(|_| !planted(Bug::WallClockAlone)).map_or(by_wall, |it| it.min(by_wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_by_whichever_clock_is_first() {
        let (wall, begin) = (Timestamp::from_micros(1_800_000_000_000_000), Duration::from_secs(7));
        let after = |s| wall.plus(tessera_types::Duration::from_secs(s));
        let before = |s| wall.minus(tessera_types::Duration::from_secs(s));
        let due = Due::new(after(60), wall, begin);
        let passed = |s| begin + Duration::from_secs(s);
        assert_eq!(due.left(after(10), passed(10)), Duration::from_secs(50));
        // The clock was set back by an hour, or the machine slept.
        assert_eq!(due.left(before(3590), passed(10)), Duration::from_secs(50));
        assert_eq!(due.left(before(3540), passed(60)), Duration::ZERO);
        assert_eq!(due.left(after(60), passed(10)), Duration::ZERO);
        // The clock was set back before the timer was made: the run's time is ahead of it.
        let due = Due::new(after(60), wall, begin);
        assert_eq!(due.left(before(3600), passed(1)), Duration::from_secs(59));
        let never = Due::new(Timestamp::from_micros(i64::MAX), wall, begin);
        assert!(never.left(wall, begin) > Duration::from_secs(1 << 32));
    }
}
