//! Doctored evidence for the tests: resources as somebody might have seen them.

use std::sync::Arc;

use serde_json::{Value, json};
use tessera_types::node::{Capacity, NodeObserved};
use tessera_types::workload::{Assigned, Instance, WorkloadStatus};
use tessera_types::{
    Actor, Bytes, Kind, Millicores, Name, Node, Object, Resource, ResourceKey, Revision, Timestamp,
    Uid, Workload,
};

use crate::watcher::Seens;

/// Seconds after some moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_777_622_400_000_000 + seconds * 1_000_000)
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A resource that has just been made, in the commit of the same number as its id.
pub(crate) fn object<K: Kind>(called: &str, id: u64, spec: Value) -> Object<K> {
    let key = ResourceKey::new(K::KIND, None, name(called));
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    let mut object = Object::new(&key, spec, Actor::API, at(0));
    (object.id, object.revision) = (Uid(id), Revision(id));
    object
}

/// A node with room for so many workloads.
pub(crate) fn node(called: &str, id: u64, workloads: u32) -> Object<Node> {
    let mut node = object::<Node>(called, id, json!({}));
    let capacity = Capacity { cpu: Millicores(1000), memory: Bytes(1 << 30), workloads };
    node.observed = NodeObserved { capacity, ..NodeObserved::default() };
    node
}

/// A workload that runs as this process on a node.
pub(crate) fn running(called: &str, id: u64, node: &Object<Node>, pid: u32) -> Object<Workload> {
    let spec = json!({"command": "/bin/true", "resources": {"cpu": "400m"}});
    let mut workload = object::<Workload>(called, id, spec);
    workload.status = WorkloadStatus::Running;
    workload.state_history = Arc::default();
    workload.observed.instance =
        Some(Instance { pid: Some(pid), container_id: None, started_at: at(0) });
    workload.observed.assigned = Some(Assigned {
        node: node.name.clone(),
        node_id: node.id,
        since: at(0),
        resources: workload.spec.resources,
        on_disconnect: workload.spec.on_disconnect,
        ports: Vec::new(),
    });
    workload
}

/// Somebody who has seen these, and nothing else.
pub(crate) fn seens(of: impl IntoIterator<Item = Resource>) -> Seens {
    let mut seens = Seens::default();
    for resource in of {
        let (revision, key, id) = (resource.revision(), resource.key(), resource.id());
        seens.record(revision, key, id, Some(resource));
        seens.revision = revision;
    }
    seens
}
