//! Several bookings at once: all of them, or none.
//!
//! Taking the bookings in order, each to its best host and lowest ports, is
//! quick and nearly always enough, but not exact: the first may take the only
//! place of the second. When it fails, every arrangement of hosts and ports is
//! tried, within the limits below. A refusal says whether it is proven.

use std::collections::BTreeMap;

use tessera_types::{Timestamp, Uid};

use super::account::{Booking, Calendar};
use super::effort::Effort;
use super::holds::Hold;
use super::hosts::{Booked, Calendars, HostCandidate};
use super::ports::choices;
use super::refusal::Refusal;
use super::window::hull;
use tessera_types::timed::Window;

/// The most bookings of which every arrangement is tried.
pub const SEARCH_BOOKINGS_MAX: usize = 32;
/// The most tries at placing one of them.
pub const SEARCH_TRIES_MAX: usize = 10_000;

/// One booking of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What is to be held. What any booking of the batch replaces stands in the
    /// way of none of them.
    pub booking: &'a Booking,
    /// Where it may go. A host has the same calendar wherever it occurs.
    pub calendars: Calendars<'a>,
    /// Who it is for, as people read it.
    pub label: &'a str,
}

/// Finds a host and ports for every booking, so that all of them fit together.
///
/// # Errors
/// The index of a booking that does not fit beside the others, and why.
pub fn book_all(wanted: &[Wanted<'_>]) -> Result<Vec<Booked>, (usize, Refusal)> {
    book_all_within(wanted, &mut Effort::batch())
}

/// The same, with what is left of `effort` for other arrangements than the first.
///
/// # Errors
/// As [`book_all`].
pub fn book_all_within(
    wanted: &[Wanted<'_>],
    effort: &mut Effort,
) -> Result<Vec<Booked>, (usize, Refusal)> {
    let mut trial = Trial::new(wanted, *effort);
    let found = trial.book();
    *effort = trial.effort;
    found.map(|()| trial.into_booked())
}

impl Trial<'_> {
    fn book(&mut self) -> Result<(), (usize, Refusal)> {
        let trial = self;
        let wanted = trial.wanted;
        let Some((failed, refusal)) = trial.in_order() else { return Ok(()) };
        trial.clear();
        for index in 0..wanted.len() {
            // One that does not fit even alone is the whole reason.
            trial.choose(index).map_err(|alone| (index, alone))?;
        }
        let count = wanted.len();
        if count > SEARCH_BOOKINGS_MAX {
            let why = format!("there are more than {SEARCH_BOOKINGS_MAX}, too many to try");
            return Err((failed, refusal.unproven(count, why)));
        }
        match trial.search(&failed_first(failed, count)) {
            Search::Found => Ok(()),
            Search::Impossible => Err((failed, refusal.in_any_order(count))),
            Search::GaveUp => {
                let why = format!("the search ended after {} tries", trial.tries);
                Err((failed, refusal.unproven(count, why)))
            }
        }
    }
}

/// The order in which bookings are tried: the one that had no room before all.
fn failed_first(failed: usize, count: usize) -> Vec<usize> {
    std::iter::once(failed).chain((0..count).filter(|index| *index != failed)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Found,
    Impossible,
    GaveUp,
}

/// A batch with some of its bookings placed.
struct Trial<'a> {
    wanted: &'a [Wanted<'a>],
    /// A copy of each calendar that differs from what it was given as.
    changed: BTreeMap<Uid, Calendar>,
    booked: Vec<Option<Booked>>,
    tries: usize,
    effort: Effort,
    /// All that the batch touches.
    horizon: Window,
}

/// The id under which a booking of the batch is held while it is tried. The
/// store counts its ids up from one, and never gets here.
fn tentative(index: usize) -> Uid {
    Uid(u64::MAX - index as u64)
}

