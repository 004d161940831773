//! When what people were told of an unplaced workload is brought up to date.
//!
//! The reason why no node takes it has numbers in it, and changes with every
//! change of room anywhere. Written each time, one workload that ends would
//! rewrite every one that waits. So another kind of obstacle is told soon, and
//! other numbers when they are old.

use tessera_scheduler::{Obstacles, Refusal};
use tessera_types::{BootTime, Duration};

/// Numbers that have changed are told so often.
const NUMBERS_EVERY: Duration = Duration::from_secs(60);
/// Another kind of obstacle is told no more often than this: a node that comes
/// and goes must not rewrite everything each time, either.
const OBSTACLES_EVERY: Duration = Duration::from_secs(5);

/// What was told of an unplaced workload, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explained {
    obstacles: Obstacles,
    at: BootTime,
}

impl Explained {
    pub(crate) fn new(refusal: &Refusal, now: BootTime) -> Self {
        Self { obstacles: refusal.obstacles(), at: now }
    }

    /// From when on another kind of obstacle may be told instead.
    pub(crate) fn may_differ_after(self) -> BootTime {
        self.at.plus(OBSTACLES_EVERY)
    }

    /// From when on `refusal` may be told instead.
    pub(crate) fn holds_until(self, refusal: &Refusal) -> BootTime {
        let is_alike = self.obstacles == refusal.obstacles();
        if is_alike { self.at.plus(NUMBERS_EVERY) } else { self.may_differ_after() }
    }
}
