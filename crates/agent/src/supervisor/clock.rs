//! Time since boot, which no one can set.
//!
//! Leases are measured with `CLOCK_BOOTTIME`: it counts while the machine sleeps, and it is one
//! clock for every process on the machine, so an instant may be handed from the agent to a
//! supervisor.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Milliseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootInstant(u64);

impl BootInstant {
    /// The instant `ms` milliseconds after boot.
    pub fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Reads the clock.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let millis = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
        Self(seconds * 1000 + millis)
    }

    /// Milliseconds since boot.
    pub fn as_ms(self) -> u64 {
        self.0
    }

    /// This instant, `ms` later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for BootInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms after boot", self.0)
    }
}