impl<'a> Trial<'a> {
    fn new(wanted: &'a [Wanted<'a>], effort: Effort) -> Self {
        let windows = wanted.iter().map(|wanted| wanted.booking.window);
        let horizon = windows.reduce(|all, window| hull(all, &window));
        let mut trial = Self {
            wanted,
            changed: BTreeMap::new(),
            booked: vec![None; wanted.len()],
            tries: 0,
            effort,
            horizon: horizon.unwrap_or(Window::starting(Timestamp::EPOCH)),
        };
        trial.release_replaced();
        trial
    }

    fn release_replaced(&mut self) {
        let hosts: BTreeMap<Uid, &Calendar> = self
            .wanted
            .iter()
            .flat_map(|wanted| wanted.calendars.hosts)
            .map(|candidate| (candidate.host, candidate.calendar))
            .collect();
        for replaced in self.wanted.iter().filter_map(|wanted| wanted.booking.instead_of) {
            for (host, calendar) in &hosts {
                if calendar.hold_of(replaced).is_some() {
                    let calendar = self.changed.entry(*host).or_insert_with(|| (*calendar).clone());
                    calendar.release(replaced);
                }
            }
        }
    }

    /// Places one after the other, each as well as possible. Some: the first
    /// that does not fit.
    fn in_order(&mut self) -> Option<(usize, Refusal)> {
        (0..self.wanted.len()).find_map(|index| match self.choose(index) {
            Ok(booked) => {
                self.place(index, booked);
                None
            }
            Err(refusal) => Some((index, refusal)),
        })
    }

    /// Places those of `order` in every way, until one is found.
    fn search(&mut self, order: &[usize]) -> Search {
        let Some((&index, rest)) = order.split_first() else { return Search::Found };
        self.effort.spend(self.wanted[index].calendars.hosts.len() as u64);
        let hosts = self.with_calendars(index, |calendars, booking| calendars.judge(booking).0);
        let from = self.twin_of(index).map_or(Uid(0), |twin| twin.host);
        let mut exhausted = true;
        for host in hosts.into_iter().filter(|booked| booked.host >= from) {
            let (ways, complete) = self.ways(index, host, rest);
            exhausted &= complete;
            for booked in ways {
                if self.tries == SEARCH_TRIES_MAX || self.effort.is_spent() {
                    return Search::GaveUp;
                }
                self.tries += 1;
                match self.try_place(index, booked, rest) {
                    Search::Impossible => self.take_back(index),
                    found_or_gave_up => return found_or_gave_up,
                }
            }
        }
        if exhausted { Search::Impossible } else { Search::GaveUp }
    }

    /// Where a booking like this one is placed, if any is. Two alike can change
    /// places, so that it is enough to try them in the order of their hosts.
    fn twin_of(&self, index: usize) -> Option<&Booked> {
        let mine = &self.wanted[index];
        let hosts = |wanted: &Wanted<'a>| wanted.calendars.hosts.iter().map(|at| at.host);
        let is_twin = |other: &Wanted<'a>| {
            other.booking.window == mine.booking.window
                && other.booking.demand == mine.booking.demand
                && hosts(other).eq(hosts(mine))
        };
        let placed = self.wanted.iter().zip(&self.booked).filter(|(other, _)| is_twin(other));
        placed.filter_map(|(_, booked)| booked.as_ref()).max_by_key(|booked| booked.host)
    }

    fn try_place(&mut self, index: usize, booked: Booked, rest: &[usize]) -> Search {
        self.place(index, booked);
        // What has no room now will have none when more is placed.
        if !rest.iter().all(|later| self.has_room(*later)) {
            return Search::Impossible;
        }
        self.search(rest)
    }

    /// The ways to place a booking on a host on which it fits, and whether these
    /// are all. Which ports it gets only matters to others that need some.
    fn ways(&self, index: usize, on: Booked, rest: &[usize]) -> (Vec<Booked>, bool) {
        let needs_ports = |index: usize| self.wanted[index].booking.demand.ports > 0;
        if !needs_ports(index) || !rest.iter().any(|later| needs_ports(*later)) {
            return (vec![on], true);
        }
        let Some(calendar) = self.calendar(index, on.host) else { return (vec![on], true) };
        let Ok(possible) = calendar.possible(self.wanted[index].booking) else {
            return (vec![on], true);
        };
        let free = calendar.free_ports(&possible);
        let holds = calendar.holds.overlapping(self.horizon);
        let left = SEARCH_TRIES_MAX - self.tries;
        let (ways, complete) = choices(&free, possible.ports, holds, left);
        (ways.into_iter().map(|ports| Booked { ports, ..on.clone() }).collect(), complete)
    }

    fn has_room(&mut self, index: usize) -> bool {
        let found = self.with_calendars(index, |calendars, booking| {
            calendars.hosts.iter().position(|candidate| candidate.calendar.fits(booking).is_ok())
        });
        let asked = found.map_or(self.wanted[index].calendars.hosts.len(), |at| at + 1);
        self.effort.spend(asked as u64);
        found.is_some()
    }

    fn choose(&mut self, index: usize) -> Result<Booked, Refusal> {
        self.effort.spend(self.wanted[index].calendars.hosts.len() as u64);
        self.with_calendars(index, |calendars, booking| calendars.choose(booking))
    }

    /// Asks the calendars of a booking as they are with what has been placed.
    fn with_calendars<T>(&self, index: usize, ask: impl FnOnce(Calendars<'_>, &Booking) -> T) -> T {
        let Wanted { booking, calendars, .. } = self.wanted[index];
        let current = |candidate: &HostCandidate<'a>| HostCandidate {
            calendar: self.changed.get(&candidate.host).unwrap_or(candidate.calendar),
            ..*candidate
        };
        let hosts: Vec<HostCandidate<'_>> = calendars.hosts.iter().map(current).collect();
        ask(Calendars { hosts: &hosts, ..calendars }, booking)
    }

    fn calendar(&self, index: usize, host: Uid) -> Option<&Calendar> {
        self.changed.get(&host).or_else(|| {
            let mut hosts = self.wanted[index].calendars.hosts.iter();
            hosts.find(|candidate| candidate.host == host).map(|candidate| candidate.calendar)
        })
    }

    fn place(&mut self, index: usize, booked: Booked) {
        let Wanted { booking, label, .. } = self.wanted[index];
        let hold = Hold {
            window: booking.window,
            amounts: booking.demand.amounts(),
            ports: booked.ports.clone(),
            label: label.to_owned(),
        };
        if !self.changed.contains_key(&booked.host)
            && let Some(calendar) = self.calendar(index, booked.host).cloned()
        {
            self.changed.insert(booked.host, calendar);
        }
        if let Some(calendar) = self.changed.get_mut(&booked.host) {
            calendar.hold(tentative(index), hold);
        }
        self.booked[index] = Some(booked);
    }

    fn take_back(&mut self, index: usize) {
        if let Some(booked) = self.booked[index].take()
            && let Some(calendar) = self.changed.get_mut(&booked.host)
        {
            calendar.release(tentative(index));
        }
    }

    fn clear(&mut self) {
        for index in 0..self.wanted.len() {
            self.take_back(index);
        }
    }

    fn into_booked(self) -> Vec<Booked> {
        self.booked.into_iter().flatten().collect()
    }
}
