//! A calendar that is too simple to be wrong: time is a few ticks, and every
//! question is answered by looking at each of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tessera_scheduler::calendar::{Booking, Calendar, Hold, Window};
use tessera_types::host::{Amounts, HostCapacity, HostDemand, PortRange};
use tessera_types::{Bytes, Millicores, Timestamp, Uid};

/// Everything that ends at all ends before this tick.
pub(crate) const TICKS: i64 = 24;
const TICK: i64 = 60_000_000;

pub(crate) fn at(tick: i64) -> Timestamp {
    Timestamp::from_micros(tick * TICK)
}

pub(crate) fn tick(at: Timestamp) -> i64 {
    (at.as_micros() / TICK).min(TICKS)
}

pub(crate) fn ticks(window: Window) -> std::ops::Range<i64> {
    tick(window.from)..tick(window.until)
}

/// One host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) capacity: HostCapacity,
    pub(crate) open: Option<Window>,
    pub(crate) holds: BTreeMap<u64, Hold>,
}

/// Amounts of cpu, memory and licences.
pub(crate) fn three(amounts: &Amounts) -> [u64; 3] {
    let licences = amounts.counted.get("licences").copied().unwrap_or(0);
    [amounts.cpu.0, amounts.memory.0, licences]
}

impl Host {
    pub(crate) fn calendar(&self) -> Calendar {
        let mut calendar = Calendar::new(&self.capacity, self.open);
        for (id, hold) in &self.holds {
            calendar.hold(Uid(*id), hold.clone());
        }
        calendar
    }

    pub(crate) fn held_at(&self, tick: i64) -> impl Iterator<Item = (&u64, &Hold)> {
        self.holds.iter().filter(move |(_, hold)| ticks(hold.window).contains(&tick))
    }

    pub(crate) fn used(&self, tick: i64, except: Option<Uid>) -> [u64; 3] {
        let others = self.held_at(tick).filter(|(id, _)| Some(Uid(**id)) != except);
        others.fold([0; 3], |sum, (_, hold)| {
            let more = three(&hold.amounts);
            [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]]
        })
    }

    pub(crate) fn has_room(&self, booking: &Booking) -> bool {
        let demand = three(&booking.demand.amounts());
        let has = three(&self.capacity.amounts());
        ticks(booking.window).all(|tick| {
            let open = self.open.is_none_or(|open| ticks(open).contains(&tick));
            let used = self.used(tick, booking.instead_of);
            open && (0..3).all(|d| demand[d] == 0 || used[d] + demand[d] <= has[d])
        })
    }

    /// The ports that nobody else has at any tick of the window.
    pub(crate) fn free_ports(&self, booking: &Booking) -> Vec<u16> {
        let is_free = |port: &u16| {
            ticks(booking.window).all(|tick| {
                !self.held_at(tick).any(|(id, hold)| {
                    Some(Uid(*id)) != booking.instead_of && hold.ports.contains(port)
                })
            })
        };
        let mut free: Vec<u16> = self.capacity.all_ports().filter(is_free).collect();
        free.sort_unstable();
        free
    }

    pub(crate) fn fits(&self, booking: &Booking) -> Option<Vec<u16>> {
        let free = self.free_ports(booking);
        let count = usize::from(booking.demand.ports);
        (self.has_room(booking) && free.len() >= count).then(|| free[..count].to_vec())
    }

    /// The first tick at which more is held than there is.
    pub(crate) fn is_over(&self) -> Option<i64> {
        let has = three(&self.capacity.amounts());
        let crowded = (0..TICKS).find(|tick| {
            let used = self.used(*tick, None);
            let shared = self.held_at(*tick).any(|(id, hold)| {
                self.held_at(*tick).any(|(other, theirs)| {
                    id < other && hold.ports.iter().any(|port| theirs.ports.contains(port))
                })
            });
            shared || (0..3).any(|d| used[d] > has[d])
        });
        let astray = self.holds.values().filter(|hold| {
            let window = ticks(hold.window);
            let stray =
                hold.ports.iter().any(|port| !self.capacity.all_ports().any(|p| p == *port));
            let closed = self
                .open
                .is_some_and(|open| hold.window.until > open.until || hold.window.from < open.from);
            !window.is_empty() && (stray || closed)
        });
        crowded.into_iter().chain(astray.map(|hold| tick(hold.window.from))).min()
    }
}

