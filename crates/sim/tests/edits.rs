//! What is changed from A to B ends as one that was B from the start.

use std::sync::Arc;

use tessera_sim::{Config, EDITED, Outcome, Script, Story, edit, edited, run};
use tessera_types::KindName;

/// Pairs of each kind, unless `TESSERA_SIM_EDITS` says otherwise.
const PAIRS: u64 = 12;

fn come_to(script: &Script) -> Outcome {
    let config = Config::of_script(Arc::new(script.clone()));
    run(config).unwrap_or_else(|failure| panic!("{}: {failure}", script.name))
}

/// What there is, however it came to be. What a session made keeps in its spec for when it was made
/// first, and only says with its windows when it is.
fn as_it_is(story: &Story) -> Story {
    let mut end = story.end.clone();
    for made in end.values_mut().filter(|it| !it["owner"].is_null()) {
        if let Some(spec) = made["spec"].as_object_mut() {
            spec.remove("timeslot");
        }
    }
    Story { end, ..Story::default() }
}

fn all_pairs(kind: KindName) {
    assert!(EDITED.contains(&kind));
    let pairs = std::env::var("TESSERA_SIM_EDITS").ok().and_then(|text| text.parse().ok());
    for seed in 0..pairs.unwrap_or(PAIRS) {
        let [changed, fresh] = edit(kind, seed);
        let [one, other] = [&changed, &fresh].map(|script| come_to(script).story);
        assert!(other.end.contains_key(&edited(kind).to_string()), "{}", fresh.name);
        // All that was made of it too, by the same windows.
        if let Some(what) = as_it_is(&one).difference(&as_it_is(&other)) {
            panic!("{}: {what}: {:#?}", changed.name, changed.steps);
        }
        assert_eq!(one.windows, other.windows, "{}: {:#?}", changed.name, changed.steps);
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
