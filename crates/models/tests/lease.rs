//! Two nodes and one workload: every interleaving.

use stateright::{Checker, HasDiscoveries, Model};
use tessera_models::lease::{Lease, Rule};

const NEVER_TWO: &str = "at most one live copy";

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Visits all states, with every rule.
fn holds(restarts_max: u8, epoch_max: u8) {
    let model = Lease { without: None, restarts_max, epoch_max };
    let checker = model.checker().threads(threads()).symmetry().spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// There is a way to two live copies without a rule.
fn breaks(rule: Rule, restarts_max: u8, epoch_max: u8) {
    let model = Lease { without: Some(rule), restarts_max, epoch_max };
    let checker = model.checker().threads(threads()).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let path = checker.discovery(NEVER_TWO);
    let path = path.unwrap_or_else(|| panic!("nothing breaks without {rule:?}"));
    println!("{rule:?}: {:?}", path.into_actions());
}

/// With a third placement, which it takes for an old report to do harm.
#[test]
fn without_restarts_there_are_never_two_live_copies() {
    holds(0, 3);
}

#[test]
fn with_a_restart_of_anybody_there_are_never_two_live_copies() {
    holds(1, 2);
}

#[test]
fn each_rule_about_the_lease_is_needed() {
    breaks(Rule::Margin, 0, 2);
    breaks(Rule::LeaseFromRequest, 0, 2);
    breaks(Rule::NoAnswerWhileOffline, 0, 2);
}

#[test]
fn each_rule_about_what_has_ended_is_needed() {
    breaks(Rule::RememberWhileListed, 0, 2);
    breaks(Rule::WaitForReport, 0, 2);
    breaks(Rule::RefuseOldReport, 0, 3);
}

#[test]
fn each_rule_about_restarts_is_needed() {
    breaks(Rule::Supervisor, 1, 2);
    breaks(Rule::WaitAfterStart, 1, 2);
}
