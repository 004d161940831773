//! Lists, jumps, loops, branches.

use serde_json::json;
use tessera_workflow::machine::{Observed, Status, kind};

use crate::support::documents::short;
use crate::support::world::{done, failed, plan, run};

#[test]
fn exit_leaves_the_list_and_end_leaves_the_run() {
    let with = |directive: &str| {
        run(
            &format!(
                "
                - outer:
                    do:
                      - first: {{ set: {{ at: first }}, then: {directive} }}
                      - second: {{ set: {{ at: second }} }}
                    output: {{ as: '{{outer: .}}' }}
                - after: {{ set: '${{ . + {{after: true}} }}' }}"
            ),
            json!({}),
        )
    };
    assert_eq!(with("exit").output(), json!({"outer": {"at": "first"}, "after": true}));
    let world = with("end");
    assert_eq!(world.output(), json!({"at": "first"}));
    let completed = world.observed(|what| matches!(what, Observed::Completed(_)));
    assert_eq!(completed, ["first", "outer"]);
}

#[test]
fn end_within_a_branch_ends_the_run_and_cancels_the_others() {
    let world = run(
        "
        - both:
            fork:
              branches:
                - long: { wait: PT1H }
                - short: { do: [ { last: { set: { over: true }, then: end } } ] }
        - never: { set: { x: 1 } }",
        json!({}),
    );
    assert_eq!(world.output(), json!({"over": true}));
    assert_eq!(world.observed(|what| *what == Observed::Cancelled), ["long"]);
    assert_eq!(world.elapsed_ms(), 0);
}

#[test]
fn a_task_that_is_skipped_gives_its_input_and_no_direction() {
    let world = run(
        "
        - skipped: { if: .go, set: { no: true }, then: end, export: { as: '{no: true}' } }
        - next: { set: '${ {context: $context, input: .} }' }",
        json!({"go": false}),
    );
    assert_eq!(world.output(), json!({"context": {"go": false}, "input": {"go": false}}));
    assert_eq!(world.observed(|what| *what == Observed::Skipped), ["skipped"]);
}

#[test]
fn a_loop_ends_when_its_condition_no_longer_holds() {
    let world = run(
        "
        - loop:
            for: { each: it, in: .items, at: at }
            while: .sum < 6
            do:
              - add: { set: '${ {items, sum: (.sum + $it), at: $at} }' }",
        json!({"items": [1, 2, 3, 4], "sum": 0}),
    );
    assert_eq!(world.output()["sum"], 6);
    assert_eq!(world.output()["at"], 2);
}

#[test]
fn a_loop_over_no_list_is_an_error_of_the_expression() {
    let error = run("- loop: { for: { in: .items }, do: [] }", json!({})).error();
    assert_eq!((&*error.kind, &*error.instance), (kind::EXPRESSION, "/do/0/loop"));
    assert_eq!(error.detail.as_deref(), Some("for/in: null is no list"));
}

#[test]
fn the_rounds_of_a_loop_are_observed_by_their_number() {
    let world =
        run("- loop: { for: { in: '[7, 8]' }, do: [ { one: { set: { x: 1 } } } ] }", json!({}));
    let rounds = world.observations.iter().filter(|it| it.what == Observed::Started);
    let rounds = rounds.filter_map(|it| it.task.as_ref()).map(|task| task.iteration);
    assert_eq!(rounds.collect::<Vec<_>>(), [None, Some(0), Some(1)]);
}

#[test]
fn a_fork_gives_the_outputs_in_the_order_of_its_branches() {
    let world = run(
        "
        - all:
            fork:
              branches:
                - late: { do: [ { w: { wait: PT2S } }, { s: { set: { is: late } } } ] }
                - soon: { set: '${ {is: .name} }' }",
        json!({"name": "soon"}),
    );
    assert_eq!(world.output(), json!([{"is": "late"}, {"is": "soon"}]));
    assert_eq!(world.elapsed_ms(), 2000);
}

#[test]
fn an_error_in_a_branch_cancels_the_others_and_their_effects() {
    let document = "
        - all:
            fork:
              branches:
                - call: { call: lab.start, with: {} }
                - broken: { do: [ { w: { wait: PT1S } }, { e: { raise: { error: { type: t, status: 400 } } } } ] }";
    let world = plan(short(document), json!({}))
        .answers(|_| crate::support::world::after(60_000, json!(1)))
        .run();
    assert_eq!(world.error().instance.as_ref(), "/do/0/all/fork/branches/1/broken/do/1/e");
    assert_eq!(world.cancelled.len(), 1);
    assert_eq!(world.observed(|what| *what == Observed::Cancelled), ["call"]);
}

#[test]
fn a_branch_that_faults_loses_a_race_and_the_first_error_counts_when_all_do() {
    let document = "
        - race:
            fork:
              compete: true
              branches:
                - one: { call: lab.one, with: {} }
                - two: { call: lab.two, with: {} }";
    let answer = |two: bool| {
        plan(short(document), json!({}))
            .answers(move |effect| match effect.task.ends_with("one") {
                true => failed("one", 501),
                false if two => done(json!("two")),
                false => failed("two", 502),
            })
            .run()
    };
    assert_eq!(answer(true).output(), "two");
    assert_eq!(answer(false).error().status, 501);
}

#[test]
fn a_switch_says_what_is_next_and_else_its_own_then_does() {
    let document = "
        - which:
            switch:
              - big: { when: '.n > 5', then: end }
              - small: { when: '.n < 3', then: last }
            then: continue
        - middle: { set: '${ {n, middle: true} }' }
        - last: { set: '${ . + {last: true} }' }";
    let output = |n: i32| run(document, json!({"n": n})).output();
    assert_eq!(output(9), json!({"n": 9}));
    assert_eq!(output(1), json!({"n": 1, "last": true}));
    assert_eq!(output(4), json!({"n": 4, "middle": true, "last": true}));
}

#[test]
fn a_run_stands_as_what_it_does() {
    let document = "[ { call: { call: lab.a, with: {} } }, { nap: { wait: PT1S } } ]";
    let mut world = plan(short(document), json!({})).begin();
    assert_eq!(world.machine.status(), Status::Running);
    assert_eq!(world.machine.waiting_for().as_deref(), Some("lab.a (/do/0/call)"));
    world.step();
    assert_eq!(world.machine.status(), Status::Waiting);
    let line = "the time 2026-05-01T08:00:01Z (/do/1/nap)";
    assert_eq!(world.machine.waiting_for().as_deref(), Some(line));
    world.step();
    assert_eq!(world.machine.status(), Status::Completed);
    assert_eq!(world.machine.waiting_for(), None);
}
