//! Bookings: never over capacity at any instant, counted here from the bindings of
//! the pods alone; and every refusal is right.

use proptest::prelude::*;
use serde_json::json;
use tessera_reconciler::admission::{AdmissionError, Earliest, Effort};
use tessera_types::{
    Host, HostDefinition, PartDefinition, Pod, PodDefinition, Session, SessionDefinition, Timestamp,
};

use crate::plane::Plane;

const CPU: u64 = 4000;
const LICENCES: u64 = 3;
const PORTS: usize = 4;

/// Servers that take pods of the type `cml_on_aws`: nothing of them is started.
fn servers(count: usize) -> Plane {
    let mut plane = Plane::new();
    plane.apply::<HostDefinition>(json!({"name": "server", "spec": {
        "type_key": "server", "version": "1.0.0", "host_type": "server",
        "pod_types": ["cml_on_aws"],
        "capacity": {"cpu": "4", "counted": {"licences": LICENCES},
            "ports": [{"first": 9000, "last": 9000 + PORTS - 1}]},
    }}));
    for i in 0..count {
        plane.apply::<Host>(json!({"name": format!("server-{i}"), "spec": {
            "definition": {"type_key": "server"},
        }}));
    }
    plane
}

/// A type of session: its parts each with the pods of these sizes.
fn define(plane: &mut Plane, key: &str, sizes: &[u64]) {
    for cpu in sizes {
        plane
            .try_apply::<PodDefinition>(json!({"name": format!("lab-{cpu}"), "spec": {
                "type_key": format!("lab-{cpu}"), "version": "1.0.0", "pod_type": "cml_on_aws",
                "demand": {"cpu": format!("{cpu}m"), "counted": {"licences": 1}, "ports": 1},
            }}))
            .unwrap();
    }
    let pods: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(i, cpu)| json!({"name": format!("p{i}"), "selector": {"type_key": format!("lab-{cpu}")}}))
        .collect();
    plane.apply::<PartDefinition>(json!({"name": key, "spec": {
        "type_key": key, "version": "1.0.0", "duration": "60s", "pods": pods,
    }}));
    plane.apply::<SessionDefinition>(json!({"name": key, "spec": {
        "type_key": key, "version": "1.0.0",
        "parts": [{"name": "one", "selector": {"type_key": key}}],
    }}));
}

/// A session from `start` to `end` with these buffers, in seconds from now.
#[derive(Clone, Debug)]
struct Wish {
    key: usize,
    start: u64,
    length: u64,
    lead: u64,
    buffer: u64,
}

impl Wish {
    fn held(&self) -> (u64, u64) {
        (self.start - self.lead, self.start + self.length + self.buffer)
    }
}

fn wish(keys: usize, horizon: u64) -> impl Strategy<Value = Wish> {
    (0..keys, 20..20 + horizon, 1..10u64, 0..5u64, 0..5u64)
        .prop_map(|(key, start, length, lead, buffer)| Wish { key, start, length, lead, buffer })
}

fn book(plane: &mut Plane, name: &str, wish: &Wish) -> Result<(), AdmissionError> {
    let start = plane.at(wish.start).to_string();
    plane
        .try_apply::<Session>(json!({"name": name, "spec": {
            "definition": {"type_key": format!("type-{}", wish.key)},
            "timeslot": {"start": start, "duration": format!("{}s", wish.length),
                "lead_time": format!("{}s", wish.lead),
                "teardown_buffer": format!("{}s", wish.buffer)},
            "parts": {"one": {"timeslot": {"start": start,
                "duration": format!("{}s", wish.length)}}},
        }}))
        .map(drop)
}

