//! What people read when something does not fit.

use std::collections::BTreeMap;

use tessera_scheduler::calendar::{
    Booking, Calendar, Calendars, Filtered, Hold, HostCandidate, Wanted, Window, book_all,
};
use tessera_types::host::{Amounts, HostCapacity, HostDemand, PortRange};
use tessera_types::workload::Placement;
use tessera_types::{Bytes, Millicores, Name, Timestamp, Uid};

fn at(time: &str) -> Timestamp {
    let day = if time.contains('T') { String::new() } else { "2026-05-01T".to_owned() };
    format!("{day}{time}:00Z").parse().unwrap()
}

fn window(from: &str, until: &str) -> Window {
    Window::new(at(from), at(until))
}

fn capacity() -> HostCapacity {
    HostCapacity {
        cpu: Millicores(4000),
        memory: Bytes(8 << 30),
        counted: BTreeMap::from([("licensed_nodes".to_owned(), 20)]),
        ports: vec![PortRange { first: 5000, last: 5003 }],
    }
}

fn cpu(cpu: u64) -> HostDemand {
    HostDemand { cpu: Millicores(cpu), ..HostDemand::default() }
}

fn ports(ports: u16) -> HostDemand {
    HostDemand { ports, ..HostDemand::default() }
}

fn booking(window: Window, demand: HostDemand) -> Booking {
    Booking { window, demand, instead_of: None }
}

fn hold(name: &str, window: Window, cpu: u64, ports: &[u16]) -> Hold {
    Hold {
        window,
        amounts: Amounts { cpu: Millicores(cpu), ..Amounts::default() },
        ports: ports.to_vec(),
        label: format!("pod/default/{name}"),
    }
}

fn clash(calendar: &Calendar, window: Window, demand: HostDemand) -> String {
    calendar.fits(&booking(window, demand)).unwrap_err().to_string()
}

#[test]
fn a_clash_says_what_when_how_much_and_who() {
    let mut calendar = Calendar::new(&capacity(), None);
    calendar.hold(Uid(1), hold("a", window("08:00", "10:30"), 2000, &[]));
    calendar.hold(Uid(2), hold("b", window("09:00", "12:00"), 1500, &[]));
    assert_eq!(
        clash(&calendar, window("08:30", "11:00"), cpu(1000)),
        "cpu: 500m of 4000m free from 09:00 to 10:30, needs 1000m (held by pod/default/a, pod/default/b)"
    );
    // The least that is free in the stretch is told, and a long list is cut.
    for id in 3..6 {
        calendar.hold(Uid(id), hold(&format!("c{id}"), window("09:30", "10:00"), 100, &[]));
    }
    assert_eq!(
        clash(&calendar, window("08:30", "11:00"), cpu(1000)),
        "cpu: 200m of 4000m free from 09:00 to 10:30, needs 1000m (held by pod/default/a, \
         pod/default/b, pod/default/c3 and 2 more)"
    );
    calendar.hold(Uid(9), hold("web", Window::starting(at("2026-05-02T07:00")), 4000, &[]));
    assert_eq!(
        clash(&calendar, window("12:00", "2026-05-02T08:00"), cpu(1)),
        "cpu: 0m of 4000m free from 2026-05-02T07:00:00Z on, needs 1m (held by pod/default/web)"
    );
}

#[test]
fn what_can_never_be_is_told_apart() {
    let open = window("09:00", "17:00");
    let calendar = Calendar::new(&capacity(), Some(open));
    let demand = |name: &str, count| HostDemand {
        counted: BTreeMap::from([(name.to_owned(), count)]),
        ..HostDemand::default()
    };
    let memory = HostDemand { memory: Bytes(9 << 30), ..HostDemand::default() };
    for (window, demand, message) in [
        (open, memory, "memory: the host has 8GiB in all, needs 9GiB"),
        (open, demand("licensed_nodes", 21), "licensed_nodes: the host has 20 in all, needs 21"),
        (open, demand("gpus", 1), "gpus: the host has 0 in all, needs 1"),
        (open, ports(5), "ports: the host has 4 in all, needs 5"),
        (
            window("08:00", "10:00"),
            cpu(1),
            "closed: the host is open from 09:00 to 17:00, the booking is from 08:00 to 10:00",
        ),
    ] {
        let clash = calendar.fits(&booking(window, demand)).unwrap_err();
        assert_eq!(clash.to_string(), message);
        assert!(clash.is_permanent());
    }
}

