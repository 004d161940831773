//! Randomness for the moments at which something is broken. It is printed, so
//! that a failure says what it was.

use std::hash::{BuildHasher, RandomState};

/// A small generator (xorshift64, Marsaglia 2003); good enough to choose moments.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a new seed, which is printed. `TESSERA_E2E_SEED` gives one.
    #[must_use]
    pub fn new() -> Self {
        let given = std::env::var("TESSERA_E2E_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0u8));
        eprintln!("TESSERA_E2E_SEED={seed}");
        Self(seed | 1)
    }

    /// Another generator, for a task of its own.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next() | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `range`.
    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A span of time of so many milliseconds.
    pub fn millis(&mut self, range: std::ops::Range<u64>) -> std::time::Duration {
        std::time::Duration::from_millis(self.within(range))
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
