//! The wall clock may be set at any time, in either direction: leases and the
//! certainty that a copy is dead do not depend on it.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tessera_reconciler::{
    KILL_MARGIN, Manager, NodeManager, Plan, WorkloadManager, World, apply_report,
};
use tessera_types::node::{NodeSpec, NodeStatus};
use tessera_types::sync::{CopyState, Report};
use tessera_types::workload::{Exit, ExitOutcome, WorkloadStatus};
use tessera_types::{
    Actor, BootTime, Duration, Edit, KindName, Name, Node, Now, Object, Resource, ResourceKey,
    Revision, Timestamp, Uid, Workload, Write,
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

fn wall(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

/// A workload whose window is from zero to `end`, placed on node `a`.
fn placed(end: u64) -> Object<Workload> {
    let key = ResourceKey::new(KindName::Workload, None, Name::new("exam").unwrap());
    let spec =
        Arc::new(serde_json::from_value(json!({"command": "x", "not_after": wall(end)})).unwrap());
    let mut workload = Object::<Workload>::new(&key, spec, Actor::API, Timestamp::EPOCH);
    (workload.id, workload.generation) = (Uid(2), 1);
    let Plan { writes, .. } =
        WorkloadManager::take(&Arc::new(workload), NODE, Name::new("a").unwrap(), now(0, 0));
    match writes.into_iter().next() {
        Some(Write::Update { resource: Resource::Workload(workload), .. }) => (*workload).clone(),
        other => panic!("{other:?}"),
    }
}

fn window_closed() -> Exit {
    Exit { at: wall(9000), outcome: ExitOutcome::WindowClosed, last_lines: Vec::new() }
}

/// It, after its node has said at ten seconds that it is Stopped.
fn stopped(placed: Object<Workload>, last_exit: Option<Exit>) -> Arc<Object<Workload>> {
    let report = Report {
        id: placed.id,
        epoch: placed.observed.epoch,
        seq: 1,
        at: wall(10),
        state: CopyState::Stopped,
        reason: "as its node says".to_owned(),
        restarts: 0,
        instance: None,
        next_start_at: None,
        last_exit,
        health: None,
        trouble: None,
    };
    let node = Name::new("a").unwrap();
    Arc::new(apply_report(&Arc::new(placed), &node, &report, wall(10)).unwrap().unwrap().object)
}

/// A workload whose window is from zero to `end`, and was closed by its node after ten seconds.
fn closed_early(end: u64) -> Arc<Object<Workload>> {
    stopped(placed(end), Some(window_closed()))
}

fn looked_at(
    workload: &Arc<Object<Workload>>,
    at: u64,
) -> (Option<WorkloadStatus>, Option<Timestamp>) {
    let plan = WorkloadManager.reconcile(workload, &World::default(), now(at * 1000, at * 1000));
    let status = plan.writes.first().map(|write| match write {
        Write::Update { resource: Resource::Workload(after), .. } => after.status,
        other => panic!("{other:?}"),
    });
    (status, plan.look_again_at)
}

/// Its copy had no run that could have ended: it was not started yet, or was in a pause.
#[test]
fn what_a_node_has_closed_before_its_start_is_placed_again_after_a_pause_too() {
    let failed = Exit { outcome: ExitOutcome::Exited { code: 1 }, ..window_closed() };
    for last_exit in [None, Some(failed)] {
        let closed = stopped(placed(3600), last_exit);
        assert_eq!(looked_at(&closed, 11), (Some(WorkloadStatus::Stopped), Some(wall(70))));
        assert_eq!(looked_at(&closed, 70).0, Some(WorkloadStatus::Pending));
    }
}

/// How a run of an earlier placement ended says nothing of this one.
#[test]
fn what_was_to_stop_is_placed_again_at_once_whatever_its_window_did_before() {
    for is_lost in [false, true] {
        let mut placed = placed(3600);
        placed.observed.last_exit = Some(window_closed());
        let mut edit = Edit::of(&Arc::new(placed), wall(5));
        edit.transition(WorkloadStatus::Stopping, Actor::RECONCILER, "a is being drained").unwrap();
        if is_lost {
            edit.transition(WorkloadStatus::Lost, Actor::RECONCILER, "a is Offline").unwrap();
            let agent = Actor::agent(&Name::new("a").unwrap());
            edit.transition(WorkloadStatus::Stopping, agent, "asked to stop").unwrap();
        }
        let stopped = stopped(edit.finish().unwrap().object, None);
        assert_eq!(looked_at(&stopped, 11).0, Some(WorkloadStatus::Pending), "{is_lost}");
    }
}

/// It is not done with because of a clock that is wrong, and not placed again and again for it.
#[test]
fn what_a_node_has_closed_much_too_early_is_placed_again_after_a_pause() {
    let world = World::default();
    let look = |end: u64, at: u64| {
        WorkloadManager.reconcile(&closed_early(end), &world, now(at * 1000, at * 1000))
    };
    let status = |plan: &Plan| match plan.writes.first() {
        Some(Write::Update { resource: Resource::Workload(after), .. }) => {
            Some((after.status, after.waiting_for.as_ref().and_then(|waiting| waiting.until)))
        }
        _ => None,
    };
    let again = Timestamp::EPOCH.plus(Duration::from_secs(70));
    let waits = look(3600, 11);
    assert_eq!(status(&waits), Some((WorkloadStatus::Stopped, Some(again))));
    assert_eq!(waits.look_again_at, Some(again));
    assert_eq!(status(&look(3600, 70)), Some((WorkloadStatus::Pending, None)));
    // The clock was set back meanwhile: the pause is no longer than that.
    assert_eq!(look(3600, 0).look_again_at, Some(Timestamp::EPOCH.plus(Duration::from_secs(60))));
    // It does not begin anew with each look, and is not given up because its end is nearer by then.
    let mut waits = Object::clone(&closed_early(130));
    waits.status_since = Timestamp::EPOCH.plus(Duration::from_secs(3600));
    let look = |waits: &Object<Workload>, at: u64| {
        let waits = Arc::new(waits.clone());
        WorkloadManager.reconcile(&waits, &world, now(at * 1000, at * 1000))
    };
    let plan = look(&waits, 1);
    let again = Timestamp::EPOCH.plus(Duration::from_secs(61));
    assert_eq!((status(&plan).and_then(|it| it.1), plan.look_again_at), (Some(again), Some(again)));
    let Some(Write::Update { resource: Resource::Workload(after), .. }) = plan.writes.first()
    else {
        panic!("{plan:?}")
    };
    waits = Object::clone(after);
    let plan = look(&waits, 30);
    assert_eq!((status(&plan), plan.look_again_at), (None, Some(again)));
    assert_eq!(status(&look(&waits, 61)).map(|it| it.0), Some(WorkloadStatus::Pending));
    // So little is left that nothing would come of it.
    for at in [11, 69, 70, 80] {
        let plan = look(&closed_early(130), at);
        assert_eq!((status(&plan), plan.look_again_at), (None, None), "at {at}");
    }
}
