//! Which nodes belong to which group, however groups and nodes come, change and go:
//! each node to the first group by name whose constraints it meets. The world keeps
//! this up step by step; here it is counted anew from all there is.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tessera_types::{Host, HostDefinition, Name};

use crate::plane::Plane;

const NODES: usize = 6;

#[derive(Clone, Debug)]
enum Happens {
    /// A group of this number takes the nodes of these numbers, or all.
    Declared(usize, Option<Vec<usize>>),
    /// It is deleted, and goes once nothing is on it.
    Deleted(usize),
    /// A node of this number comes.
    Comes(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    let nodes = prop::option::weighted(0.8, prop::collection::vec(0..NODES, 1..4));
    prop_oneof![
        4 => (0..4usize, nodes).prop_map(|(group, nodes)| Happens::Declared(group, nodes)),
        2 => (0..4usize).prop_map(Happens::Deleted),
        3 => (0..NODES).prop_map(Happens::Comes),
    ]
}

fn group(number: usize, nodes: Option<&Vec<usize>>) -> Value {
    let names = |nodes: &Vec<usize>| nodes.iter().map(|i| format!("node-{i}")).collect::<Vec<_>>();
    let constraints = nodes.map(|nodes| json!([{"label": "node", "in": names(nodes)}]));
    json!({"name": format!("group-{number}"), "spec": {
        "definition": {"type_key": "group"}, "nodes": constraints.unwrap_or(json!([])),
    }})
}

/// Each node's group by the rule.
fn by_the_rule(plane: &Plane) -> BTreeMap<String, Option<String>> {
    let of = |node: &tessera_types::Object<tessera_types::Node>| {
        let labels = node.effective_labels();
        let selects = |host: &&std::sync::Arc<tessera_types::Object<Host>>| {
            host.status != tessera_types::timed::TimedStatus::Terminated
                && host.spec.nodes.iter().all(|one| one.is_met_by(&labels))
        };
        plane.world.hosts.iter().find(selects).map(|host| host.name.to_string())
    };
    plane.world.nodes.iter().map(|node| (node.name.to_string(), of(node))).collect()
}

fn as_kept(plane: &Plane) -> BTreeMap<String, Option<String>> {
    let mut kept: BTreeMap<_, _> =
        plane.world.nodes.iter().map(|node| (node.name.to_string(), None)).collect();
    for host in plane.world.hosts.iter() {
        for node in plane.world.nodes_of(host.id) {
            let before = kept.insert(node.name.to_string(), Some(host.name.to_string()));
            assert_eq!(before, Some(None), "{} is of two groups", node.name);
            assert_eq!(plane.world.group_of(node.id).map(|group| group.id), Some(host.id));
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_node_belongs_to_the_first_group_that_selects_it(
        steps in prop::collection::vec(happens(), 1..25)
    ) {
        let mut plane = Plane::new();
        plane.apply::<HostDefinition>(json!({"name": "group", "spec": {
            "type_key": "group", "version": "1.0.0", "host_type": "node_group",
            "pod_types": ["fleet"],
        }}));
        for step in steps {
            match &step {
                // One that is being deleted refuses it.
                Happens::Declared(number, nodes) => {
                    let name = format!("group-{number}");
                    let is_leaving = plane
                        .find::<Host>(&name)
                        .is_some_and(|host| host.deletion_requested_at.is_some());
                    if !is_leaving {
                        let _refused = plane.try_apply::<Host>(group(*number, nodes.as_ref()));
                    }
                }
                Happens::Deleted(number) => {
                    let name = format!("group-{number}");
                    if plane.find::<Host>(&name).is_some() {
                        plane.delete::<Host>(&name);
                    }
                }
                Happens::Comes(number) => {
                    let name = format!("node-{number}");
                    let known = plane.world.nodes.find(None, &Name::new(&name).unwrap()).is_some();
                    if !known {
                        plane.node(&name, 1000);
                    }
                }
            }
            prop_assert_eq!(as_kept(&plane), by_the_rule(&plane), "after {:?}", step);
            plane.settle();
            prop_assert_eq!(as_kept(&plane), by_the_rule(&plane), "after {:?}, settled", step);
        }
    }
}
