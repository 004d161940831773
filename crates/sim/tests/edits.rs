//! What is changed from A to B ends as one that was B from the start.

use std::sync::Arc;

use tessera_sim::{Config, EDITED, Outcome, Script, edit, edited, run};
use tessera_types::KindName;

/// Pairs of each kind, unless `TESSERA_SIM_EDITS` says otherwise.
const PAIRS: u64 = 12;

fn come_to(script: &Script) -> Outcome {
    let config = Config::of_script(Arc::new(script.clone()));
    run(config).unwrap_or_else(|failure| panic!("{}: {failure}", script.name))
}

fn all_pairs(kind: KindName) {
    assert!(EDITED.contains(&kind));
    let pairs = std::env::var("TESSERA_SIM_EDITS").ok().and_then(|text| text.parse().ok());
    for seed in 0..pairs.unwrap_or(PAIRS) {
        let [changed, fresh] = edit(kind, seed);
        let ends = [&changed, &fresh].map(|script| come_to(script).story.end);
        let key = edited(kind).to_string();
        assert!(ends[1].contains_key(&key), "{}", fresh.name);
        assert_eq!(ends[0].get(&key), ends[1].get(&key), "{}: {:#?}", changed.name, changed.steps);
    }
}

#[test]
fn a_changed_workload_is_as_a_fresh_one() {
    all_pairs(KindName::Workload);
}

#[test]
fn a_changed_tenant_is_as_a_fresh_one() {
    all_pairs(KindName::Tenant);
}

#[test]
fn a_changed_node_is_as_a_fresh_one() {
    all_pairs(KindName::Node);
}

#[test]
fn a_changed_session_is_as_a_fresh_one() {
    all_pairs(KindName::Session);
}

#[test]
fn a_changed_host_is_as_a_fresh_one() {
    all_pairs(KindName::Host);
}

#[test]
fn what_is_made_of_a_changed_definition_is_as_of_a_fresh_one() {
    all_pairs(KindName::PodDefinition);
}
