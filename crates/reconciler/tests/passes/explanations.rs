//! Why a workload waits is told, and is not told again with every change of room.

use crate::plane::Plane;
use serde_json::json;
use tessera_types::{Duration, Uid};

const WORKLOADS: usize = 1000;

/// More than fits on any node that follows.
fn unplaced(plane: &mut Plane) -> Vec<Uid> {
    let spec = json!({"resources": {"cpu": 100_000}});
    let ids = (0..WORKLOADS).map(|i| plane.declare(&format!("w{i}"), spec.clone())).collect();
    plane.settle();
    ids
}

fn message(plane: &Plane, id: Uid) -> String {
    plane.workload(id).waiting_for.as_ref().unwrap().message.clone()
}

#[test]
fn changes_of_room_do_not_rewrite_everything_that_waits() {
    let mut plane = Plane::new();
    plane.node("a", 1000);
    plane.settle();
    let ids = unplaced(&mut plane);
    plane.taken = 0;
    for change in 1..=100 {
        plane.node("a", 1000 + change);
        plane.wait(Duration::from_secs(1));
    }
    // A hundred of the node, and each workload once in its minute.
    assert!(plane.taken <= 100 + 2 * WORKLOADS, "{} writes", plane.taken);
    plane.wait(Duration::from_secs(60));
    assert!(ids.iter().all(|id| message(&plane, *id).contains("cpu free (1.1)")));
}

/// All that wait for room are looked at when there is some, which is no more to do than before.
#[test]
fn what_waits_for_room_is_no_news() {
    let mut plane = Plane::new();
    plane.node("a", 1000);
    plane.settle();
    unplaced(&mut plane);
    plane.node("a", 1001);
    // A look each takes in the change of the node, and asks all that wait.
    let backlogs: Vec<_> = (0..10)
        .map(|_| {
            let _looked = plane.reconciler.pass(&plane.world, plane.now, 1);
            plane.reconciler.backlog()
        })
        .collect();
    assert!(backlogs.iter().any(|backlog| backlog.due >= WORKLOADS - 10), "{backlogs:?}");
    assert!(backlogs.iter().all(|backlog| backlog.news() <= 10), "{backlogs:?}");
}

#[test]
fn a_node_that_comes_and_goes_does_not_either() {
    let mut plane = Plane::new();
    let node = plane.node("a", 1000);
    plane.node("b", 1000);
    plane.settle();
    unplaced(&mut plane);
    plane.taken = 0;
    for change in 0..100 {
        let desired = match change % 2 {
            0 => tessera_types::node::DesiredNodeStatus::Cordoned,
            _ => tessera_types::node::DesiredNodeStatus::Ready,
        };
        let mut edit =
            tessera_types::Edit::of(plane.world.nodes.get(node).unwrap(), plane.now.wall);
        edit.desire(desired);
        plane.commit(vec![tessera_types::Write::update(edit.finish().unwrap())]);
        plane.wait(Duration::from_millis(500));
    }
    assert!(plane.taken <= 200 + 11 * WORKLOADS, "{} writes", plane.taken);
}

#[test]
fn another_kind_of_obstacle_is_told_soon_and_nothing_is_written_without_a_change() {
    let mut plane = Plane::new();
    let ids = unplaced(&mut plane);
    assert_eq!(message(&plane, ids[0]), "there is no node: start an agent");
    plane.node("a", 1000);
    plane.wait(Duration::from_secs(5));
    assert!(ids.iter().all(|id| message(&plane, *id).contains("cpu free (1)")));
    plane.taken = 0;
    plane.wait(Duration::from_secs(3600));
    plane.reconciler.resync(&plane.world);
    plane.settle();
    assert_eq!(plane.taken, 0);
}

/// There is less room than before, and so another reason: nothing else would wake them.
#[test]
fn another_kind_of_obstacle_is_told_as_soon_when_there_is_less_room() {
    let mut plane = Plane::new();
    let node = plane.node("a", 1000);
    plane.settle();
    let ids = unplaced(&mut plane);
    plane.wait(Duration::from_secs(20));
    let mut edit = tessera_types::Edit::of(plane.world.nodes.get(node).unwrap(), plane.now.wall);
    edit.desire(tessera_types::node::DesiredNodeStatus::Cordoned);
    plane.commit(vec![tessera_types::Write::update(edit.finish().unwrap())]);
    plane.wait(Duration::from_secs(5));
    assert!(ids.iter().all(|id| message(&plane, *id).ends_with("is cordoned or draining")));
}

#[test]
fn what_waits_is_placed_as_soon_as_there_is_room() {
    let mut plane = Plane::new();
    plane.node("a", 1000);
    plane.settle();
    let ids = unplaced(&mut plane);
    plane.node("b", 200_000);
    plane.settle();
    let placed = ids.iter().filter(|id| plane.workload(**id).observed.assigned.is_some()).count();
    assert_eq!(placed, 2);
}
