//! What never ends, ends in a clear error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tessera_workflow::expression::Watch;
use tessera_workflow::machine::{Limits, Outcome, kind};

use crate::support::documents::short;
use crate::support::world::{done, plan};

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

#[test]
fn a_loop_whose_rounds_cost_little_is_stopped_where_it_is() {
    let document = "
        - l: { for: { in: . }, while: '[range(50)] | length > 1', do: [] }";
    let mut plan = plan(short(document), vec![1; 100_000].into());
    plan.limits.steps_per_entry_max = 300_000;
    let error = plan.run().error();
    assert_eq!((&*error.kind, &*error.instance), (kind::RUNTIME, "/do/0/l"));
    assert!(error.detail.unwrap().contains("more than 300000 steps"));
}

#[test]
fn the_steps_of_one_entry_do_not_count_for_the_next() {
    let document = "
        - l:
            for: { in: '[range(20)]' }
            do: [ { s: { set: { x: '${ [range(20000)] | length }' } } }, { w: { wait: PT1S } } ]";
    let mut plan = plan(short(document), json!({}));
    plan.limits.steps_per_entry_max = 100_000;
    assert_eq!(plan.run().output(), json!({"x": 20000}));
}

#[test]
fn a_run_that_costs_much_can_be_left_in_between() {
    let document = "
        - l: { for: { in: '[range(100)]' }, do: [ { s: { set: { x: '${ [range(10000)] | length }' } } } ] }";
    let plan = plan(short(document), json!({}));
    let mut machine = plan.begin_machine();
    let mut slices = 1;
    while !machine.proceed() {
        assert!(machine.outcome().is_none());
        slices += 1;
    }
    assert!(slices > 2, "{slices}");
    assert_eq!(machine.outcome(), plan.machine().outcome());
}

#[test]
fn a_run_holds_only_so_much_data() {
    let kept = "
        - l:
            for: { in: '[range(100)]' }
            do: [ { s: { set: { all: '${ .all + [\"x\" * 100000 + ($item | tostring)] }' } } } ]";
    let few = Limits { memory_bytes_max: 1 << 20, ..Limits::default() };
    stops(kept, few, "needs more than 1 MiB");
    let dropped = "
        - l:
            for: { in: '[range(100)]' }
            do: [ { s: { set: { last: '${ \"x\" * 100000 + ($item | tostring) }' } } } ]";
    let mut plan = plan(short(dropped), json!({}));
    plan.limits = few;
    plan.run().output();
}

#[test]
fn a_run_is_told_only_so_much() {
    let document = "- l: { for: { in: '[range(100)]' }, do: [ { c: { call: http, with: { method: get, endpoint: 'http://x/' } } } ] }";
    let plan = plan(short(document), json!({}));
    let mut plan = plan.answers(|_| done(json!({"text": "x".repeat(100_000)})));
    plan.limits.journal_bytes_max = 1 << 20;
    let error = plan.run().error();
    assert!(error.detail.unwrap().contains("more than 1 MiB"));
}

/// A watch ends an evaluation, as a fault that nothing catches, whatever would be made of it.
#[test]
fn a_run_that_is_stopped_while_it_calculates_ends_in_a_fault() {
    for body in [
        "{ set: { x: '${ [range(100000)] | length }' } }",
        "{ try: [ { s: { set: { x: '${ [range(100000)] | length }' } } } ], catch: { do: [] } }",
        "{ set: { x: '${ try ([range(100000)] | length) catch 1 }' } }",
        "{ set: { x: '${ ([range(100000)] | error)? // 1 }' } }",
    ] {
        let plan = plan(short(&format!("- a: {body}")), json!({}));
        let asked = Arc::new(AtomicU32::new(0));
        let never: Watch = {
            let asked = Arc::clone(&asked);
            Arc::new(move || {
                asked.fetch_add(1, Ordering::Relaxed);
                false
            })
        };
        let mut machine = plan.begin_machine();
        while !machine.proceed_under(&never) {}
        assert!(!machine.was_stopped());
        assert_eq!(machine.outcome(), plan.machine().outcome(), "a watch changes nothing");
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked > 20, "{body}: {asked}");
        for at in [1, 2, asked / 2, asked] {
            let left = AtomicU32::new(at - 1);
            let less = |it: u32| it.checked_sub(1);
            let then: Watch = Arc::new(move || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
            });
            let mut machine = plan.begin_machine();
            while !machine.proceed_under(&then) {}
            assert!(machine.was_stopped(), "{body}");
            let Some(Outcome::Faulted(error)) = machine.outcome() else { panic!("{body}") };
            assert_eq!(&*error.kind, kind::RUNTIME);
            assert!(error.detail.as_ref().unwrap().contains("was stopped"), "{error}");
        }
    }
}
