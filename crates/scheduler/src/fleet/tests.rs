//! Each choice against a count by hand, and each way to it against a plain scan.

use super::*;
use proptest::prelude::*;
use tessera_types::node::{Capacity, Executors, NodeSpec};
use tessera_types::{Actor, Bytes, KindName, Millicores, ResourceKey, Timestamp, Workload};

fn node(id: u64, cpu: u64, memory: u64, labels: &[(&str, &str)]) -> Object<Node> {
    let name = Name::new(&format!("node-{id}")).unwrap();
    let key = ResourceKey::new(KindName::Node, None, name);
    let spec = Arc::new(NodeSpec::default());
    let mut node = Object::<Node>::new(&key, spec, Actor::API, Timestamp::EPOCH);
    node.id = Uid(id);
    node.observed.capacity =
        Capacity { cpu: Millicores(cpu), memory: Bytes(memory), workloads: 10 };
    node.observed.executors = Executors { process: true, ..Executors::default() };
    node.observed.agent_labels =
        labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    node
}

fn demand(spec: serde_json::Value) -> Demand {
    let mut spec = spec;
    spec["command"] = "x".into();
    let key = ResourceKey::new(KindName::Workload, None, Name::new("w").unwrap());
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    Demand::of(&Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH))
}

fn fleet(nodes: &[Object<Node>]) -> Fleet {
    let mut fleet = Fleet::default();
    for node in nodes {
        fleet.set_node(node, NodeState::Open);
    }
    fleet
}

#[test]
fn the_reason_for_a_refusal_is_precise() {
    let mut fleet = fleet(&[
        node(1, 1000, 1 << 30, &[("zone", "a")]),
        node(2, 4000, 1 << 20, &[("zone", "a")]),
        node(3, 8000, 1 << 40, &[("zone", "b")]),
    ]);
    fleet.set_node(&node(4, 8000, 1 << 40, &[("zone", "a")]), NodeState::Offline);
    let spec = serde_json::json!({
        "resources": {"cpu": 2000, "memory": "64MiB"},
        "constraints": [{"label": "zone", "equal": "a"}],
    });
    assert_eq!(
        fleet.choose(&demand(spec)).unwrap_err().to_string(),
        "none of 4 nodes fits: 1 is Offline, 1 does not have zone=a, 1 has less than 2 cpu free \
         (1 at most, on node-1), 1 has less than 64MiB memory free (1MiB at most, on node-2)"
    );
    assert_eq!(
        Fleet::default().choose(&demand(serde_json::json!({}))).unwrap_err().to_string(),
        "there is no node: start an agent"
    );
}

#[test]
fn everything_that_is_short_is_named_and_the_only_node_by_its_name() {
    let only = node(1, 1900, 1 << 30, &[]);
    let big = demand(serde_json::json!({"resources": {"cpu": "16", "memory": "2GiB"}}));
    assert_eq!(
        fleet(std::slice::from_ref(&only)).choose(&big).unwrap_err().to_string(),
        "the only node, node-1, has less than 16 cpu free (1.9) and less than 2GiB memory free (1GiB)"
    );
    let mut many = fleet(&[only, node(2, 1000, 1 << 40, &[])]);
    assert_eq!(
        many.choose(&big).unwrap_err().to_string(),
        "none of 2 nodes fits: 2 have less than 16 cpu free (1.9 at most, on node-1), \
         1 has less than 2GiB memory free (1GiB at most, on node-1)"
    );
}

#[test]
fn spread_takes_the_emptiest_and_pack_the_fullest() {
    let nodes = [node(1, 4000, 1 << 30, &[]), node(2, 4000, 1 << 30, &[])];
    let mut fleet = fleet(&nodes);
    fleet.reserve(Uid(100), Uid(1), &demand(serde_json::json!({"resources": {"cpu": 1000}})));
    let spread = demand(serde_json::json!({"resources": {"cpu": 1000}}));
    let pack = demand(serde_json::json!({"resources": {"cpu": 1000}, "placement": "pack"}));
    assert_eq!(fleet.choose(&spread).unwrap().0, Uid(2));
    assert_eq!(fleet.choose(&pack).unwrap().0, Uid(1));
}

