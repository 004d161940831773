//! One step, and a job for each of its tries: every interleaving.

use stateright::{Checker, HasDiscoveries, Model};
use tessera_models::suspension::{Rule, Suspension};

fn model(without: Option<Rule>) -> Suspension {
    Suspension { without, tries_max: 3, keys_max: 4 }
}

#[test]
fn with_every_rule_all_promises_hold() {
    let checker = model(None).checker().spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// There is a way to break one of these promises without a rule.
fn breaks(rule: Rule, promises: &[&str]) {
    let checker = model(Some(rule)).checker().finish_when(HasDiscoveries::AnyFailures);
    let found = checker.spawn_bfs().join().discoveries();
    let broken = promises.iter().find_map(|promise| found.get(promise));
    let path = broken.unwrap_or_else(|| panic!("without {rule:?}: {:?}", found.keys()));
    println!("{rule:?}: {:?}", path.clone().into_actions());
}

const ONE: &str = "one job is at work";
const OWN: &str = "a step is completed by its own try";
const NONE_LEFT: &str = "nothing is at work for a step that is over";

#[test]
fn each_rule_is_needed() {
    breaks(Rule::StoreBeforeSubmit, &[ONE]);
    breaks(Rule::KeyOfItsOwn, &[OWN]);
    breaks(Rule::TakeOnce, &["a key is begun once"]);
    breaks(Rule::RefuseOldEnd, &[OWN, NONE_LEFT]);
    breaks(Rule::WaitUntilOver, &[ONE]);
    breaks(Rule::CancelTakesKey, &[ONE, NONE_LEFT]);
}
