//! One host's calendar answers as the oracle does.

use proptest::prelude::*;
use tessera_scheduler::calendar::{Booking, Calendar, Clash, Hold, Window};
use tessera_types::host::{Amounts, HostCapacity, HostDemand};
use tessera_types::{Millicores, Timestamp, Uid};

use crate::oracle::{self, Host, TICKS, at, three, tick, ticks};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_fits_where_every_tick_has_room(host in oracle::host(), booking in oracle::booking(3)) {
        prop_assert_eq!(host.calendar().fits(&booking).ok(), host.fits(&booking));
    }

    /// Of a host on which everything fitted, a change breaks what is over after it;
    /// and no change breaks nothing, whatever was over before.
    #[test]
    fn a_change_breaks_what_is_over_only_since(
        sound in oracle::sound_host(4), any in oracle::host(),
        capacity in oracle::capacity(4), open in oracle::opening(),
    ) {
        let before = sound.calendar();
        let after = Host { capacity, open, ..sound }.calendar();
        prop_assert_eq!(after.is_over_since(&before), after.is_over());
        prop_assert_eq!(any.calendar().is_over_since(&any.calendar()), None);
    }

    #[test]
    fn the_reason_is_true(host in oracle::host(), booking in oracle::booking(3)) {
        let Err(clash) = host.calendar().fits(&booking) else { return Ok(()) };
        let empty = Host { holds: Default::default(), ..host.clone() };
        prop_assert_eq!(clash.is_permanent(), empty.fits(&booking).is_none());
        let Clash::Taken(taken) = clash else { return Ok(()) };
        prop_assert!(taken.free < taken.needs && taken.needs <= taken.of);
        let d = match taken.dimension.to_string().as_str() {
            "cpu" => 0,
            "memory" => 1,
            "licences" => 2,
            _ => {
                if taken.window == booking.window {
                    prop_assert_eq!(taken.free, host.free_ports(&booking).len() as u128);
                    return Ok(());
                }
                // At some time too few are free, and that is the time that is told.
                let met = ticks(taken.window).filter(|t| ticks(booking.window).contains(t));
                let free = met.map(|t| {
                    let window = Window::new(at(t), at(t + 1));
                    host.free_ports(&Booking { window, ..booking.clone() }).len() as u128
                });
                prop_assert_eq!(Some(taken.free), free.min());
                return Ok(());
            }
        };
        let has = three(&host.capacity.amounts())[d];
        let free = |tick| has.saturating_sub(host.used(tick, booking.instead_of)[d]);
        let needs = three(&booking.demand.amounts())[d];
        // Before the stretch it fits, within it never does, and at its end it does again.
        prop_assert!((tick(booking.window.from)..tick(taken.window.from)).all(|t| free(t) >= needs));
        prop_assert!(ticks(taken.window).all(|t| free(t) < needs));
        let after = tick(taken.window.until);
        prop_assert!(after == TICKS || free(after) >= needs);
        let met = ticks(taken.window).filter(|t| ticks(booking.window).contains(t));
        prop_assert_eq!(Some(taken.free), met.map(|t| u128::from(free(t))).min());
    }

    #[test]
    fn the_earliest_start_is_the_first_that_fits(
        host in oracle::host(), booking in oracle::booking(3), from in 0..TICKS, length in 0..TICKS,
    ) {
        let last = (from + length).min(TICKS - 1);
        let expected = (from..=last).find(|start| host.fits(&moved(&booking, *start)).is_some());
        let found = host.calendar().earliest(&booking, at(from), at(last));
        prop_assert_eq!(found, expected.map(at));
    }

    #[test]
    fn what_is_held_is_the_sum_of_the_holds(
        host in oracle::host(),
        changes in prop::collection::vec((0..8u64, prop::option::of(oracle::hold())), 0..12),
        window in oracle::window(),
    ) {
        let mut calendar = host.calendar();
        let mut host = host;
        for (id, hold) in changes {
            match hold {
                Some(hold) => {
                    host.holds.insert(id, hold.clone());
                    calendar.hold(Uid(id), hold);
                }
                None => prop_assert_eq!(calendar.release(Uid(id)), host.holds.remove(&id).is_some()),
            }
        }
        let steps = calendar.usage(window);
        prop_assert_eq!(steps[0].at, window.from);
        for t in ticks(window) {
            let step = steps.iter().rev().find(|step| step.at <= at(t)).unwrap();
            let now = calendar.used_at(at(t));
            prop_assert_eq!((&now.amounts, now.ports, &now.ids), (&step.amounts, step.ports, &step.ids));
            prop_assert_eq!(three(&now.amounts), host.used(t, None));
            let ports: usize = host.held_at(t).map(|(_, hold)| hold.ports.len()).sum();
            prop_assert_eq!(now.ports, ports as u128);
            prop_assert_eq!(now.ids, host.held_at(t).map(|(id, _)| Uid(*id)).collect::<Vec<_>>());
        }
        for id in host.holds.keys() {
            calendar.release(Uid(*id));
        }
        prop_assert_eq!(calendar.usage(Window::starting(Timestamp::EPOCH)).len(), 1);
        prop_assert_eq!(calendar.holds(), 0);
    }

    #[test]
    fn it_is_over_from_the_first_tick_that_is(
        host in prop_oneof![oracle::host(), oracle::sound_host(4)], smaller in oracle::capacity(4),
        shrink in any::<bool>(),
    ) {
        let mut calendar = host.calendar();
        let mut host = host;
        if shrink {
            calendar.set_capacity(&smaller);
            host.capacity = smaller;
        }
        prop_assert_eq!(calendar.is_over().map(|over| tick(over.window().from)), host.is_over());
    }
}

