//! What a partition means for a copy is what was declared when it was started.

use std::sync::Arc;

use tessera_reconciler::{Manager, WorkloadManager, World};
use tessera_types::node::{NodeSpec, NodeStatus};
use tessera_types::workload::{Assigned, OnDisconnect, WorkloadSpec, WorkloadStatus};
use tessera_types::{
    Actor, BootTime, Epoch, KindName, Name, Node, Now, Object, Resource, ResourceKey, Revision,
    Timestamp, Uid, Workload,
};

const WALL: Timestamp = Timestamp::from_micros(1_000_000_000_000);
/// Long after the control plane started.
const NOW: Now = Now { wall: WALL, boot: BootTime::from_millis(1_000_000) };

/// An Offline node on which no copy that had to stop is alive any more.
fn node() -> Object<Node> {
    let key = ResourceKey::new(KindName::Node, None, Name::new("a").unwrap());
    let spec = Arc::new(NodeSpec::default());
    let mut node = Object::<Node>::new(&key, spec, Actor::API, Timestamp::EPOCH);
    node.id = Uid(1);
    node.status = NodeStatus::Offline;
    node.observed.stopped_by = Some(WALL);
    node
}

/// A workload whose copy was started with the one and now declares the other.
fn lost(started_with: OnDisconnect, declares: OnDisconnect) -> Arc<Object<Workload>> {
    let key = ResourceKey::new(KindName::Workload, None, Name::new("web").unwrap());
    let command = Some("/bin/sleep".to_owned());
    let spec =
        Arc::new(WorkloadSpec { command, on_disconnect: declares, ..WorkloadSpec::default() });
    let mut workload = Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH);
    workload.id = Uid(2);
    workload.status = WorkloadStatus::Lost;
    workload.deletion_requested_at = Some(WALL);
    workload.observed.epoch = Epoch(1);
    workload.observed.assigned = Some(Assigned {
        node: Name::new("a").unwrap(),
        node_id: Uid(1),
        since: Timestamp::EPOCH,
        resources: Default::default(),
        on_disconnect: started_with,
        ports: Vec::new(),
    });
    Arc::new(workload)
}

/// Whether the deletion goes on as if no copy could be alive.
fn counts_as_dead(started_with: OnDisconnect, declares: OnDisconnect) -> bool {
    let workload = lost(started_with, declares);
    let resources = [Resource::Node(Arc::new(node())), Resource::Workload(Arc::clone(&workload))];
    let world = World::load(Revision(2), resources);
    let plan = WorkloadManager.reconcile(&workload, &world, NOW);
    match plan.writes.into_iter().next() {
        Some(tessera_types::Write::Update { resource: Resource::Workload(after), .. }) => {
            after.status != WorkloadStatus::Lost
        }
        _ => false,
    }
}

#[test]
fn a_copy_that_was_started_to_go_on_is_not_dead_because_the_spec_says_stop_by_now() {
    assert!(!counts_as_dead(OnDisconnect::Keep, OnDisconnect::Stop));
    assert!(!counts_as_dead(OnDisconnect::Keep, OnDisconnect::Keep));
}

#[test]
fn a_copy_that_was_started_to_stop_is_dead_once_its_node_had_the_time() {
    assert!(counts_as_dead(OnDisconnect::Stop, OnDisconnect::Stop));
    assert!(counts_as_dead(OnDisconnect::Stop, OnDisconnect::Keep));
}
