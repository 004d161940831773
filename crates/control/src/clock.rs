//! The one place where the control plane reads the clocks.

use rustix::time::{ClockId, clock_gettime};
use tessera_types::{BootTime, Now, Timestamp};

/// What the wall clock shows.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// What the clock shows that nobody sets, and that counts on while the machine
/// sleeps.
pub(crate) fn boot() -> BootTime {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    BootTime::from_millis(seconds * 1000 + millis)
}

/// The time on both clocks.
pub(crate) fn both() -> Now {
    Now { wall: now(), boot: boot() }
}