#[test]
fn a_port_must_be_free_throughout() {
    let mut calendar = Calendar::new(&capacity(), None);
    calendar.hold(Uid(1), hold("a", window("09:00", "10:00"), 0, &[5000, 5001]));
    calendar.hold(Uid(2), hold("b", window("10:00", "11:00"), 0, &[5002]));
    // At each instant two are free, but only one of them all the time.
    let clash = calendar.fits(&booking(window("09:00", "11:00"), ports(2))).unwrap_err();
    assert_eq!(
        clash.to_string(),
        "ports: 1 of 4 free throughout from 09:00 to 11:00, needs 2 (held by pod/default/a, pod/default/b)"
    );
    assert!(!clash.is_permanent());
    assert_eq!(calendar.fits(&booking(window("09:00", "11:00"), ports(1))), Ok(vec![5003]));
    assert_eq!(calendar.fits(&booking(window("10:00", "11:00"), ports(2))), Ok(vec![5000, 5001]));
    let earliest =
        calendar.earliest(&booking(window("09:00", "11:00"), ports(2)), at("09:00"), at("12:00"));
    assert_eq!(earliest, Some(at("10:00")));
}

#[test]
fn ports_that_are_short_at_some_time_are_told_with_that_time() {
    let mut calendar = Calendar::new(&capacity(), None);
    calendar.hold(Uid(1), hold("a", window("09:00", "10:00"), 0, &[5000]));
    calendar.hold(Uid(2), hold("b", window("10:00", "10:30"), 0, &[5001, 5002, 5003]));
    let clash = calendar.fits(&booking(window("09:00", "11:00"), ports(2))).unwrap_err();
    assert_eq!(
        clash.to_string(),
        "ports: 1 of 4 free from 10:00 to 10:30, needs 2 (held by pod/default/b)"
    );
}

