//! What never ends, ends in a clear error.

use serde_json::json;
use tessera_workflow::machine::{Limits, kind};

use crate::support::documents::short;
use crate::support::world::plan;

fn stops(document: &str, limits: Limits, says: &str) {
    let mut plan = plan(short(document), json!({}));
    plan.limits = limits;
    let error = plan.run().error();
    assert_eq!(&*error.kind, kind::RUNTIME);
    assert!(error.detail.as_deref().unwrap().contains(says), "{error}");
}

#[test]
fn a_loop_of_jumps_is_stopped_even_where_errors_are_caught() {
    let few = Limits { tasks_per_entry_max: 500, ..Limits::default() };
    stops("[ { a: { set: { x: 1 } } }, { b: { set: { x: 1 }, then: a } } ]", few, "endless loop");
    let caught = "- t: { try: [ { a: { set: { x: 1 } } }, { b: { set: { x: 1 }, then: a } } ], catch: {}, then: t }";
    stops(caught, few, "endless loop");
    let retried = "- t: { try: [ { a: { raise: { error: { type: t, status: 400 } } } } ], catch: { retry: {} } }";
    stops(retried, few, "endless loop");
}

#[test]
fn a_loop_that_waits_is_stopped_when_its_journal_is_too_long() {
    let few = Limits { entries_max: 50, ..Limits::default() };
    stops("- w: { wait: PT1S, then: w }", few, "journal entries");
}

#[test]
fn a_run_has_only_so_many_tasks_at_once() {
    let few = Limits { scopes_max: 50, ..Limits::default() };
    let branches: Vec<_> = (0..60).map(|n| format!("{{ b{n}: {{ wait: PT1S }} }}")).collect();
    stops(&format!("- f: {{ fork: {{ branches: [ {} ] }} }}", branches.join(", ")), few, "at once");
}

#[test]
fn a_list_within_lists_gives_its_output_to_the_outermost() {
    let depth = 14;
    let deep = format!(
        "[{}{{ \"t\": {{ \"set\": {{ \"x\": 1 }} }} }}{}]",
        "{ \"d\": { \"do\": [".repeat(depth),
        "] } }".repeat(depth)
    );
    assert_eq!(plan(short(&deep), json!({})).run().output(), json!({"x": 1}));
}

#[test]
fn data_that_grows_deeper_in_each_round_is_stopped() {
    let document = "
        - l:
            for: { in: '[range(1000)]' }
            do: [ { f: { fork: { branches: [ { same: { do: [] } } ] } } } ]";
    stops(document, Limits::default(), "nested more than");
}

#[test]
fn data_that_doubles_in_each_round_is_stopped() {
    // By the machine where it puts values together, or by the expression that looks at them.
    let stops = |body: &str| {
        let tasks = format!("- l: {{ for: {{ in: '[range(60)]' }}, do: [ {{ s: {body} }} ] }}");
        let error = plan(short(&tasks), json!({})).run().error();
        assert!([kind::RUNTIME, kind::EXPRESSION].contains(&&*error.kind), "{error}");
    };
    stops("{ set: { a: '${ . }', b: '${ . }' } }");
    stops("{ fork: { branches: [ { one: { do: [] } }, { two: { do: [] } } ] } }");
    stops("{ set: { x: '-${ .x }${ .x }' } }");
}
