//! The earliest start at which a booking fits.
//!
//! Only a few starts need to be tried: the first that is allowed, and every
//! time at which a hold ends or the host opens. For let a booking fit at `s`,
//! and let `c < s` be an allowed start such that nothing ends and nothing opens
//! in `(c, s]`. Starting at `c` instead adds the instants from `c` to `s` and
//! takes some away at the end. Whatever is held at one of the added instants
//! does not end by `s`, so it is held at `s` too, where the booking fits beside
//! it; and a port that is taken at one of them is taken at `s` too, so it is
//! not among those that are free over the window from `s`. So it fits at `c`.
//!
//! Nor need each of them be tried. Where a booking does not fit, the last
//! instant of its window at which an amount is short stays in the window until
//! the start has passed the step that it is in; and too few ports stay free
//! until the holds on enough of them have ended. Both are ends of holds or lead
//! to one, and no start before them can fit.

use tessera_types::Timestamp;

use super::account::{Booking, Calendar, Possible};
use super::ports::freed_at;

impl Calendar {
    /// The earliest start in `[not_before, not_after]` of a window as long as
    /// the booking's in which it fits; none if there is none.
    #[must_use]
    pub fn earliest(
        &self,
        booking: &Booking,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Option<Timestamp> {
        let mut start = self.open.map_or(not_before, |open| not_before.max(open.from));
        if start > not_after {
            return None;
        }
        // A host that is closed, or has too little in all, stays so: the search only
        // ever moves towards the time at which it closes.
        let mut possible = self.possible(&booking.moved_to(start)).ok()?;
        while start <= not_after {
            possible.window = booking.window.moved_to(start);
            if self.open.is_some_and(|open| !open.covers(&possible.window)) {
                return None;
            }
            match self.blocked_until(&possible) {
                None => return Some(start),
                Some(Timestamp::MAX) => return None,
                Some(later) => start = later,
            }
        }
        None
    }

    /// A time, later than the start, before which no start can fit, given that
    /// this one does not.
    fn blocked_until(&self, possible: &Possible<'_>) -> Option<Timestamp> {
        let short = self
            .timeline
            .within(possible.window)
            .filter(|(at, load)| possible.short(*at, load).is_some())
            .last();
        if let Some((at, _)) = short {
            return Some(self.timeline.next_after(at));
        }
        if possible.ports == 0 || self.free_ports(possible).len() >= possible.ports {
            return None;
        }
        Some(freed_at(&self.ports, possible.ports, self.in_the_way(possible)))
    }
}