#[test]
fn workloads_are_spread_evenly_over_the_values_of_a_label() {
    let nodes: Vec<_> = (1..=6)
        .map(|id| node(id, 100_000, 1 << 40, &[("zone", if id <= 4 { "a" } else { "b" })]))
        .collect();
    let mut fleet = fleet(&nodes);
    let demand = demand(serde_json::json!({"spread_by": "zone"}));
    for id in 0..10 {
        let (node, _) = fleet.choose(&demand).unwrap();
        fleet.reserve(Uid(100 + id), node, &demand);
    }
    let in_a: u64 = (1..=4).map(|id| fleet.taken(Uid(id)).2).sum();
    assert_eq!(in_a, 5);
}

proptest! {
    /// However nodes fill up, empty, come and go, the choice is that of a scan.
    #[test]
    fn a_ranking_chooses_what_a_scan_does(
        steps in prop::collection::vec((0u64..60, 0usize..8, 0u8..10), 1..300)
    ) {
        let zones = ["a", "b", "c"];
        let labels = |id: u64| {
            let zone = zones.get(id as usize % 4).map(|zone| ("zone", *zone));
            zone.into_iter().collect::<Vec<_>>()
        };
        let nodes: Vec<_> =
            (1..=150).map(|id| node(id, id % 7 * 300, id % 5 * 400, &labels(id))).collect();
        let mut fleet = fleet(&nodes);
        let demands: Vec<_> = [
            serde_json::json!({"resources": {"cpu": 100, "memory": 50}}),
            serde_json::json!({"resources": {"cpu": 50, "memory": 300}, "placement": "pack"}),
            serde_json::json!({"spread_by": "zone"}),
            serde_json::json!({"spread_by": "zone", "resources": {"cpu": 200}}),
            serde_json::json!({"constraints": [{"label": "zone", "equal": "a"}]}),
            serde_json::json!({"constraints": [{"label": "zone", "not_equal": "a"}]}),
            serde_json::json!({"ports": [{"port": 80}]}),
            serde_json::json!({"resources": {"cpu": 2000}}),
        ].into_iter().map(demand).collect();
        for (workload, which, what) in steps {
            match what {
                0 => { fleet.release(Uid(1000 + workload)); }
                1 => fleet.set_node(&nodes[workload as usize], NodeState::Closed),
                2 => fleet.set_node(&nodes[workload as usize], NodeState::Open),
                3 => fleet.remove_node(Uid(workload)),
                _ => {
                    let demand = &demands[which];
                    fleet.release(Uid(1000 + workload));
                    let chosen = fleet.choose(demand);
                    prop_assert_eq!(&chosen, &fleet.scan(demand));
                    if let Ok((node, _)) = chosen {
                        fleet.reserve(Uid(1000 + workload), node, demand);
                    }
                }
            }
        }
    }
}

