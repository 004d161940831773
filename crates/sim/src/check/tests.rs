//! The checks are given what no run may come to.

use tessera_reconciler::World;

use super::made::running;
use super::rules::tests::{at, machine};
use super::*;

#[test]
fn a_node_that_is_silent_and_not_offline_is_seen() {
    let (_, control) = running();
    assert_eq!(control.world.nodes.iter().filter(|node| node.status.is_reachable()).count(), 1);
    assert_eq!(silent_nodes_are_offline(&control, at(15)), Ok(()));
    let seen = silent_nodes_are_offline(&control, at(16)).unwrap_err();
    assert!(seen.contains("was silent"), "{seen}");
}

#[test]
fn a_world_that_is_not_what_the_store_has_is_seen() {
    let (_, mut control) = running();
    assert_eq!(world_is_the_stores(&control), Ok(()));
    control.world = World::load(control.world.revision(), []);
    assert!(world_is_the_stores(&control).is_err());
}

#[test]
fn a_run_that_begins_before_its_window_is_seen() {
    let mut machines = [machine()];
    let run = machines[0].runs.values_mut().next().unwrap();
    std::sync::Arc::make_mut(&mut run.spec).not_before = Some(at(0));
    assert_eq!(no_run_begins_early(&machines), Ok(()));
    let run = machines[0].runs.values_mut().next().unwrap();
    std::sync::Arc::make_mut(&mut run.spec).not_before = Some(at(1));
    let seen = no_run_begins_early(&machines).unwrap_err();
    assert!(seen.contains("begins at"), "{seen}");
}

#[test]
fn a_machine_with_more_runs_than_places_is_seen() {
    let mut machines = [machine()];
    assert_eq!(no_machine_over_capacity(&machines), Ok(()));
    let (id, run) = machines[0].runs.pop_first().unwrap();
    machines[0].runs.extend((1..=20).map(|attempt| (RunId { attempt, ..id }, run.clone())));
    assert_eq!(no_machine_over_capacity(&machines), Ok(()));
    machines[0].runs.insert(RunId { attempt: 21, ..id }, run);
    let seen = no_machine_over_capacity(&machines).unwrap_err();
    assert!(seen.contains("21 places"), "{seen}");
}

#[test]
fn a_run_that_outlives_its_window_is_seen() {
    let machines = [machine()];
    assert_eq!(no_window_overrun(&machines, at(59)), Ok(()));
    let seen = no_window_overrun(&machines, at(61)).unwrap_err();
    assert!(seen.contains("outlives its window"), "{seen}");
}

#[test]
fn a_window_that_is_over_is_no_matter_once_its_run_has_ended() {
    let mut machines = [machine()];
    machines[0].advance(at(61), false);
    assert_eq!(no_window_overrun(&machines, at(70)), Ok(()));
}

#[test]
fn a_log_that_nobody_cuts_short_is_seen() {
    assert_eq!(log_is_bounded(LOG_COMMITS_MAX), Ok(()));
    assert!(log_is_bounded(LOG_COMMITS_MAX + 1).is_err());
}
