//! A write that the store does not take holds up nothing but its own resource.

use std::collections::BTreeSet;

use crate::plane::Plane;
use proptest::prelude::*;
use serde_json::json;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Actor, Duration, Edit, Resource, Uid, Write};

/// What a write makes of a workload.
fn outcome(write: &Write) -> Option<(Uid, WorkloadStatus)> {
    match write {
        Write::Update { resource: Resource::Workload(after), .. } => Some((after.id, after.status)),
        _ => None,
    }
}

fn refuse_placing(plane: &mut Plane, ids: BTreeSet<Uid>) {
    plane.refuses = Box::new(move |write| {
        outcome(write)
            .is_some_and(|(id, status)| ids.contains(&id) && status == WorkloadStatus::Scheduled)
    });
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whichever writes the store refuses, all others are written at once, the
    /// refused ones cost few attempts, and their resources end as Failed.
    #[test]
    fn only_the_refused_ones_are_held_up(
        count in 1usize..200,
        bad in prop::collection::btree_set(0usize..200, 0..4),
    ) {
        let mut plane = Plane::new();
        plane.node("a", 1_000_000);
        plane.settle();
        let ids: Vec<_> = (0..count).map(|i| plane.declare(&format!("w{i}"), json!({}))).collect();
        let bad: BTreeSet<_> = bad.iter().filter_map(|i| ids.get(*i)).copied().collect();
        refuse_placing(&mut plane, bad.clone());
        plane.tried = 0;
        plane.pass();
        for id in &ids {
            let expected =
                if bad.contains(id) { WorkloadStatus::Pending } else { WorkloadStatus::Scheduled };
            prop_assert_eq!(plane.workload(*id).status, expected);
        }
        // Down to each of them, a commit for either half.
        prop_assert!(plane.tried <= 1 + bad.len() * 2 * 8, "{} commits", plane.tried);
        prop_assert_eq!(plane.reconciler.backlog().refused, bad.len());
        plane.wait(minutes(7));
        for id in &bad {
            let workload = plane.workload(*id);
            prop_assert_eq!(workload.status, WorkloadStatus::Failed);
            prop_assert!(workload.state_history.last().unwrap().reason.contains("refuses"));
        }
        prop_assert_eq!(plane.reconciler.backlog().refused, 0);
        let taken = plane.taken;
        plane.wait(minutes(60));
        prop_assert_eq!(plane.taken, taken, "what is given up is at rest");
    }
}

/// Each commit that is tried waits for its turn at the store.
#[test]
fn however_many_have_changed_meanwhile_the_others_are_written_with_the_second_commit() {
    let mut plane = Plane::new();
    plane.node("a", 1_000_000);
    plane.settle();
    let ids: Vec<_> = (0..40).map(|i| plane.declare(&format!("w{i}"), json!({}))).collect();
    let pass = plane.decide();
    let (changed, others) = ids.split_at(20);
    for id in changed {
        let mut edit = Edit::of(plane.workload(*id), plane.now.wall);
        edit.note(Actor::API, "somebody has changed it");
        plane.commit(edit.finish().map(Write::update).into_iter().collect());
    }
    plane.tried = 0;
    plane.write(pass);
    assert_eq!(plane.tried, 2);
    let status = |plane: &Plane, id: &Uid| plane.workload(*id).status;
    assert!(others.iter().all(|id| status(&plane, id) == WorkloadStatus::Scheduled));
    assert!(changed.iter().all(|id| status(&plane, id) == WorkloadStatus::Pending));
    plane.settle();
    assert!(ids.iter().all(|id| status(&plane, id) == WorkloadStatus::Scheduled));
}

