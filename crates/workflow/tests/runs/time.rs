//! Waits, timeouts, pauses, cancellation.

use serde_json::json;
use tessera_workflow::machine::{Entry, Happening, Observed, Outcome, Status, kind};

use crate::support::documents::short;
use crate::support::world::{after, plan, run, start_of_time};

#[test]
fn a_wait_takes_its_time_and_gives_its_input() {
    for wait in ["PT90S", "{ minutes: 1, seconds: 30 }", "'${ .length }'", "'${ {seconds: 90} }'"] {
        let world = run(&format!("- w: {{ wait: {wait} }}"), json!({"length": "PT1M30S"}));
        assert_eq!(world.output(), json!({"length": "PT1M30S"}));
        assert_eq!(world.elapsed_ms(), 90_000, "{wait}");
    }
    let error = run("- w: { wait: '${ .length }' }", json!({"length": "soon"})).error();
    assert_eq!(&*error.kind, kind::EXPRESSION);
}

#[test]
fn a_task_that_takes_too_long_faults_and_what_it_does_is_cancelled() {
    let document = "
        - slow:
            timeout: { after: PT5S }
            do: [ { call: { call: lab.x, with: {} } } ]";
    let world = plan(short(document), json!({})).answers(|_| after(9000, json!(1))).run();
    let error = world.error();
    assert_eq!((&*error.kind, error.status, &*error.instance), (kind::TIMEOUT, 408, "/do/0/slow"));
    assert_eq!((world.elapsed_ms(), world.cancelled.len()), (5000, 1));
    assert_eq!(world.observed(|what| *what == Observed::Cancelled), ["call"]);
}

#[test]
fn a_timeout_can_be_caught() {
    let world = run(
        "
        - t:
            try: [ { slow: { wait: PT1H, timeout: { after: '${ .limit }' } } } ]
            catch: { errors: { with: { status: 408 } }, do: [ { h: { set: { late: true } } } ] }",
        json!({"limit": "PT1S"}),
    );
    assert_eq!((world.output(), world.elapsed_ms()), (json!({"late": true}), 1000));
}

#[test]
fn a_run_that_takes_too_long_faults_and_nothing_catches_it() {
    let document = "
        timeout: { after: PT5S }
        do: [ { t: { try: [ { w: { wait: PT1H } } ], catch: {} } } ]";
    let world = plan(short(document), json!({})).run();
    assert_eq!((world.error().status, world.elapsed_ms()), (408, 5000));
    assert_eq!(&*world.error().instance, "/timeout");
}

#[test]
fn a_cancelled_run_stops_its_effects_and_takes_nothing_more() {
    let document = "- c: { call: lab.x, with: {} }";
    let cancel = Happening::Cancelled { reason: "enough".into() };
    let mut world = plan(short(document), json!({}))
        .answers(|_| after(9000, json!(1)))
        .outside(1000, cancel)
        .run();
    assert_eq!(world.machine.status(), Status::Cancelled);
    assert_eq!(world.machine.outcome(), Some(&Outcome::Cancelled("enough".into())));
    let step = world.effects[0].id;
    assert!(world.cancelled.contains(&step));
    let late = Entry { at: world.now, what: Happening::Done { step, result: json!(1) } };
    world.machine.apply(&late);
    assert_eq!(world.machine.status(), Status::Cancelled);
    assert!(world.machine.take_effects().is_empty());
}

#[test]
fn a_suspended_run_begins_nothing_and_loses_nothing() {
    let document = "[ { a: { call: lab.a, with: {} } }, { b: { call: lab.b, with: {} } } ]";
    let mut world = plan(short(document), json!({}))
        .answers(|_| after(1000, json!(1)))
        .outside(500, Happening::Suspended)
        .outside(9000, Happening::Resumed)
        .begin();
    world.step();
    assert_eq!(world.machine.status(), Status::Suspended);
    world.step();
    assert_eq!(world.effects.len(), 1, "the result of the first came, and nothing began");
    while world.step() {}
    assert_eq!((world.output(), world.elapsed_ms()), (json!(1), 10_000));
    assert_eq!(world.observed(|what| *what == Observed::Resumed), ["a"]);
}

#[test]
fn a_wait_that_ends_in_a_pause_is_over_when_the_run_goes_on() {
    let world = plan(short("- w: { wait: PT5S }"), json!({}))
        .outside(1000, Happening::Suspended)
        .outside(60_000, Happening::Resumed)
        .run();
    assert_eq!((world.output(), world.elapsed_ms()), (json!({}), 60_000));
}

#[test]
fn a_machine_can_be_moved_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<tessera_workflow::machine::Machine>();
}

#[test]
fn an_entry_that_means_nothing_changes_nothing() {
    let mut world = plan(short("- w: { wait: PT5S }"), json!({})).begin();
    let step = tessera_workflow::machine::StepId(77);
    for what in [
        Happening::Done { step, result: json!(1) },
        Happening::Woken,
        Happening::Resumed,
        Happening::Failed { step, error: tessera_workflow::machine::Error::new("x", 1, "x", "x") },
    ] {
        world.happen(start_of_time(), what);
        assert_eq!(world.machine.status(), Status::Waiting);
    }
}

/// The clock of expressions is the run's: it moves when something happens, and a replay has the
/// same.
#[test]
fn now_is_when_the_run_last_went_on() {
    let document = "
        - first: { set: { at: '${ now }', text: '${ now | todate }' } }
        - pause: { wait: PT1.5S }
        - second: { set: { before: '${ .at }', text: '${ .text }', at: '${ now }' } }
        - own: { set: '${ . + (def now: 1; { own: now, same: (now == now) }) }' }";
    let mut world = plan(short(document), json!({})).begin();
    let expected = json!({
        "before": 1_777_622_400.0, "at": 1_777_622_401.5, "text": "2026-05-01T08:00:00Z",
        "own": 1, "same": true,
    });
    while world.step() {}
    assert_eq!(world.output(), expected);
    world.crash();
    assert_eq!(world.output(), expected);
}