fn moved(booking: &Booking, start: i64) -> Booking {
    let length = booking.window.until.as_micros() - booking.window.from.as_micros();
    let until = if booking.window.is_for_ever() {
        Timestamp::MAX
    } else {
        Timestamp::from_micros(at(start).as_micros() + length)
    };
    Booking { window: Window::new(at(start), until), ..booking.clone() }
}

fn cpu(millicores: u64) -> Amounts {
    Amounts { cpu: Millicores(millicores), ..Amounts::default() }
}

fn host_of(millicores: u64) -> Calendar {
    Calendar::new(&HostCapacity { cpu: Millicores(millicores), ..HostCapacity::default() }, None)
}

fn hold(window: Window, millicores: u64) -> Hold {
    Hold { window, amounts: cpu(millicores), ports: vec![], label: "pod".to_owned() }
}

fn wants(window: Window, millicores: u64) -> Booking {
    let demand = HostDemand { cpu: Millicores(millicores), ..HostDemand::default() };
    Booking { window, demand, instead_of: None }
}

#[test]
fn one_may_follow_the_other_at_once_but_not_within_its_buffers() {
    let mut calendar = host_of(1000);
    // Lead time and teardown are a part of the window: [provision_at, cleanup_deadline).
    calendar.hold(Uid(1), hold(Window::new(at(5), at(10)), 1000));
    assert!(calendar.fits(&wants(Window::new(at(10), at(15)), 1000)).is_ok());
    assert!(calendar.fits(&wants(Window::new(at(0), at(5)), 1000)).is_ok());
    let early = Timestamp::from_micros(at(10).as_micros() - 1);
    assert!(calendar.fits(&wants(Window::new(early, at(15)), 1000)).is_err());
    let late = Timestamp::from_micros(at(5).as_micros() + 1);
    assert!(calendar.fits(&wants(Window::new(at(0), late), 1000)).is_err());
}

#[test]
fn a_pod_may_extend_over_its_own_hold_only() {
    let mut calendar = host_of(1000);
    calendar.hold(Uid(1), hold(Window::new(at(0), at(5)), 800));
    calendar.hold(Uid(2), hold(Window::new(at(8), at(9)), 800));
    let extended =
        |until| Booking { instead_of: Some(Uid(1)), ..wants(Window::new(at(0), at(until)), 800) };
    assert!(calendar.fits(&extended(8)).is_ok());
    assert!(calendar.fits(&extended(9)).is_err());
    assert!(calendar.fits(&Booking { instead_of: None, ..extended(8) }).is_err());
}

#[test]
fn what_is_given_back_is_exact_however_much_it_was() {
    let mut calendar = host_of(u64::MAX);
    let window = Window::starting(at(0));
    for id in 1..=3 {
        calendar.hold(Uid(id), hold(window, u64::MAX));
    }
    assert_eq!(calendar.used_at(at(1)).amounts, cpu(u64::MAX));
    assert!(calendar.is_over().is_some());
    calendar.release(Uid(1));
    calendar.release(Uid(2));
    assert!(calendar.is_over().is_none());
    calendar.hold(Uid(3), hold(window, 1));
    assert!(calendar.fits(&wants(window, u64::MAX - 1)).is_ok());
    assert!(calendar.fits(&wants(window, u64::MAX)).is_err());
}

#[test]
fn an_empty_window_holds_nothing_and_is_refused() {
    let mut calendar = host_of(1000);
    calendar.hold(Uid(1), hold(Window::new(at(5), at(5)), 1000));
    calendar.hold(Uid(2), hold(Window::new(at(6), at(2)), 1000));
    assert!(calendar.fits(&wants(Window::starting(at(0)), 1000)).is_ok());
    assert!(calendar.usage(Window::new(at(5), at(5))).is_empty());
    let clash = calendar.fits(&wants(Window::new(at(5), at(5)), 1)).unwrap_err();
    assert!(clash.to_string().contains("is empty"), "{clash}");
    assert_eq!(calendar.earliest(&wants(Window::new(at(5), at(5)), 1), at(0), at(9)), None);
    assert!(calendar.release(Uid(1)) && calendar.release(Uid(2)));
}