pub(crate) fn window() -> impl Strategy<Value = Window> {
    (0..TICKS - 4, 1..8i64, prop::bool::weighted(0.1)).prop_map(|(from, length, for_ever)| {
        if for_ever {
            Window::starting(at(from))
        } else {
            Window::new(at(from), at((from + length).min(TICKS - 1)))
        }
    })
}

fn counted(licences: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("licences".to_owned(), licences)])
}

pub(crate) fn capacity(ports_max: u16) -> impl Strategy<Value = HostCapacity> {
    (1..6u64, 1..6u64, 0..4u64, 0..=ports_max).prop_map(|(cpu, memory, licences, ports)| {
        let range = |first, last| PortRange { first, last };
        let ports = match ports {
            0 => vec![],
            1 => vec![range(63, 63)],
            // Two ranges, the higher first, on both sides of a word's edge.
            _ => vec![range(70, 69 + ports / 2), range(63, 62 + ports.div_ceil(2))],
        };
        HostCapacity {
            cpu: Millicores(cpu),
            memory: Bytes(memory),
            counted: counted(licences),
            ports,
        }
    })
}

pub(crate) fn demand(ports_max: u16) -> impl Strategy<Value = HostDemand> {
    (0..4u64, 0..3u64, 0..2u64, 0..=ports_max).prop_map(|(cpu, memory, licences, ports)| {
        let counted = if licences > 0 { counted(licences) } else { BTreeMap::new() };
        HostDemand { cpu: Millicores(cpu), memory: Bytes(memory), counted, ports }
    })
}

/// Any hold, whether or not there is room for it.
pub(crate) fn hold() -> impl Strategy<Value = Hold> {
    let ports = prop::collection::btree_set(prop::sample::select(vec![63, 64, 70, 71, 99]), 0..3);
    (window(), demand(0), ports).prop_map(|(window, demand, ports)| Hold {
        window,
        amounts: demand.amounts(),
        ports: ports.into_iter().collect(),
        label: "pod".to_owned(),
    })
}

pub(crate) fn opening() -> impl Strategy<Value = Option<Window>> {
    prop_oneof![
        2 => Just(None),
        1 => (0..6i64, 8..TICKS).prop_map(|(from, until)| Some(Window::new(at(from), at(until)))),
    ]
}

pub(crate) fn booking(ports_max: u16) -> impl Strategy<Value = Booking> {
    (window(), demand(ports_max), prop::option::weighted(0.3, 0..8u64)).prop_map(
        |(window, demand, replaces)| Booking { window, demand, instead_of: replaces.map(Uid) },
    )
}

/// A host with any holds; it may well be over its capacity.
pub(crate) fn host() -> impl Strategy<Value = Host> {
    (capacity(4), opening(), prop::collection::btree_map(0..8u64, hold(), 0..7))
        .prop_map(|(capacity, open, holds)| Host { capacity, open, holds })
}

/// A host on which everything fits that is held.
pub(crate) fn sound_host(ports_max: u16) -> impl Strategy<Value = Host> {
    let bookings = prop::collection::vec(booking(2), 0..5);
    (capacity(ports_max), opening(), bookings).prop_map(|(capacity, open, bookings)| {
        let mut host = Host { capacity, open, holds: BTreeMap::new() };
        for (id, booking) in bookings.into_iter().enumerate() {
            let booking = Booking { instead_of: None, ..booking };
            // From the top, so that what is free is in pieces.
            let free = host.free_ports(&booking);
            let count = usize::from(booking.demand.ports);
            if host.has_room(&booking) && free.len() >= count {
                let hold = Hold {
                    window: booking.window,
                    amounts: booking.demand.amounts(),
                    ports: free[free.len() - count..].to_vec(),
                    label: format!("pod/{id}"),
                };
                host.holds.insert(id as u64, hold);
            }
        }
        host
    })
}
