//! How long to wait before trying again: longer each time, and never all nodes at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Pace {
    initial: Duration,
    max: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, failures: 0 }
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it has failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed: the pause before the next attempt.
    pub(super) fn failed(&mut self) -> Duration {
        let pause = self.initial.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        jitter(pause)
    }
}

/// Between half of `pause` and all of it.
pub(super) fn jitter(pause: Duration) -> Duration {
    // A new hasher is keyed at random; that is all the randomness that is needed here.
    let random = RandomState::new().hash_one(0u8);
    let share = f64::from(random as u32) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_ceiling_and_start_anew() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second, 5 * second);
        for expected in [1, 2, 4, 5, 5] {
            let pause = pace.failed();
            assert!(pause <= expected * second && pause >= expected * second / 2, "{pause:?}");
        }
        pace.reset();
        assert!(pace.failed() <= second);
    }
}
