//! A thousand sessions booked on a hundred hosts, many at once, at random times. No
//! host is over its capacity at any instant, and what is refused does not fit: both
//! are checked with arithmetic of the test's own, from what the API says.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tessera_client::ListOptions;
use tessera_e2e::{Fleet, Random, definition, part, send, session_of};
use tessera_types::{Host, Kind, Object, Pod, Timestamp};

const HOSTS: u64 = 100;
const SESSIONS: u64 = 1000;
const AT_ONCE: usize = 16;
const ZONES: u64 = 20;
/// Seats and ports of one host.
const SEATS: u64 = 3;
const PORTS: u64 = 4;

const MINUTE: i64 = 60_000_000;
const LEAD: i64 = 5 * MINUTE;
const BUFFER: i64 = 3 * MINUTE;

/// A sort of sessions: the length of each of its parts in minutes, and how many
/// seats and ports the pod of each takes.
#[derive(Clone, Copy, Debug)]
struct Sort {
    key: &'static str,
    parts: &'static [(i64, u64, u64)],
}

const SORTS: [Sort; 4] = [
    Sort { key: "short", parts: &[(20, 1, 1)] },
    Sort { key: "long", parts: &[(120, 1, 1)] },
    Sort { key: "wide", parts: &[(45, 2, 2)] },
    // Its pods are held together for the time of their buffers.
    Sort { key: "double", parts: &[(30, 2, 1), (40, 2, 1)] },
];

/// Something that takes seats and ports of one host for a time, in microseconds.
#[derive(Clone, Debug)]
struct Held {
    from: i64,
    to: i64,
    seats: u64,
    ports: BTreeSet<u16>,
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Wish {
    name: String,
    sort: Sort,
    zone: u64,
    start: Timestamp,
}

impl Wish {
    fn random(name: String, random: &mut Random, now: Timestamp) -> Self {
        // On whole minutes, so that ends and starts often meet.
        let first = now.as_micros() / MINUTE * MINUTE + 60 * MINUTE;
        let start = first + random.within(0..6 * 60) as i64 * MINUTE;
        let sort = SORTS[random.within(0..SORTS.len() as u64) as usize];
        Self { name, sort, zone: random.within(0..ZONES), start: Timestamp::from_micros(start) }
    }

    fn manifest(&self) -> Value {
        json!({
            "kind": "Session", "name": self.name,
            "spec": {
                "definition": {"type_key": self.sort.key},
                "timeslot": {"start": self.start.to_string()},
                "host": {"labels": [{"label": "zone", "equal": format!("z{}", self.zone)}]},
            },
        })
    }

