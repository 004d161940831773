//! Which of several hosts takes a booking.
//!
//! A host is judged by its scarcest dimension at its fullest instant within the
//! window: one that has all of its memory left and no licence takes nothing
//! more, and a sum would hide it.

use std::cmp::Reverse;

use tessera_types::workload::Placement;
use tessera_types::{Name, Timestamp, Uid};

use super::account::{Booking, Calendar};
use super::clash::Clash;
use super::load::PORTS;
use super::refusal::Refusal;

/// A host that a pod may be placed on as far as its labels, location and so on
/// are concerned.
#[derive(Clone, Copy, Debug)]
pub struct HostCandidate<'a> {
    /// Its id.
    pub host: Uid,
    /// Its name, which decides between equals.
    pub name: &'a Name,
    /// What is held of it.
    pub calendar: &'a Calendar,
}

/// Hosts that are out of the question for a reason that no calendar knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// How many.
    pub hosts: usize,
    /// Why, as the rest of a sentence that begins with their number, however many
    /// they are: `do not have zone=a`.
    pub reason: String,
}

/// The calendars of all hosts that a booking may go to.
#[derive(Clone, Copy, Debug)]
pub struct Calendars<'a> {
    /// The hosts.
    pub hosts: &'a [HostCandidate<'a>],
    /// The hosts that were ruled out before, so that a refusal accounts for all.
    pub filtered: &'a [Filtered],
    /// The fullest host that fits, or the emptiest.
    pub placement: Placement,
}

/// Where a booking goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The host.
    pub host: Uid,
    /// Its name.
    pub name: Name,
    /// The ports there.
    pub ports: Vec<u16>,
}

/// How full a host is, in millionths of its scarcest dimension and then of all
/// dimensions together; the higher, the better for the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Score {
    Pack((u128, u128)),
    Spread(Reverse<(u128, u128)>),
}

impl Calendars<'_> {
    /// The best host for `booking`, and its ports there.
    ///
    /// # Errors
    /// [`Refusal`] accounts for every host.
    pub fn choose(&self, booking: &Booking) -> Result<Booked, Refusal> {
        let (mut fitting, clashes) = self.judge(booking);
        if fitting.is_empty() {
            return Err(Refusal::new(&clashes, self.filtered));
        }
        Ok(fitting.swap_remove(0))
    }

    /// The earliest start in `[not_before, not_after]` at which `booking` fits
    /// somewhere, and where. None if there is none.
    #[must_use]
    pub fn earliest(
        &self,
        booking: &Booking,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Option<(Timestamp, Booked)> {
        let mut earliest = None;
        for candidate in self.hosts {
            // A host is of no use after the best that is known.
            let not_after = earliest.unwrap_or(not_after);
            earliest = candidate.calendar.earliest(booking, not_before, not_after).or(earliest);
        }
        let start = earliest?;
        Some((start, self.choose(&booking.moved_to(start)).ok()?))
    }

    /// The hosts that take `booking`, the best first; and why the others do not.
    pub(super) fn judge(&self, booking: &Booking) -> (Vec<Booked>, Vec<(&Name, Clash)>) {
        let mut fitting = Vec::new();
        let mut clashes = Vec::new();
        for HostCandidate { host, name, calendar } in self.hosts {
            match calendar.fits(booking) {
                Ok(ports) => {
                    let score = Score::of(calendar.fullness(booking), self.placement);
                    let booked = Booked { host: *host, name: (*name).clone(), ports };
                    fitting.push((Reverse(score), booked));
                }
                Err(clash) => clashes.push((*name, clash)),
            }
        }
        fitting.sort_by(|(a, one), (b, other)| {
            (a, &one.name, one.host).cmp(&(b, &other.name, other.host))
        });
        (fitting.into_iter().map(|(_, booked)| booked).collect(), clashes)
    }
}

impl Score {
    fn of(fullness: (u128, u128), placement: Placement) -> Self {
        match placement {
            Placement::Pack => Self::Pack(fullness),
            Placement::Spread => Self::Spread(Reverse(fullness)),
        }
    }
}

/// Shares are counted in millionths.
const WHOLE: u128 = 1_000_000;

impl Calendar {
    /// How full the host would be with `booking`, which fits.
    fn fullness(&self, booking: &Booking) -> (u128, u128) {
        let Ok(possible) = self.possible(booking) else { return (0, 0) };
        let needs = |index| match index {
            PORTS => possible.ports as u128,
            _ => possible.limits.iter().find(|it| it.index == index).map_or(0, |it| it.needs),
        };
        let peak = |index| {
            let steps = self.timeline.within(possible.window);
            steps.map(|(at, load)| possible.used(at, load, index)).max().unwrap_or(0)
        };
        let shares = self
            .capacity
            .present()
            .map(|index| (peak(index) + needs(index)) * WHOLE / self.capacity.at(index));
        shares.fold((0, 0), |(most, sum), share| (most.max(share), sum + share))
    }
}
