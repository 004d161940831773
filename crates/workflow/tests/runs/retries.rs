//! `try`, `catch`, `retry`, `raise`.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tessera_workflow::machine::{Observed, kind};

use crate::support::documents::short;
use crate::support::world::{World, after, done, failed, plan, run};

/// A call that fails this often, with this status, within `catch`.
fn calls(catch: &str, failures: u32, status: u16) -> World {
    let document = format!(
        "
        - attempt:
            try: [ {{ call: {{ call: some.thing, with: {{}} }} }} ]
            catch: {catch}
        - next: {{ set: '${{ {{next: .}} }}' }}"
    );
    let count = AtomicU32::new(0);
    plan(short(&document), json!({"in": 1}))
        .answers(move |_| match count.fetch_add(1, Ordering::Relaxed) < failures {
            true => failed(kind::COMMUNICATION, status),
            false => done(json!("fine")),
        })
        .run()
}

#[test]
fn an_error_is_caught_when_all_of_its_filters_pass() {
    let caught = json!({"next": {"in": 1}});
    for (catch, is_caught) in [
        ("{}", true),
        ("{ errors: { with: { status: 503 } } }", true),
        ("{ errors: { with: { status: 404 } } }", false),
        (
            "{ errors: { with: { type: '${ \"https://open-workflow-specification.org/spec/1.0.0/errors/\" + \"communication\" }', instance: /do/0/attempt/try/0/call } } }",
            true,
        ),
        (
            "{ errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication' } } }",
            true,
        ),
        (
            "{ errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/runtime' } } }",
            false,
        ),
        ("{ errors: { with: { title: It failed, detail: as planned } } }", true),
        ("{ when: $error.status == 503 }", true),
        ("{ as: oops, when: $oops.status == 404 }", false),
        ("{ exceptWhen: $error.status == 503 }", false),
    ] {
        let world = calls(catch, 1, 503);
        if is_caught {
            assert_eq!(world.output(), caught, "{catch}");
        } else {
            assert_eq!(world.error().status, 503, "{catch}");
        }
    }
}

#[test]
fn a_caught_error_is_handled_with_its_variable_and_says_what_is_next() {
    let world =
        calls("{ as: e, do: [ { h: { set: '${ {was: $e.status, in: .in} }' } } ] }", 1, 503);
    assert_eq!(world.output(), json!({"next": {"was": 503, "in": 1}}));
    let world = calls("{ then: end }", 1, 503);
    assert_eq!(world.output(), json!({"in": 1}));
    let world =
        calls("{ do: [ { h: { raise: { error: { type: mine, status: 400 } } } } ] }", 1, 503);
    assert_eq!(&*world.error().instance, "/do/0/attempt/catch/do/0/h");
}

#[test]
fn attempts_are_spaced_by_the_backoff() {
    for (backoff, ms) in [("constant", 3000), ("linear", 6000), ("exponential", 7000)] {
        let catch =
            format!("{{ retry: {{ delay: {{ seconds: 1 }}, backoff: {{ {backoff}: {{}} }} }} }}");
        let world = calls(&catch, 3, 503);
        assert_eq!(world.output(), json!({"next": "fine"}));
        assert_eq!(world.elapsed_ms(), ms, "{backoff}");
        assert_eq!(world.observed(|what| matches!(what, Observed::Retried { .. })).len(), 3);
        let keys: std::collections::BTreeSet<_> =
            world.effects.iter().map(|it| it.idempotency_key.clone()).collect();
        assert_eq!(keys.len(), 4, "each attempt has a key of its own");
    }
}

#[test]
fn what_only_retries_faults_in_the_end_and_what_handles_does_so_after_the_last() {
    let retry = "retry: { limit: { attempt: { count: 2 } } }";
    let world = calls(&format!("{{ {retry} }}"), 9, 503);
    assert_eq!((world.error().status, world.effects.len()), (503, 3));
    let world =
        calls(&format!("{{ {retry}, do: [ {{ h: {{ set: {{ gave: up }} }} }} ] }}"), 9, 503);
    assert_eq!(world.output(), json!({"next": {"gave": "up"}}));
    assert_eq!(world.effects.len(), 3);
}

#[test]
fn a_policy_says_what_is_not_worth_another_attempt() {
    for policy in ["when: $error.status == 500", "exceptWhen: $error.status == 503"] {
        let world = calls(&format!("{{ retry: {{ {policy} }} }}"), 1, 503);
        assert_eq!((world.error().status, world.effects.len()), (503, 1));
    }
}

#[test]
fn retries_end_when_all_of_them_took_too_long() {
    let world = calls("{ retry: { delay: PT10S, limit: { duration: PT25S } } }", 99, 503);
    assert_eq!((world.effects.len(), world.elapsed_ms()), (3, 20_000));
}

#[test]
fn an_attempt_that_takes_too_long_is_cancelled_and_counts_as_failed() {
    let document = "
        - attempt:
            try: [ { call: { call: lab.slow, with: {} } } ]
            catch: { retry: { limit: { attempt: { count: 1, duration: PT2S } } } }";
    let world = plan(short(document), json!({})).answers(|_| after(10_000, json!(1))).run();
    let error = world.error();
    assert_eq!((&*error.kind, &*error.instance), (kind::TIMEOUT, "/do/0/attempt"));
    assert_eq!((world.effects.len(), world.cancelled.len(), world.elapsed_ms()), (2, 2, 4000));
}

#[test]
fn jitter_is_within_its_bounds_and_the_same_in_each_replay() {
    let catch = "{ retry: { delay: PT1S, jitter: { from: PT1S, to: PT3S } } }";
    let elapsed: Vec<_> = [1, 1, 2].map(|failures| calls(catch, failures, 503).elapsed_ms()).into();
    assert!((2000..=4000).contains(&elapsed[0]), "{elapsed:?}");
    assert_eq!(elapsed[0], elapsed[1]);
    assert_ne!(elapsed[2] - elapsed[0], elapsed[0]);
}

#[test]
fn a_raised_error_is_evaluated_and_knows_where_it_is_from() {
    let document =
        "- r: { raise: { error: { type: 'http://e/{x}', status: 418, title: 'On ${ .t }' } } }";
    let error = run(document, json!({"t": "tea"})).error();
    assert_eq!(
        (error.status, error.title.as_deref(), &*error.instance),
        (418, Some("On tea"), "/do/0/r")
    );
    let document = "- r: { raise: { error: { type: t, status: 400, instance: /elsewhere } } }";
    assert_eq!(&*run(document, json!({})).error().instance, "/elsewhere");
}
