//! The one place where the engine reads the clock, and asks for randomness.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tessera_types::Timestamp;

/// What the wall clock shows.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// What a clock shows that nobody sets.
pub(crate) fn passed() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

/// Ten random bytes.
pub(crate) fn random() -> io::Result<[u8; 10]> {
    let mut bytes = [0; 10];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// `pause`, up to a quarter shorter, so that what failed together is not tried again
/// together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // A new hasher is keyed at random; that is all the randomness that is needed here.
    let share = f64::from(RandomState::new().hash_one(0u8) as u32) / f64::from(u32::MAX);
    pause.mul_f64(1.0 - share / 4.0)
}