/// Counts, at every instant at which anything begins, what each host has to give.
fn check_no_host_is_over(plane: &Plane) -> usize {
    let mut bindings = 0;
    for host in plane.world.hosts.iter() {
        let pods: Vec<_> = plane.world.pods.iter().collect();
        let held: Vec<_> = pods
            .iter()
            .filter_map(|pod| pod.observed.binding.as_ref())
            .filter(|binding| binding.host_id == host.id)
            .collect();
        bindings += held.len();
        let instants: Vec<Timestamp> = held.iter().map(|binding| binding.window.from).collect();
        for at in instants {
            let now: Vec<_> = held
                .iter()
                .filter(|binding| binding.window.from <= at && at < binding.window.until)
                .collect();
            let cpu: u64 = now.iter().map(|binding| binding.demand.cpu.0).sum();
            let licences: u64 = now.iter().map(|binding| binding.demand.counted["licences"]).sum();
            let mut ports: Vec<u16> =
                now.iter().flat_map(|binding| binding.ports.clone()).collect();
            let count = ports.len();
            ports.sort_unstable();
            ports.dedup();
            assert!(cpu <= CPU, "{} at {at}: {cpu}m", host.name);
            assert!(licences <= LICENCES, "{} at {at}: {licences} licences", host.name);
            assert_eq!(ports.len(), count, "{} at {at}: a port twice", host.name);
            assert_eq!(count, now.len(), "each has the one that it asked for");
            assert!(ports.iter().all(|port| (9000..9000 + PORTS as u16).contains(port)));
        }
    }
    bindings
}

/// Whether new pods of these sizes fit beside those that are booked, by trying
/// every way of placing them.
fn fits(plane: &Plane, sizes: &[u64], wish: &Wish) -> bool {
    let (from, until) = wish.held();
    let (from, until) = (plane.at(from), plane.at(until));
    let hosts: Vec<_> = plane.world.hosts.iter().map(|host| host.id).collect();
    let mut choice = vec![0; sizes.len()];
    loop {
        let is_ok = hosts.iter().enumerate().all(|(index, host)| {
            let new: Vec<_> = (0..sizes.len()).filter(|i| choice[*i] == index).collect();
            let pods: Vec<_> = plane.world.pods.iter().collect();
            let held: Vec<_> = pods
                .iter()
                .filter_map(|pod| pod.observed.binding.as_ref())
                .filter(|it| it.host_id == *host)
                .filter(|it| it.window.from < until && from < it.window.until)
                .collect();
            let instants =
                held.iter().map(|it| it.window.from.max(from)).chain([from]).collect::<Vec<_>>();
            // A port is one thing for the whole time of its booking.
            let taken: std::collections::BTreeSet<_> =
                held.iter().flat_map(|it| it.ports.iter()).collect();
            new.is_empty()
                || taken.len() + new.len() <= PORTS
                    && instants.iter().all(|at| {
                        let now = held.iter().filter(|it| it.window.contains(*at));
                        let (count, cpu) =
                            now.fold((0, 0), |sum, it| (sum.0 + 1, sum.1 + it.demand.cpu.0));
                        cpu + new.iter().map(|i| sizes[*i]).sum::<u64>() <= CPU
                            && count + new.len() as u64 <= LICENCES
                    })
        });
        if is_ok {
            return true;
        }
        let Some(at) = choice.iter().position(|index| *index + 1 < hosts.len()) else {
            return false;
        };
        choice[at] += 1;
        choice[..at].iter_mut().for_each(|index| *index = 0);
    }
}

/// The server is taken from 20 to 90 by four pods one after the other. A search
/// that may look at little does not say that there is no start; one that may look
/// at nothing says so too; and one that fits nowhere is told apart from both.
#[test]
fn a_search_that_was_cut_short_does_not_say_that_there_is_no_start() {
    let mut plane = catalogue(1);
    for i in 0..4 {
        let wish = Wish { key: 2, start: 20 + i * 20, length: 10, lead: 0, buffer: 0 };
        let error = book(&mut plane, &format!("refused-{i}"), &wish).unwrap_err();
        let AdmissionError::DoesNotFit(why) = error else { panic!("{error}") };
        assert_eq!(why.earliest, Earliest::Never, "two that do not fit on one server");
        let wish = Wish { key: 1, ..wish };
        book(&mut plane, &format!("s{i}"), &wish).unwrap();
    }
    let mut earliest = |effort| {
        plane.effort = effort;
        let wish = Wish { key: 1, start: 20, length: 15, lead: 0, buffer: 0 };
        let AdmissionError::DoesNotFit(why) = book(&mut plane, "late", &wish).unwrap_err() else {
            panic!("it is only that there is no room")
        };
        why.earliest
    };
    assert_eq!(earliest(Effort::none()), Earliest::NotSought);
    assert_eq!(earliest(Effort::of(1)), Earliest::NotFound);
    assert!(matches!(earliest(Effort::request()), Earliest::At(_)));
}