#[test]
fn an_excess_says_by_how_much_and_when() {
    let mut calendar = Calendar::new(&capacity(), None);
    calendar.hold(Uid(1), hold("a", window("09:00", "11:00"), 2000, &[5003]));
    calendar.hold(Uid(2), hold("b", window("10:00", "12:00"), 1500, &[]));
    assert_eq!(calendar.is_over(), None);
    let over = |calendar: &Calendar| calendar.is_over().unwrap().to_string();
    calendar.set_capacity(&HostCapacity { cpu: Millicores(3000), ..capacity() });
    assert_eq!(
        over(&calendar),
        "cpu: 3500m held from 2026-05-01T10:00:00Z to 2026-05-01T11:00:00Z, the host has 3000m \
         (held by pod/default/a, pod/default/b)"
    );
    calendar.set_capacity(&HostCapacity { ports: vec![], ..capacity() });
    assert_eq!(
        over(&calendar),
        "port 5003 is not the host's to give, pod/default/a holds it from 2026-05-01T09:00:00Z to \
         2026-05-01T11:00:00Z"
    );
    calendar.set_capacity(&capacity());
    calendar.hold(Uid(2), hold("b", window("10:00", "12:00"), 1500, &[5003]));
    assert_eq!(
        over(&calendar),
        "port 5003 is held by both pod/default/a and pod/default/b from 2026-05-01T10:00:00Z to \
         2026-05-01T11:00:00Z"
    );
    calendar.set_open(Some(window("09:30", "17:00")));
    assert!(over(&calendar).starts_with("the host is open from 2026-05-01T09:30:00Z"));
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// The refusal of a booking from 09:00 to 11:00 on these hosts.
fn refusal(hosts: &[(&str, Calendar)], filtered: &[Filtered], demand: HostDemand) -> String {
    let names: Vec<Name> = hosts.iter().map(|(text, _)| name(text)).collect();
    let hosts: Vec<HostCandidate<'_>> = names
        .iter()
        .zip(hosts)
        .enumerate()
        .map(|(n, (name, (_, calendar)))| HostCandidate { host: Uid(n as u64), name, calendar })
        .collect();
    let calendars = Calendars { hosts: &hosts, filtered, placement: Placement::Spread };
    calendars.choose(&booking(window("09:00", "11:00"), demand)).unwrap_err().to_string()
}

#[test]
fn a_refusal_accounts_for_every_host() {
    let with = |cpu: u64| {
        let mut calendar = Calendar::new(&capacity(), None);
        calendar.hold(Uid(1), hold("a", window("08:00", "10:00"), cpu, &[]));
        calendar
    };
    let small = HostCapacity { cpu: Millicores(800), ..capacity() };
    let filtered = [Filtered { hosts: 2, reason: "do not have zone=a".to_owned() }];
    let hosts = [
        ("lab-1", with(3900)),
        ("lab-2", with(3500)),
        ("lab-3", with(3500)),
        ("lab-4", Calendar::new(&small, None)),
        ("lab-5", Calendar::new(&capacity(), Some(window("12:00", "17:00")))),
    ];
    assert_eq!(
        refusal(&hosts, &filtered, cpu(1000)),
        "none of 7 hosts fits: 2 do not have zone=a, 1 has less than 1000m cpu in all (800m at most, \
         on lab-4), 1 is not open from 09:00 to 11:00 (lab-5 is open from 12:00 to 17:00), 3 have \
         less than 1000m cpu free (500m at most, on lab-2 from 09:00 to 10:00)"
    );
    assert_eq!(
        refusal(&hosts[..1], &[], cpu(1000)),
        "the only host, lab-1, does not fit: cpu: 100m of 4000m free from 09:00 to 10:00, needs 1000m \
         (held by pod/default/a)"
    );
    let one = [Filtered { hosts: 1, reason: "do not have zone=a".to_owned() }];
    assert_eq!(refusal(&[], &one, cpu(1)), "the only host does not fit: it does not have zone=a");
    for (many, one) in [
        ("lack licence class a", "lacks licence class a"),
        ("are being given up", "is being given up"),
        ("have no node that runs containers for workload a", "has no node"),
        ("take no fleet pods", "takes no fleet pods"),
    ] {
        let filtered = |hosts| Filtered { hosts, reason: many.to_owned() };
        let two = refusal(&[], &[filtered(1), filtered(2)], cpu(1));
        let words = two.strip_prefix("none of 3 hosts fits: 1 ").expect("it counts");
        assert!(words.starts_with(one) && words.ends_with(&format!(", 2 {many}")), "{two}");
    }
    assert_eq!(refusal(&[], &[], cpu(1)), "there is no host: declare one");
}

/// Where a booking of 1000m goes when `lab-a` is half full and `lab-b` empty.
fn chosen(placement: Placement, hosts: [(&str, u64); 2]) -> String {
    let names = hosts.map(|(text, _)| name(text));
    let calendars = hosts.map(|(_, cpu)| {
        let mut calendar = Calendar::new(&capacity(), None);
        calendar.hold(Uid(1), hold("x", window("10:00", "10:01"), cpu, &[]));
        calendar
    });
    let hosts = [0, 1].map(|n| HostCandidate {
        host: Uid(n as u64),
        name: &names[n],
        calendar: &calendars[n],
    });
    let calendars = Calendars { hosts: &hosts, filtered: &[], placement };
    calendars.choose(&booking(window("09:00", "11:00"), cpu(1000))).unwrap().name.to_string()
}

#[test]
fn pack_takes_the_fullest_spread_the_emptiest_and_names_decide() {
    assert_eq!(chosen(Placement::Pack, [("lab-a", 0), ("lab-b", 2000)]), "lab-b");
    assert_eq!(chosen(Placement::Spread, [("lab-a", 2000), ("lab-b", 0)]), "lab-b");
    assert_eq!(chosen(Placement::Pack, [("lab-b", 500), ("lab-a", 500)]), "lab-a");
    assert_eq!(chosen(Placement::Spread, [("lab-b", 500), ("lab-a", 500)]), "lab-a");
}

/// Books pods of these sizes on two hosts of 4000m.
fn batch(sizes: &[u64]) -> Result<Vec<String>, (usize, String, bool)> {
    let names = [name("lab-1"), name("lab-2")];
    let calendar = Calendar::new(&capacity(), None);
    let hosts =
        [0, 1].map(|n| HostCandidate { host: Uid(n as u64), name: &names[n], calendar: &calendar });
    let bookings: Vec<Booking> =
        sizes.iter().map(|size| booking(window("09:00", "11:00"), cpu(*size))).collect();
    let calendars = Calendars { hosts: &hosts, filtered: &[], placement: Placement::Spread };
    let wanted: Vec<Wanted<'_>> = bookings
        .iter()
        .map(|booking| Wanted { booking, calendars, label: "pod/default/p" })
        .collect();
    book_all(&wanted)
        .map(|booked| booked.iter().map(|booked| booked.name.to_string()).collect())
        .map_err(|(index, refusal)| (index, refusal.to_string(), refusal.is_proven()))
}

#[test]
fn a_batch_is_all_or_none_and_says_what_was_tried() {
    // Spread in order puts one of the small ones on each host, and the big one has no room.
    assert_eq!(batch(&[1000, 1000, 4000]).unwrap(), ["lab-2", "lab-2", "lab-1"]);
    let (index, text, proven) = batch(&[2000, 3000, 3000]).unwrap_err();
    assert_eq!((index, proven), (2, true));
    assert!(text.ends_with("; no other arrangement of the 3 bookings fits"), "{text}");
    // One that does not fit even alone is the reason, whatever fails first.
    let (index, text, _) = batch(&[3000, 3000, 3000, 5000]).unwrap_err();
    assert_eq!(index, 3);
    assert!(
        text.ends_with("2 have less than 5000m cpu in all (4000m at most, on lab-1)"),
        "{text}"
    );
    let (_, text, proven) = batch(&[200; 41]).unwrap_err();
    assert!(!proven);
    assert!(text.contains("is not known: there are more than 32"), "{text}");
    assert!(batch(&[]).unwrap().is_empty());
}

#[test]
fn a_search_that_takes_too_long_says_so() {
    // No two are alike, and together they are just too much for two hosts.
    let sizes: Vec<u64> = (0..30).map(|n| 251 + 2 * n).collect();
    let (_, text, proven) = batch(&sizes).unwrap_err();
    assert!(!proven, "{text}");
    assert!(text.ends_with("is not known: the search ended after 10000 tries"), "{text}");
    // Those that are alike need not be tried in every order.
    let (_, text, proven) = batch(&[401; 20]).unwrap_err();
    assert!(proven, "{text}");
}