#[test]
fn what_cannot_even_be_given_up_is_seen_and_tried_at_the_ceiling() {
    let mut plane = Plane::new();
    plane.node("a", 1000);
    plane.settle();
    let id = plane.declare("w", json!({}));
    plane.refuses = Box::new(move |write| outcome(write).is_some_and(|(other, _)| other == id));
    plane.wait(minutes(7));
    assert_eq!(plane.workload(id).status, WorkloadStatus::Pending);
    assert_eq!(plane.reconciler.backlog().given_up, 1);
    plane.tried = 0;
    plane.wait(minutes(10));
    // Each time the write itself, and that it is given up.
    assert!((30..=42).contains(&plane.tried), "{} commits in ten minutes", plane.tried);
    // As soon as the store takes what is wanted, that is what is written.
    plane.refuses = Box::new(|_| false);
    plane.wait(minutes(1));
    assert_eq!(plane.workload(id).status, WorkloadStatus::Scheduled);
    assert_eq!(plane.reconciler.backlog().given_up, 0);
}

#[test]
fn an_operator_does_not_have_to_wait_for_the_end_of_a_pause() {
    let mut plane = Plane::new();
    plane.node("a", 1000);
    plane.settle();
    let id = plane.declare("w", json!({}));
    plane.refuses = Box::new(move |write| outcome(write).is_some_and(|(other, _)| other == id));
    plane.wait(minutes(7));
    plane.refuses = Box::new(|_| false);
    plane.reconciler.wake(id);
    plane.settle();
    assert_eq!(plane.workload(id).status, WorkloadStatus::Pending);
    plane.reconciler.reconcile_now(id);
    plane.settle();
    assert_eq!(plane.workload(id).status, WorkloadStatus::Scheduled);
    assert_eq!(plane.reconciler.backlog().refused, 0);
}

#[test]
fn a_store_that_takes_nothing_is_nobodys_fault() {
    let mut plane = Plane::new();
    plane.node("a", 1_000_000);
    plane.settle();
    let ids: Vec<_> = (0..500).map(|i| plane.declare(&format!("w{i}"), json!({}))).collect();
    plane.refuses = Box::new(|_| true);
    plane.tried = 0;
    plane.pass();
    assert!(plane.tried <= 24, "{} commits", plane.tried);
    plane.wait(minutes(60));
    plane.refuses = Box::new(|_| false);
    plane.wait(minutes(1));
    assert!(ids.iter().all(|id| plane.workload(*id).status == WorkloadStatus::Scheduled));
}

#[test]
fn a_copy_that_may_be_alive_is_not_called_failed() {
    let mut plane = Plane::new();
    let node = plane.node("a", 1000);
    plane.settle();
    let id = plane.declare("w", json!({}));
    plane.settle();
    assert_eq!(plane.workload(id).status, WorkloadStatus::Scheduled);
    plane.refuses = Box::new(move |write| outcome(write).is_some_and(|(other, _)| other == id));
    // Its node is to be emptied, and it cannot be written that it stops.
    let mut edit = Edit::of(plane.world.nodes.get(node).unwrap(), plane.now.wall);
    edit.desire(tessera_types::node::DesiredNodeStatus::Drained);
    plane.commit(vec![Write::update(edit.finish().unwrap())]);
    plane.wait(minutes(7));
    assert_eq!(plane.workload(id).status, WorkloadStatus::Scheduled);
    assert_eq!(plane.reconciler.backlog().given_up, 1);
}

/// What was set aside for one that was to move is free when its write is refused.
#[test]
fn what_cannot_move_leaves_its_place_to_others() {
    let room = |cpu: u64| json!({"resources": {"cpu": cpu}});
    let mut plane = Plane::new();
    let gone = plane.node("a", 1000);
    let moves = plane.declare("moves", room(800));
    plane.settle();
    plane.node("b", 1000);
    plane.declare("stays", room(800));
    plane.settle();
    let waits = plane.declare("waits", room(800));
    plane.world.left(gone, plane.now.boot);
    plane.reconciler.wake(gone);
    plane.wait(Duration::from_secs(2));
    let status = |plane: &Plane| [moves, waits].map(|id| plane.workload(id).status);
    assert_eq!(status(&plane), [WorkloadStatus::Lost, WorkloadStatus::Pending]);
    refuse_placing(&mut plane, [moves].into());
    plane.node("b", 2000);
    plane.settle();
    assert_eq!(status(&plane), [WorkloadStatus::Lost, WorkloadStatus::Scheduled]);
}