const SIZES: [&[u64]; 4] = [&[1000], &[2500], &[3000, 1500], &[1000, 2000, 3000]];

fn catalogue(hosts: usize) -> Plane {
    let mut plane = servers(hosts);
    for (i, sizes) in SIZES.iter().enumerate() {
        define(&mut plane, &format!("type-{i}"), sizes);
    }
    plane
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// On few hosts, what is refused could not have been placed, and what is
    /// admitted could; a refusal's earliest start is the earliest.
    #[test]
    fn every_refusal_is_right(
        hosts in 1..4usize,
        wishes in prop::collection::vec(wish(SIZES.len(), 30), 1..14),
    ) {
        let mut plane = catalogue(hosts);
        for (i, wish) in wishes.iter().enumerate() {
            let sizes = SIZES[wish.key];
            let expected = fits(&plane, sizes, wish);
            match book(&mut plane, &format!("s{i}"), wish) {
                Ok(()) => prop_assert!(expected, "{wish:?} was admitted"),
                Err(AdmissionError::DoesNotFit(why)) => {
                    prop_assert!(!expected, "{wish:?} was refused: {why}");
                    let earliest = match why.earliest {
                        Earliest::At(at) => at,
                        // Nothing is held for ever, so this is what is too large.
                        Earliest::Never => plane.at(200),
                        other => return Err(TestCaseError::fail(format!("{other:?}"))),
                    };
                    let later = (earliest.since(plane.now.wall)).as_millis() / 1000;
                    for start in wish.start + 1..later {
                        let earlier = Wish { start, ..wish.clone() };
                        prop_assert!(!fits(&plane, sizes, &earlier), "{start} would do, not {later}");
                    }
                    if why.earliest == Earliest::Never {
                        continue;
                    }
                    let at_earliest = Wish { start: later, ..wish.clone() };
                    prop_assert!(fits(&plane, sizes, &at_earliest), "{later} would not do");
                }
                Err(other) => prop_assert!(false, "{wish:?}: {other}"),
            }
            check_no_host_is_over(&plane);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]

    /// A thousand sessions on a hundred hosts, some given up, extended or shrunk
    /// in between.
    #[test]
    fn a_thousand_sessions_on_a_hundred_hosts_never_take_more_than_there_is(
        wishes in prop::collection::vec((wish(SIZES.len(), 60), 0..10u32), 1000),
    ) {
        use tessera_reconciler::admission::{Stretch, extend_session};
        use tessera_types::Duration;
        let mut plane = catalogue(100);
        let (mut admitted, mut refused) = (Vec::new(), 0);
        for (i, (wish, then)) in wishes.iter().enumerate() {
            let name = format!("s{i}");
            match book(&mut plane, &name, wish) {
                Ok(()) => admitted.push(name.clone()),
                Err(AdmissionError::DoesNotFit(_)) => refused += 1,
                Err(other) => prop_assert!(false, "{wish:?}: {other}"),
            }
            let Some(other) = admitted.get(i / 2).filter(|_| *then < 3).cloned() else { continue };
            let session = plane.get::<Session>(&other);
            let by = match then {
                0 => Stretch::Shrink(Duration::from_millis(500)),
                _ => Stretch::Extend(Duration::from_secs(3)),
            };
            if let Ok(extended) = extend_session(&plane.world, &session, None, by, plane.now.wall) {
                plane.commit(extended.writes);
            }
        }
        let bindings = check_no_host_is_over(&plane);
        prop_assert!(admitted.len() > 300 && refused > 50, "{} admitted, {refused} refused", admitted.len());
        prop_assert_eq!(plane.world.table::<Pod>().len(), bindings);
    }
}