proptest! {
    /// Where all nodes but some are booked, a look at these is enough.
    #[test]
    fn among_some_it_chooses_as_where_the_others_are_booked(
        some in prop::collection::btree_set(0u64..50, 0..12),
        steps in prop::collection::vec((0u64..60, 0usize..5, 0u8..10), 1..100)
    ) {
        let zone = |id: u64| ("zone", ["a", "b", "c"][id as usize % 3]);
        let nodes: Vec<_> =
            (1..=40).map(|id| node(id, id % 7 * 300, id % 5 * 400, &[zone(id)])).collect();
        let mut fleet = fleet(&nodes);
        let demands = [
            serde_json::json!({"resources": {"cpu": 100, "memory": 50}}),
            serde_json::json!({"resources": {"cpu": 50, "memory": 300}, "placement": "pack"}),
            serde_json::json!({"spread_by": "zone"}),
            serde_json::json!({"constraints": [{"label": "zone", "equal": "a"}]}),
            serde_json::json!({"ports": [{"port": 80}]}),
        ].map(demand);
        for (workload, which, what) in steps {
            let id = Uid(1000 + workload);
            fleet.release(id);
            match what {
                0 => continue,
                1 => fleet.set_node(&nodes[workload as usize % 40], NodeState::Closed),
                2 => fleet.set_node(&nodes[workload as usize % 40], NodeState::Open),
                _ => {}
            }
            let demand = &demands[which];
            let others = nodes.iter().filter(|node| !some.contains(&node.id.0));
            let mut booked = demand.clone();
            booked.booked = others.map(|node| (node.id, "elsewhere".to_owned())).collect();
            let chosen = fleet.choose_among(demand, some.iter().map(|id| Uid(*id)));
            prop_assert_eq!(&chosen, &fleet.choose(&booked).ok());
            // Others are filled as well, so that what is spread differs.
            let chosen = chosen.filter(|_| what < 8).or_else(|| fleet.choose(demand).ok());
            if let Some((node, _)) = chosen {
                fleet.reserve(id, node, demand);
            }
        }
    }
}

#[test]
fn no_two_workloads_of_a_node_have_the_same_port() {
    let mut fleet = fleet(&[node(1, 1000, 1 << 30, &[])]);
    let web = demand(serde_json::json!({"ports": [{"port": 80}]}));
    fleet.reserve(Uid(100), Uid(1), &web);
    let refusal = fleet.choose(&web).unwrap_err().to_string();
    assert_eq!(refusal, "the only node, node-1, has port 80/tcp taken");
    fleet.release(Uid(100));
    assert!(fleet.choose(&web).is_ok());
}

proptest! {
    /// Whatever is placed and released in whatever order, no node is ever
    /// over its capacity, by an independent count, and in the end all of it
    /// is given back.
    #[test]
    fn no_node_is_ever_over_capacity(
        steps in prop::collection::vec((0u64..40, 0u64..1500, 0u64..1500, any::<bool>(), any::<bool>()), 1..200)
    ) {
        let nodes: Vec<_> = (1..=5).map(|id| node(id, id * 1000, id * 800, &[])).collect();
        let mut fleet = fleet(&nodes);
        let mut placed: HashMap<u64, (Uid, u64, u64)> = HashMap::new();
        for (workload, cpu, memory, release, pack) in steps {
            if release {
                prop_assert_eq!(fleet.release(Uid(workload)), placed.remove(&workload).is_some());
                continue;
            }
            fleet.release(Uid(workload));
            placed.remove(&workload);
            let placement = if pack { "pack" } else { "spread" };
            let wanted = demand(serde_json::json!({
                "resources": {"cpu": cpu, "memory": memory}, "placement": placement,
            }));
            let fits = nodes.iter().any(|node| {
                let on: Vec<_> = placed.values().filter(|(at, _, _)| *at == node.id).collect();
                on.iter().map(|(_, cpu, _)| cpu).sum::<u64>() + cpu <= node.observed.capacity.cpu.0
                    && on.iter().map(|(_, _, memory)| memory).sum::<u64>() + memory
                        <= node.observed.capacity.memory.0
                    && on.len() < 10
            });
            let choice = fleet.choose(&wanted);
            prop_assert_eq!(choice.is_ok(), fits);
            if let Ok((node, _)) = choice {
                fleet.reserve(Uid(workload), node, &wanted);
                placed.insert(workload, (node, cpu, memory));
            }
        }
        for node in &nodes {
            let on = placed.values().filter(|(at, _, _)| *at == node.id);
            let (cpu, memory) = on.fold((0, 0), |sum, (_, cpu, memory)| (sum.0 + cpu, sum.1 + memory));
            prop_assert!(cpu <= node.observed.capacity.cpu.0 && memory <= node.observed.capacity.memory.0);
        }
        for workload in 0..40 {
            fleet.release(Uid(workload));
        }
        for node in &nodes {
            prop_assert_eq!(fleet.taken(node.id), (0, 0, 0));
        }
    }
}
