//! The clocks of one machine: one that drifts and that nobody sets, and a wall
//! clock that follows it and is set now and then. The simulation's own time is
//! the true one, which nobody in it knows.

use tessera_types::{BootTime, Duration, Now, Timestamp};

use crate::rng::Rng;

/// When every simulation begins.
pub(crate) const BEGIN: Timestamp = Timestamp::from_micros(1_000_000_000_000);

const MILLION: i64 = 1_000_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// What the clock that nobody sets showed when all began.
    boot_ms: i64,
    /// It gains so many millionths.
    drift_ppm: i64,
    /// The wall clock was set forward by so much.
    set_ms: i64,
}

impl Clock {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let boot_ms = rng.between(0, 100_000_000) as i64;
        let drift_ppm = rng.between(0, 2001) as i64 - 1000;
        Self { boot_ms, drift_ppm, set_ms: 0 }
    }

    /// Sets the wall clock to show so much more than it should.
    pub(crate) fn set(&mut self, ms: i64) {
        self.set_ms = ms;
    }

    /// The machine is started anew: the clock that nobody sets begins again.
    pub(crate) fn reboot(&mut self, truth: Timestamp) {
        self.boot_ms = 10_000 - self.elapsed_ms(truth);
    }

    /// By how much it is set.
    pub(crate) fn is_set_by_ms(&self) -> i64 {
        self.set_ms
    }

    /// Milliseconds on this clock since all began.
    fn elapsed_ms(&self, truth: Timestamp) -> i64 {
        let ms = truth.since(BEGIN).as_millis() as i64;
        ms + ms * self.drift_ppm / MILLION
    }

    pub(crate) fn boot(&self, truth: Timestamp) -> BootTime {
        BootTime::from_millis((self.boot_ms + self.elapsed_ms(truth)) as u64)
    }

    pub(crate) fn wall(&self, truth: Timestamp) -> Timestamp {
        BEGIN.moved_by_ms(self.elapsed_ms(truth) + self.set_ms)
    }

    pub(crate) fn now(&self, truth: Timestamp) -> Now {
        Now { wall: self.wall(truth), boot: self.boot(truth) }
    }

    /// When, in truth, so much time will have passed on this clock.
    pub(crate) fn after(&self, truth: Timestamp, time: Duration) -> Timestamp {
        let begun = self.elapsed_ms(truth);
        let ms = time.as_millis() as i64;
        let mut at = truth.moved_by_ms(ms - ms * self.drift_ppm / MILLION);
        while self.elapsed_ms(at) < begun + ms {
            at = at.moved_by_ms(1);
        }
        at
    }

    /// When, in truth, the clock that nobody sets shows `boot`.
    pub(crate) fn when_boot(&self, truth: Timestamp, boot: BootTime) -> Timestamp {
        self.after(truth, boot.since(self.boot(truth)))
    }

    /// When, in truth, the wall clock shows `wall`, if it is not set before.
    pub(crate) fn when_wall(&self, truth: Timestamp, wall: Timestamp) -> Timestamp {
        self.after(truth, self.now(truth).until(wall))
    }
}