    /// The time for which each pod holds its host, with its seats and ports.
    fn holds(&self) -> Vec<(i64, i64, u64, u64)> {
        let mut start = self.start.as_micros();
        let hold = |&(minutes, seats, ports): &(i64, u64, u64)| {
            let end = start + minutes * MINUTE;
            let hold = (start - LEAD, end + BUFFER, seats, ports);
            start = end;
            hold
        };
        self.sort.parts.iter().map(hold).collect()
    }
}

async fn fleet() -> Fleet {
    let fleet = Fleet::start().await;
    let ports = json!([{"first": 7000, "last": 7000 + PORTS - 1}]);
    let server = json!({"host_type": "server", "pod_types": ["proxmox"],
        "capacity": {"counted": {"seats": SEATS}, "ports": ports}});
    let mut manifests = vec![definition("HostDefinition", "server", server)];
    for sort in SORTS {
        let mut parts = Vec::new();
        for (i, (minutes, seats, ports)) in sort.parts.iter().enumerate() {
            let (pod, key) = (format!("{}.pod{i}", sort.key), format!("{}.part{i}", sort.key));
            let demand = json!({"counted": {"seats": seats}, "ports": ports});
            let guest = json!({"pod_type": "proxmox", "demand": demand});
            let spec = json!({"duration": format!("{minutes}m"), "lead_time": "5m",
                "teardown_buffer": "3m"});
            manifests.extend([definition("PodDefinition", &pod, guest), part(&key, &pod, spec)]);
            parts.push((format!("p{i}"), key));
        }
        let parts: Vec<_> = parts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        manifests.push(session_of(sort.key, &parts));
    }
    for i in 0..HOSTS {
        manifests.push(json!({
            "kind": "Host", "name": format!("h{i}"), "labels": {"zone": format!("z{}", i % ZONES)},
            "spec": {"definition": {"type_key": "server"}},
        }));
    }
    fleet.declare(&manifests).await;
    let usable = async || {
        let hosts = all::<Host>(&fleet).await;
        hosts.iter().all(|host| host.status.is_usable()).then_some(())
    };
    fleet.eventually("all hosts can be used", usable).await;
    fleet
}

/// All resources of a kind, over all pages.
async fn all<K: Kind>(fleet: &Fleet) -> Vec<Object<K>> {
    let mut options = ListOptions { limit: Some(300), ..ListOptions::default() };
    let mut found = Vec::new();
    loop {
        let page = fleet.api.list::<K>(&options).await.expect("they can be listed");
        found.extend(page.items.iter().map(|it| (**it).clone()));
        options.page = page.next_page;
        if options.page.is_none() {
            return found;
        }
    }
}

async fn declare(url: &str, wish: &Wish) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let path = format!("/v1/sessions/{}", wish.name);
    let answer = send(url, Method::PUT, &path, &headers, wish.manifest().to_string()).await;
    answer.expect("the control plane answers")
}

/// What is held of each host, by the pods as they are.
async fn held(fleet: &Fleet) -> BTreeMap<String, Vec<Held>> {
    let mut held: BTreeMap<_, Vec<_>> = (0..HOSTS).map(|i| (format!("h{i}"), Vec::new())).collect();
    for pod in all::<Pod>(fleet).await {
        let binding = pod.observed.binding.as_ref();
        let binding = binding.unwrap_or_else(|| panic!("{} is on no host", pod.name));
        let seats = binding.demand.counted.values().sum();
        let (from, to) = (binding.window.from.as_micros(), binding.window.until.as_micros());
        let ports = binding.ports.iter().copied().collect();
        held.get_mut(binding.host.as_str()).unwrap().push(Held { from, to, seats, ports });
    }
    held
}

/// At no instant is more held than there is, and no port twice. Use only rises where
/// a hold begins, and one that ends there is over.
fn check_capacity(held: &BTreeMap<String, Vec<Held>>) {
    for (host, holds) in held {
        for at in holds.iter().map(|hold| hold.from) {
            let there: Vec<_> = holds.iter().filter(|it| it.from <= at && at < it.to).collect();
            let seats: u64 = there.iter().map(|it| it.seats).sum();
            assert!(seats <= SEATS, "{host} has {seats} seats taken at {at}: {there:#?}");
            let ports: Vec<_> = there.iter().flat_map(|it| &it.ports).collect();
            let different: BTreeSet<_> = ports.iter().collect();
            assert_eq!(ports.len(), different.len(), "{host} at {at}: {there:#?}");
            assert!(ports.iter().all(|port| (7000..7000 + PORTS as u16).contains(port)));
        }
    }
}

