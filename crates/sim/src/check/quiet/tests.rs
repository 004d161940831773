//! The checks are given claims that are not so.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tessera_types::node::NodeStatus;
use tessera_types::{Node, Uid};

use super::*;
use crate::check::made::object;

/// A node of two cores that is in this state, and a workload that wants one.
fn world(status: NodeStatus) -> (World, Object<Workload>) {
    let mut node = object::<Node>("a", 1, json!({}));
    node.observed.capacity = crate::machine::capacity(2000);
    node.status = status;
    let web = object::<Workload>("web", 2, json!({"command": "x", "resources": {"cpu": 1000}}));
    let resources = [Resource::Node(Arc::new(node)), Resource::Workload(Arc::new(web.clone()))];
    (World::load(Revision(1), resources), web)
}

#[test]
fn a_time_that_has_passed_is_not_waited_for() {
    let waiting = |until| WaitingFor {
        reason: WaitReason::Time,
        message: String::new(),
        since: Timestamp::EPOCH,
        until: Some(Timestamp::EPOCH.plus(Duration::from_secs(until))),
    };
    let now = Timestamp::EPOCH.plus(Duration::from_secs(100));
    assert!(is_in_the_future(&waiting(99), now).is_ok(), "it is just about to happen");
    assert!(is_in_the_future(&waiting(90), now).is_err());
}

/// The world in which a workload says this, as a look at it finds it.
fn look(quiet: &mut Quiet, reason: WaitReason, message: &str, revision: u64, at: u64) -> bool {
    let (mut world, mut web) = world(NodeStatus::Ready);
    let message = message.to_owned();
    web.waiting_for = Some(WaitingFor { reason, message, since: Timestamp::EPOCH, until: None });
    let resource = Workload::wrap(Arc::new(web)).stamped(Uid(2), Revision(revision));
    let node = world.nodes.iter().next().map(|node| Node::wrap(Arc::clone(node))).unwrap();
    world = World::load(Revision(revision), [node, resource]);
    let now = Timestamp::EPOCH.plus(Duration::from_secs(at));
    let look = Look { world: &world, wall: now, heard: BTreeSet::new() };
    quiet.all_tell_the_truth(&look, Timestamp::EPOCH, now).is_ok()
}

#[test]
fn why_no_node_fits_may_be_old_for_some_seconds_however_often_it_is_written() {
    let mut quiet = Quiet::new(Rng::of(0, 0), Timestamp::EPOCH);
    let mut look = |message: &str, revision, at| {
        look(&mut quiet, WaitReason::NoNodeFits, message, revision, at)
    };
    assert!(look("none of 1 nodes fits", 2, 10));
    assert!(look("none of 1 nodes fits", 3, 15));
    assert!(!look("none of 1 nodes fits", 4, 17));
    assert!(look("none of 2 nodes fits", 5, 18), "that is told anew");
}

#[test]
fn no_other_reason_may_be_old() {
    for reason in [WaitReason::Agent, WaitReason::Stop, WaitReason::NodeOffline] {
        let mut quiet = Quiet::new(Rng::of(0, 0), Timestamp::EPOCH);
        assert!(!look(&mut quiet, reason, "", 2, 10), "{reason:?}");
    }
}

#[test]
fn a_loop_that_keeps_more_than_there_is_is_seen() {
    let most = Backlog { due: 5, in_order: 10, timers: 10, unplaced: 2, ..Backlog::default() };
    assert_eq!(everything_is_bounded(most, 5, 2), Ok(()));
    for more in [
        Backlog { due: 6, ..most },
        Backlog { in_order: 11, ..most },
        Backlog { timers: 11, ..most },
        Backlog { unplaced: 3, ..most },
    ] {
        let seen = everything_is_bounded(more, 5, 2).unwrap_err();
        assert!(seen.contains("there are 5 resources"), "{seen}");
    }
}
