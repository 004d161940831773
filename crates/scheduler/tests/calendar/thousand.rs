//! A thousand bookings on a hundred hosts: none is ever over its capacity, and
//! none that was refused would have fitted. Counted from the list of what was
//! granted alone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tessera_scheduler::calendar::{Booking, Calendar, Calendars, Hold, HostCandidate, Window};
use tessera_types::host::{HostCapacity, HostDemand, PortRange};
use tessera_types::workload::Placement;
use tessera_types::{Bytes, Millicores, Name, Timestamp, Uid};

const HOSTS: usize = 100;
const BOOKINGS: usize = 1000;
const CPU: u64 = 4000;
const MEMORY: u64 = 16;
const LICENCES: u64 = 5;
const PORTS: std::ops::Range<u16> = 5000..5006;

#[derive(Clone, Debug)]
struct Asked {
    from: i64,
    until: i64,
    cpu: u64,
    memory: u64,
    licences: u64,
    ports: u16,
    /// Cancels an earlier booking first.
    cancels: Option<prop::sample::Index>,
}

#[derive(Clone, Debug)]
struct Granted {
    id: u64,
    asked: Asked,
    ports: Vec<u16>,
}

fn asked() -> impl Strategy<Value = Asked> {
    // Two days of seconds; most windows are long, so that many conflict.
    let cancels = prop::option::weighted(0.1, any::<prop::sample::Index>());
    (0..172_800i64, 600..86_400i64, 500..3000u64, 0..8u64, 0..3u64, 0..3u16, cancels).prop_map(
        |(from, length, cpu, memory, licences, ports, cancels)| Asked {
            from,
            until: from + length,
            cpu,
            memory,
            licences,
            ports,
            cancels,
        },
    )
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn counted(licences: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("licences".to_owned(), licences)])
}

fn booking(asked: &Asked) -> Booking {
    Booking {
        window: Window::new(second(asked.from), second(asked.until)),
        demand: HostDemand {
            cpu: Millicores(asked.cpu),
            memory: Bytes(asked.memory),
            counted: counted(asked.licences),
            ports: asked.ports,
        },
        instead_of: None,
    }
}

/// The most of `amount` that is held at once between `from` and `until`: the
/// sum can only rise where something starts.
fn peak(granted: &[Granted], from: i64, until: i64, amount: impl Fn(&Asked) -> u64) -> u64 {
    let starts = granted.iter().map(|g| g.asked.from).filter(|at| (from..until).contains(at));
    let sum = |at: i64| -> u64 {
        let held = granted.iter().filter(|g| g.asked.from <= at && at < g.asked.until);
        held.map(|g| amount(&g.asked)).sum()
    };
    std::iter::once(from).chain(starts).map(sum).max().unwrap_or(0)
}

fn has_room(granted: &[Granted], asked: &Asked) -> bool {
    let Asked { from, until, .. } = *asked;
    let free = PORTS.filter(|port| {
        !granted
            .iter()
            .any(|g| g.asked.from < until && from < g.asked.until && g.ports.contains(port))
    });
    peak(granted, from, until, |a| a.cpu) + asked.cpu <= CPU
        && (asked.memory == 0 || peak(granted, from, until, |a| a.memory) + asked.memory <= MEMORY)
        && (asked.licences == 0
            || peak(granted, from, until, |a| a.licences) + asked.licences <= LICENCES)
        && free.count() >= usize::from(asked.ports)
}

fn assert_never_over(granted: &[Granted]) -> Result<(), TestCaseError> {
    prop_assert!(peak(granted, 0, i64::MAX, |a| a.cpu) <= CPU);
    prop_assert!(peak(granted, 0, i64::MAX, |a| a.memory) <= MEMORY);
    prop_assert!(peak(granted, 0, i64::MAX, |a| a.licences) <= LICENCES);
    for (n, one) in granted.iter().enumerate() {
        prop_assert_eq!(one.ports.len(), usize::from(one.asked.ports));
        prop_assert!(one.ports.iter().all(|port| PORTS.contains(port)));
        for other in &granted[n + 1..] {
            let apart = one.asked.until <= other.asked.from || other.asked.until <= one.asked.from;
            prop_assert!(apart || one.ports.iter().all(|port| !other.ports.contains(port)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn no_host_is_ever_over_capacity_and_every_refusal_is_right(
        all in prop::collection::vec(asked(), BOOKINGS), pack in any::<bool>(),
    ) {
        let capacity = HostCapacity {
            cpu: Millicores(CPU),
            memory: Bytes(MEMORY),
            counted: counted(LICENCES),
            ports: vec![PortRange { first: PORTS.start, last: PORTS.end - 1 }],
        };
        let names: Vec<Name> =
            (0..HOSTS).map(|n| Name::new(&format!("lab-{n}")).unwrap()).collect();
        let mut calendars = vec![Calendar::new(&capacity, None); HOSTS];
        let mut granted: Vec<Vec<Granted>> = vec![vec![]; HOSTS];
        let placement = if pack { Placement::Pack } else { Placement::Spread };
        let mut refused = 0;
        for (id, asked) in all.into_iter().enumerate() {
            let id = id as u64;
            if let Some(index) = asked.cancels
                && id > 0
            {
                let cancelled = index.index(id as usize) as u64;
                for (calendar, granted) in calendars.iter_mut().zip(&mut granted) {
                    let held = granted.len();
                    granted.retain(|g| g.id != cancelled);
                    prop_assert_eq!(calendar.release(Uid(cancelled)), granted.len() < held);
                }
            }
            let hosts: Vec<HostCandidate<'_>> = names
                .iter()
                .zip(&calendars)
                .enumerate()
                .map(|(n, (name, calendar))| HostCandidate { host: Uid(n as u64), name, calendar })
                .collect();
            let wanted = booking(&asked);
            let choice = Calendars { hosts: &hosts, filtered: &[], placement }.choose(&wanted);
            let Ok(booked) = choice else {
                refused += 1;
                prop_assert!(!granted.iter().any(|granted| has_room(granted, &asked)));
                continue;
            };
            let n = booked.host.0 as usize;
            calendars[n].hold(Uid(id), Hold {
                window: wanted.window,
                amounts: wanted.demand.amounts(),
                ports: booked.ports.clone(),
                label: format!("pod/{id}"),
            });
            granted[n].push(Granted { id, asked, ports: booked.ports });
        }
        // Otherwise nothing was put to the test.
        prop_assert!(refused > 0);
        for (calendar, granted) in calendars.iter().zip(&granted) {
            assert_never_over(granted)?;
            prop_assert_eq!(calendar.is_over(), None);
        }
    }
}