/// Whether there are hosts for all of these, found by trying each.
fn fits(
    held: &mut BTreeMap<String, Vec<Held>>,
    zone: u64,
    wanted: &[(i64, i64, u64, u64)],
) -> bool {
    let Some((&(from, to, seats, ports), others)) = wanted.split_first() else { return true };
    let names: Vec<_> = (0..HOSTS).filter(|i| i % ZONES == zone).map(|i| format!("h{i}")).collect();
    for name in names {
        let holds = &held[&name];
        let meet = |it: &&Held| it.from < to && from < it.to;
        let edges = holds.iter().filter(meet).map(|it| it.from.max(from));
        let taken_at = |at: i64| -> u64 {
            holds.iter().filter(|it| it.from <= at && at < it.to).map(|it| it.seats).sum()
        };
        let taken = edges.map(taken_at).max().unwrap_or(0);
        let used: BTreeSet<u16> =
            holds.iter().filter(meet).flat_map(|it| it.ports.clone()).collect();
        let free: BTreeSet<u16> =
            (7000..7000 + PORTS as u16).filter(|it| !used.contains(it)).collect();
        if taken + seats > SEATS || (free.len() as u64) < ports {
            continue;
        }
        // Which of the free ones it gets makes no difference to others that it meets
        // unless they are of this session, and those of a sort take as many at most.
        let ports = free.into_iter().take(ports as usize).collect();
        held.get_mut(&name).unwrap().push(Held { from, to, seats, ports });
        let rest_fits = fits(held, zone, others);
        held.get_mut(&name).unwrap().pop();
        if rest_fits {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_ever_promised_twice_and_what_is_refused_does_not_fit() {
    let fleet = fleet().await;
    let (url, mut random) = (fleet.url(), Random::new());
    let now: Timestamp = jiff::Timestamp::now().into();
    let wishes: Vec<_> =
        (0..SESSIONS).map(|i| Wish::random(format!("s{i}"), &mut random, now)).collect();
    let answers: Vec<_> = futures::stream::iter(&wishes)
        .map(|wish| declare(&url, wish))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut held = held(&fleet).await;
    check_capacity(&held);
    let booked = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused: Vec<_> = wishes.iter().zip(&answers).filter(|(_, it)| it.0 != 200).collect();
    assert!(booked > 200 && refused.len() > 100, "{booked} and {}", refused.len());
    for (wish, (status, answer)) in &refused {
        assert_eq!((*status, &answer["code"]), (409, &json!("does_not_fit")), "{wish:?}: {answer}");
        // What is held has only grown since: it does not fit now either.
        assert!(!fits(&mut held, wish.zone, &wish.holds()), "{wish:?} fits: {answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(&wish.name) && answer["remedy"].is_string(), "{answer}");
    }
    // Every pod is where it may be, and has what it needs.
    let pods: BTreeMap<_, _> =
        all::<Pod>(&fleet).await.into_iter().map(|pod| (pod.name.to_string(), pod)).collect();
    let parts: usize = wishes
        .iter()
        .zip(&answers)
        .filter(|(_, it)| it.0 == 200)
        .map(|(wish, _)| {
            for (i, (from, to, seats, ports)) in wish.holds().into_iter().enumerate() {
                let pod = &pods[&format!("{}-p{i}-pod", wish.name)];
                let binding = pod.observed.binding.as_ref().unwrap();
                let host: u64 = binding.host.as_str()[1..].parse().unwrap();
                assert_eq!(host % ZONES, wish.zone, "{wish:?}");
                let window = (binding.window.from.as_micros(), binding.window.until.as_micros());
                assert_eq!(window, (from, to), "{wish:?}");
                assert_eq!(binding.ports.len() as u64, ports, "{wish:?}");
                assert_eq!(binding.demand.counted.values().sum::<u64>(), seats, "{wish:?}");
            }
            wish.holds().len()
        })
        .sum();
    assert_eq!(parts, pods.len(), "nothing is left of what was refused");
    both_agree(&fleet, &mut held, &mut random, now).await;
}

/// Whether something fits now is what the test finds as well, either way.
async fn both_agree(
    fleet: &Fleet,
    held: &mut BTreeMap<String, Vec<Held>>,
    random: &mut Random,
    now: Timestamp,
) {
    let probes: Vec<_> = (0..150).map(|i| Wish::random(format!("x{i}"), random, now)).collect();
    let mut fitting = 0;
    for wish in &probes {
        let request = json!({"manifests": [wish.manifest()]});
        let (status, answer) = fleet.post("/v1/plan", &request).await;
        assert_eq!(status, 200, "{answer}");
        let problem = &answer["plans"][0]["problem"];
        let expected = fits(held, wish.zone, &wish.holds());
        assert_eq!(problem.is_null(), expected, "{wish:?}: {problem}");
        fitting += usize::from(expected);
    }
    assert!((10..140).contains(&fitting), "{fitting} of {} fit", probes.len());
}
