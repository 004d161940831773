//! Seeded bugs: mistakes on purpose, to show that the simulation can fail.
//!
//! The one idea: a bug is one expression at the place where somebody could have made the
//! mistake, and it holds only while a run of the simulation has planted it. Without the
//! feature `on`, which nothing but the simulation's feature `bugs` turns on, [`planted`] is
//! the constant `false`, and no build has any of them.

mod bug;

pub use bug::{Bug, Promise};

/// Whether this mistake is made: never.
#[cfg(not(any(feature = "on", test)))]
#[must_use]
#[inline]
pub const fn planted(_: Bug) -> bool {
    false
}

#[cfg(any(feature = "on", test))]
pub use on::{planted, with};

#[cfg(any(feature = "on", test))]
mod on {
    use std::cell::Cell;

    use crate::Bug;

    thread_local! {
        /// A run of the simulation is on one thread, so that several can be beside each other.
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this mistake is made in the run on this thread.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Takes the bug out again, also where the run panics.
    struct Dug;

    impl Drop for Dug {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    /// Makes a run with a bug, or with none.
    pub fn with<T>(bug: Option<Bug>, run: impl FnOnce() -> T) -> T {
        let _dug = Dug;
        PLANTED.set(bug);
        run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_there_for_one_run_however_that_ends() {
        with(Some(Bug::EpochUnchecked), || {
            assert!(planted(Bug::EpochUnchecked) && !planted(Bug::PortsNotCounted));
        });
        assert!(!planted(Bug::EpochUnchecked));
        let fails = std::panic::catch_unwind(|| with(Some(Bug::EpochUnchecked), || panic!("it")));
        assert!(fails.is_err() && !planted(Bug::EpochUnchecked));
    }
}
