//! The clock of the shells. Cores have none: they are told the time.

use tessera_types::Timestamp;

use crate::supervisor::BootInstant;

/// The time now.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// The clocks are read one after the other; it must not take longer than this.
const READ_MS_MAX: u64 = 10;
/// A wall clock that differs by less has not been set: it is only corrected.
const SET_MS_MIN: u64 = 100;

/// Notices when the wall clock is set.
#[derive(Debug)]
pub(crate) struct SetDetector {
    /// The wall clock less the boot clock, in milliseconds.
    offset_ms: i64,
}

impl SetDetector {
    pub(crate) fn new() -> Self {
        Self { offset_ms: offset_ms() }
    }

    /// By how many milliseconds the wall clock was set since the last call,
    /// forward if positive.
    pub(crate) fn check(&mut self) -> Option<i64> {
        self.differs(offset_ms())
    }

    fn differs(&mut self, offset_ms: i64) -> Option<i64> {
        let by_ms = offset_ms - self.offset_ms;
        if by_ms.unsigned_abs() < SET_MS_MIN {
            return None;
        }
        self.offset_ms = offset_ms;
        Some(by_ms)
    }
}

/// Reads both clocks as if at once: again where the process was held up in between.
fn offset_ms() -> i64 {
    loop {
        let before = BootInstant::now().as_ms();
        let wall_ms = now().as_micros() / 1000;
        let after = BootInstant::now().as_ms();
        if after - before <= READ_MS_MAX {
            return wall_ms - i64::try_from(before).unwrap_or(i64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed_once_and_small_differences_are_not() {
        let mut clock = SetDetector { offset_ms: 1_000_000 };
        assert_eq!(clock.differs(1_000_050), None);
        assert_eq!(clock.differs(999_950), None);
        assert_eq!(clock.differs(4_600_000), Some(3_600_000));
        assert_eq!(clock.differs(4_600_001), None);
        assert_eq!(clock.differs(1_000_000), Some(-3_600_000));
    }
}
