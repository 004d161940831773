//! Several hosts and several bookings: nothing is refused that an exhaustive
//! search can place.

use proptest::prelude::*;
use tessera_scheduler::calendar::{
    Booked, Booking, Calendar, Calendars, Hold, HostCandidate, Wanted, Window, book_all,
};
use tessera_types::host::{Amounts, HostCapacity, HostDemand, PortRange};
use tessera_types::workload::Placement;
use tessera_types::{Duration, Name, Uid};

use crate::oracle::{self, Host, TICKS, at};

/// The hosts' calendars, with ids from 100 on.
struct Room {
    names: Vec<Name>,
    calendars: Vec<Calendar>,
}

impl Room {
    fn of(hosts: &[Host]) -> Self {
        Self {
            names: (0..hosts.len()).map(|n| Name::new(&format!("lab-{n}")).unwrap()).collect(),
            calendars: hosts.iter().map(Host::calendar).collect(),
        }
    }

    fn candidates(&self) -> Vec<HostCandidate<'_>> {
        let both = self.names.iter().zip(&self.calendars).enumerate();
        both.map(|(n, (name, calendar))| HostCandidate {
            host: Uid(100 + n as u64),
            name,
            calendar,
        })
        .collect()
    }
}

fn all<'a>(hosts: &'a [HostCandidate<'a>], placement: Placement) -> Calendars<'a> {
    Calendars { hosts, filtered: &[], placement }
}

fn held(booking: &Booking, ports: Vec<u16>) -> Hold {
    Hold {
        window: booking.window,
        amounts: booking.demand.amounts(),
        ports,
        label: "pod/batch".to_owned(),
    }
}

/// Every way to choose `count` of `ports`.
fn subsets(ports: &[u16], count: usize) -> Vec<Vec<u16>> {
    if count == 0 {
        return vec![vec![]];
    }
    (0..ports.len())
        .flat_map(|first| {
            subsets(&ports[first + 1..], count - 1).into_iter().map(move |mut rest| {
                rest.insert(0, ports[first]);
                rest
            })
        })
        .collect()
}

/// Whether any arrangement places all: every host and every set of ports.
fn can_be_placed(hosts: &mut [Host], allowed: &[Vec<usize>], bookings: &[Booking]) -> bool {
    let Some((booking, rest)) = bookings.split_first() else { return true };
    allowed[0].iter().any(|&n| {
        if !hosts[n].has_room(booking) {
            return false;
        }
        let free = hosts[n].free_ports(booking);
        subsets(&free, usize::from(booking.demand.ports)).into_iter().any(|ports| {
            let id = 1000 + rest.len() as u64;
            hosts[n].holds.insert(id, held(booking, ports));
            let placed = can_be_placed(hosts, &allowed[1..], rest);
            hosts[n].holds.remove(&id);
            placed
        })
    })
}

/// Places what was booked, and checks each step.
fn check(hosts: &mut [Host], bookings: &[Booking], booked: &[Booked]) -> Result<(), TestCaseError> {
    prop_assert_eq!(bookings.len(), booked.len());
    for (index, (booking, booked)) in bookings.iter().zip(booked).enumerate() {
        let host = &mut hosts[(booked.host.0 - 100) as usize];
        prop_assert!(host.has_room(booking));
        let free = host.free_ports(booking);
        prop_assert!(booked.ports.is_sorted_by(|a, b| a < b));
        prop_assert!(booked.ports.iter().all(|port| free.contains(port)));
        prop_assert_eq!(booked.ports.len(), usize::from(booking.demand.ports));
        host.holds.insert(2000 + index as u64, held(booking, booked.ports.clone()));
    }
    Ok(())
}

fn fresh(booking: Booking) -> Booking {
    Booking { instead_of: None, ..booking }
}

/// A demand for ports above all, in windows that overlap in various ways.
fn crowded_booking() -> impl Strategy<Value = Booking> {
    (0..8i64, 1..8i64, oracle::demand(2)).prop_map(|(from, length, demand)| Booking {
        window: Window::new(at(from), at(from + length)),
        demand,
        instead_of: None,
    })
}

/// What the bookings of a batch have in common. Pods of one sort are common, and
/// searched in fewer ways; those that only look so must not be.
#[derive(Clone, Copy, Debug)]
enum Like {
    Nothing,
    Window,
    All,
}

impl Like {
    fn make(self, bookings: Vec<Booking>) -> Vec<Booking> {
        let first = bookings[0].clone();
        let alike = bookings.into_iter().map(|booking| match self {
            Self::Nothing => booking,
            Self::Window => Booking { window: first.window, ..booking },
            Self::All => first.clone(),
        });
        alike.collect()
    }
}

fn port_booking() -> impl Strategy<Value = Booking> {
    (0..6i64, 1..8i64, 1..=2u16).prop_map(|(from, length, ports)| Booking {
        window: Window::new(at(from), at(from + length)),
        demand: HostDemand { ports, ..HostDemand::default() },
        instead_of: None,
    })
}

/// A host whose ports are held for good from these ticks on.
fn host_with_ports(free_until: &[i64]) -> Host {
    let holds = free_until.iter().enumerate().map(|(n, from)| {
        let window = Window::starting(at(*from));
        let hold = Hold {
            window,
            amounts: Amounts::default(),
            ports: vec![80 + n as u16],
            label: format!("service/{n}"),
        };
        (n as u64, hold)
    });
    let ports = vec![PortRange { first: 80, last: 79 + free_until.len() as u16 }];
    let capacity = HostCapacity { ports, ..HostCapacity::default() };
    Host { capacity, open: None, holds: holds.collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_batch_is_refused_only_if_no_arrangement_exists(
        hosts in prop::collection::vec(oracle::sound_host(4), 1..4),
        bookings in prop::collection::vec(crowded_booking(), 1..6),
        only in prop::collection::vec(prop_oneof![Just(7), 1..8usize], 5),
        like in prop::sample::select(vec![Like::Nothing, Like::Window, Like::All]),
    ) {
        let bookings = like.make(bookings);
        let room = Room::of(&hosts);
        let candidates = room.candidates();
        // Each booking may go to some of the hosts.
        let allowed: Vec<Vec<usize>> = only
            .iter()
            .map(|mask| (0..hosts.len()).filter(|n| mask & (1 << n) != 0).collect())
            .collect();
        let given: Vec<Vec<HostCandidate<'_>>> = allowed
            .iter()
            .map(|allowed| allowed.iter().map(|n| candidates[*n]).collect())
            .collect();
        let wanted: Vec<Wanted<'_>> = bookings
            .iter()
            .zip(&given)
            .map(|(booking, hosts)| Wanted {
                booking,
                calendars: all(hosts, Placement::Pack),
                label: "pod/batch",
            })
            .collect();
        let mut hosts = hosts;
        match book_all(&wanted) {
            Ok(booked) => {
                for (booked, allowed) in booked.iter().zip(&allowed) {
                    prop_assert!(allowed.contains(&((booked.host.0 - 100) as usize)));
                }
                check(&mut hosts, &bookings, &booked)?;
            }
            Err((index, refusal)) => {
                prop_assert!(index < bookings.len());
                prop_assert!(refusal.is_proven(), "{}", refusal);
                prop_assert!(!can_be_placed(&mut hosts, &allowed, &bookings), "{}", refusal);
            }
        }
    }

    /// Each port is free at the start, for a time of its own: the bookings must
    /// be matched to them, which the lowest free port first does not do.
    #[test]
    fn one_host_is_searched_for_an_arrangement_of_ports(
        (free_until, bookings) in prop::collection::vec(2..12i64, 3..6).prop_flat_map(|free_until| {
            let bookings = prop::collection::vec(port_booking(), 2..=free_until.len() + 1);
            (Just(free_until), bookings)
        }),
    ) {
        let host = host_with_ports(&free_until);
        let room = Room::of(std::slice::from_ref(&host));
        let candidates = room.candidates();
        let wanted: Vec<Wanted<'_>> = bookings
            .iter()
            .map(|booking| Wanted {
                booking,
                calendars: all(&candidates, Placement::Pack),
                label: "pod/batch",
            })
            .collect();
        let mut hosts = [host];
        match book_all(&wanted) {
            Ok(booked) => check(&mut hosts, &bookings, &booked)?,
            Err((_, refusal)) => {
                prop_assert!(refusal.is_proven(), "{}", refusal);
                let allowed = vec![vec![0]; bookings.len()];
                prop_assert!(!can_be_placed(&mut hosts, &allowed, &bookings), "{}", refusal);
            }
        }
    }

    #[test]
    fn a_host_is_chosen_if_any_fits(
        hosts in prop::collection::vec(oracle::host(), 0..5), booking in oracle::booking(3),
        pack in any::<bool>(),
    ) {
        let room = Room::of(&hosts);
        let candidates = room.candidates();
        let placement = if pack { Placement::Pack } else { Placement::Spread };
        match all(&candidates, placement).choose(&booking) {
            Ok(booked) => {
                let host = &hosts[(booked.host.0 - 100) as usize];
                prop_assert_eq!(Some(booked.ports.clone()), host.fits(&booking));
                let mut backwards = candidates.clone();
                backwards.reverse();
                prop_assert_eq!(Ok(booked), all(&backwards, placement).choose(&booking));
            }
            Err(_) => prop_assert!(hosts.iter().all(|host| host.fits(&booking).is_none())),
        }
    }

    #[test]
    fn the_earliest_start_of_all_hosts_is_found(
        hosts in prop::collection::vec(oracle::host(), 1..4), booking in oracle::booking(3),
        from in 0..TICKS,
    ) {
        let room = Room::of(&hosts);
        let candidates = room.candidates();
        let last = TICKS - 1;
        let found = all(&candidates, Placement::Spread).earliest(&booking, at(from), at(last));
        let expected = (from..=last).find(|start| {
            let moved = booking.moved_to(at(*start));
            hosts.iter().any(|host| host.fits(&moved).is_some())
        });
        prop_assert_eq!(found.as_ref().map(|(start, _)| *start), expected.map(at));
        if let Some((start, booked)) = found {
            let host = &hosts[(booked.host.0 - 100) as usize];
            prop_assert_eq!(Some(booked.ports), host.fits(&booking.moved_to(start)));
        }
    }

    /// Pods that are all moved together may take each other's room.
    #[test]
    fn a_batch_may_take_what_it_replaces(
        host in oracle::sound_host(4), by in 0..3i64,
    ) {
        let room = Room::of(std::slice::from_ref(&host));
        let candidates = room.candidates();
        let bookings: Vec<Booking> = host
            .holds
            .iter()
            .map(|(id, hold)| Booking {
                window: hold.window.moved_to(hold.window.from.plus(
                    Duration::from_secs(60 * by as u64),
                )),
                demand: HostDemand {
                    cpu: hold.amounts.cpu,
                    memory: hold.amounts.memory,
                    counted: hold.amounts.counted.clone(),
                    ports: hold.ports.len() as u16,
                },
                instead_of: Some(Uid(*id)),
            })
            .collect();
        let wanted: Vec<Wanted<'_>> = bookings
            .iter()
            .map(|booking| Wanted {
                booking,
                calendars: all(&candidates, Placement::Spread),
                label: "pod/batch",
            })
            .collect();
        let fits = host.open.is_none_or(|open| bookings.iter().all(|b| open.covers(&b.window)));
        prop_assert_eq!(book_all(&wanted).is_ok(), fits);
        let mut hosts = [Host { holds: Default::default(), ..host }];
        if let Ok(booked) = book_all(&wanted) {
            let bookings: Vec<Booking> = bookings.into_iter().map(fresh).collect();
            check(&mut hosts, &bookings, &booked)?;
        }
    }
}
