//! The one place where the control plane reads the clock.

use std::time::Instant;

use tessera_types::{Duration, Timestamp};

/// The time now.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// A wall clock that gains more than this on the monotonic one has jumped.
const JUMP_MIN: Duration = Duration::from_secs(2);

/// Notices when the wall clock jumps forward: leases would lapse that have not.
#[derive(Debug)]
pub(crate) struct JumpDetector {
    wall: Timestamp,
    monotonic: Instant,
}

impl JumpDetector {
    pub(crate) fn new() -> Self {
        Self { wall: now(), monotonic: Instant::now() }
    }

    /// By how much the wall clock has jumped forward since the last call.
    pub(crate) fn check(&mut self) -> Option<Duration> {
        let (wall, monotonic) = (now(), Instant::now());
        let elapsed = Duration::from_millis((monotonic - self.monotonic).as_millis() as u64);
        let expected = self.wall.plus(elapsed);
        (self.wall, self.monotonic) = (wall, monotonic);
        let jump = wall.since(expected);
        (jump >= JUMP_MIN).then_some(jump)
    }
}
