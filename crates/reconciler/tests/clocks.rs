//! The wall clock may be set at any time, in either direction: leases and the
//! certainty that a copy is dead do not depend on it.

use std::sync::Arc;

use proptest::prelude::*;
use tessera_reconciler::{KILL_MARGIN, Manager, NodeManager, World};
use tessera_types::node::{NodeSpec, NodeStatus};
use tessera_types::{
    Actor, BootTime, Duration, KindName, Name, Node, Now, Object, Resource, ResourceKey, Revision,
    Timestamp, Uid, Write,
};

const LEASE: Duration = Duration::from_secs(15);
const NODE: Uid = Uid(1);

fn node(status: NodeStatus, stopped_by: Option<Timestamp>) -> Arc<Object<Node>> {
    let key = ResourceKey::new(KindName::Node, None, Name::new("a").unwrap());
    let spec = Arc::new(NodeSpec::default());
    let mut node = Object::<Node>::new(&key, spec, Actor::API, Timestamp::EPOCH);
    node.id = NODE;
    node.status = status;
    node.observed.stopped_by = stopped_by;
    Arc::new(node)
}

fn world(node: &Arc<Object<Node>>, started: u64) -> World {
    let mut world = World::load(Revision(1), [Resource::Node(Arc::clone(node))]);
    world.started(BootTime::from_millis(started), LEASE);
    world
}

fn now(wall_ms: u64, boot_ms: u64) -> Now {
    let wall = Timestamp::EPOCH.plus(Duration::from_millis(wall_ms));
    Now { wall, boot: BootTime::from_millis(boot_ms) }
}

/// What the manager makes of the node; itself if nothing.
fn reconciled(node: &Arc<Object<Node>>, world: &World, now: Now) -> Arc<Object<Node>> {
    match NodeManager.reconcile(node, world, now).writes.first() {
        Some(Write::Update { resource: Resource::Node(after), .. }) => Arc::clone(after),
        _ => Arc::clone(node),
    }
}

const YEAR: u64 = 365 * 24 * 3600 * 1000;

proptest! {
    #[test]
    fn a_node_is_offline_when_its_lease_has_lapsed_whatever_the_wall_clock_shows(
        started in 0..YEAR, silent in 0u64..60_000, wall in 0..60 * YEAR,
    ) {
        let ready = node(NodeStatus::Ready, None);
        let world = world(&ready, started);
        let after = reconciled(&ready, &world, now(wall, started + silent));
        prop_assert_eq!(after.status == NodeStatus::Offline, silent >= LEASE.as_millis());
    }

    /// What is shown may be wrong once the clock was set, and is put right; then
    /// nothing more is written.
    #[test]
    fn the_time_that_is_shown_is_near_and_at_rest(
        silent in 15_000u64..120_000, wall in YEAR..60 * YEAR, set in 0..60 * YEAR,
    ) {
        let ready = node(NodeStatus::Ready, None);
        let world = world(&ready, 0);
        let offline = reconciled(&ready, &world, now(wall, silent));
        let due = LEASE.as_millis() + KILL_MARGIN.as_millis();
        prop_assert_eq!(
            offline.observed.stopped_by,
            Some(now(wall, silent).wall_at(BootTime::from_millis(due)))
        );
        let jumped = reconciled(&offline, &world, now(set, silent));
        let shown = jumped.observed.stopped_by.unwrap();
        if silent < due {
            let expected = now(set, silent).wall_at(BootTime::from_millis(due));
            prop_assert!(shown.since(expected).max(expected.since(shown)) <= Duration::from_secs(2));
        } else {
            prop_assert!(shown <= now(set, silent).wall);
        }
        for later in [0, 1, 500, 3000, 60_000] {
            let at = now(set + later, silent + later);
            prop_assert!(NodeManager.reconcile(&jumped, &world, at).writes.is_empty());
        }
    }
}

/// A node that was Offline when the control plane started may have been granted a lease
/// just before, while Offline was on its way to the disk.
#[test]
fn of_a_node_that_was_offline_at_the_start_a_whole_lease_is_waited_for() {
    let offline = node(NodeStatus::Offline, None);
    let world = world(&offline, 1000);
    assert_eq!(world.lapsed_at(NODE), BootTime::from_millis(1000).plus(LEASE));
    let shown = reconciled(&offline, &world, now(YEAR, 1000)).observed.stopped_by.unwrap();
    let due = BootTime::from_millis(1000).plus(LEASE).plus(KILL_MARGIN);
    assert_eq!(shown, now(YEAR, 1000).wall_at(due));
}
