//! `emit` and `listen`.

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, Limits, Observed, Status};

use crate::support::documents::short;
use crate::support::world::{World, event, plan, run};

/// Runs these tasks while events of these types and data come, a second apart.
fn hears(document: &str, events: &[(&str, Json)]) -> World {
    let mut plan = plan(short(document), json!({}));
    for (number, (kind, data)) in events.iter().enumerate() {
        plan = plan.outside(1000 * number as u64, event(kind, data));
    }
    plan.run()
}

fn n(number: u64) -> Json {
    json!({"n": number})
}

#[test]
fn an_event_is_emitted_with_what_it_lacks() {
    let world = run(
        "- e: { emit: { event: { with: { type: com.example.it, subject: '${ .who }', data: { x: '${ .x }' } } } } }",
        json!({"who": "me", "x": [1]}),
    );
    let Action::Emit(event) = &world.effects[0].action else { panic!() };
    let id = event["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    let expected = json!({"type": "com.example.it", "subject": "me", "data": {"x": [1]}, "id": id,
        "source": "/test/example/1.0.0", "specversion": "1.0", "time": "2026-05-01T08:00:00Z"});
    assert_eq!(world.output(), expected);
    assert_eq!(Json::Object(event.clone()), expected);
}

#[test]
fn one_event_that_passes_the_filter_is_enough() {
    let document =
        "- l: { listen: { to: { one: { with: { type: 'b.*', data: '${ .n > 1 }' } } } } }";
    let events = [("b1", n(1)), ("a", n(2)), ("b2", json!("text")), ("b3", n(3)), ("b4", n(4))];
    let world = hears(document, &events);
    assert_eq!((world.output(), world.elapsed_ms()), (json!([n(3)]), 3000));
}

#[test]
fn filters_compare_texts_values_and_what_expressions_say() {
    let ends = |with: &str| {
        let document = format!("- l: {{ listen: {{ to: {{ one: {{ with: {with} }} }} }} }}");
        hears(&document, &[("a.b", n(1))]).machine.status() == Status::Completed
    };
    assert!(ends("{ type: a.b }") && ends("{ type: 'a[.]b' }") && ends("{ data: { n: 1 } }"));
    assert!(ends("{ type: '${ \"a.\" + \"b\" }' }") && ends("{ type: '${ startswith(\"a\") }' }"));
    assert!(!ends("{ type: a }") && !ends("{ type: '${ .x }' }") && !ends("{ subject: .* }"));
    assert!(!ends("{ type: '(' }") && !ends("{ data: { n: 2 } }"));
}

#[test]
fn all_needs_an_event_for_each_filter_in_any_order() {
    let document = "
        - l: { listen: { to: { all: [ { with: { type: a } }, { with: { type: b } } ] }, read: envelope } }";
    let world = hears(document, &[("b", n(1)), ("b", n(2)), ("a", n(3))]);
    let output = world.output();
    let types: Vec<_> = output.as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(types, ["b", "a"]);
}

#[test]
fn any_ends_with_the_first_or_when_its_condition_holds_or_others_came() {
    let events = [("a", n(1)), ("x", n(2)), ("b", n(3)), ("end", n(4))];
    let any = |rest: &str| {
        let filters = "any: [ { with: { type: a } }, { with: { type: b } } ]";
        hears(&format!("- l: {{ listen: {{ to: {{ {filters}{rest} }} }} }}"), &events).output()
    };
    assert_eq!(any(""), json!([n(1)]));
    assert_eq!(any(", until: '(. | length) == 2'"), json!([n(1), n(3)]));
    let all = "- l: { listen: { to: { any: [], until: { one: { with: { type: end } } } } } }";
    assert_eq!(hears(all, &events).output(), json!([n(1), n(2), n(3)]));
}

#[test]
fn events_are_worked_on_one_after_the_other() {
    let document = "
        - l:
            listen: { to: { any: [], until: '($context.seen | length) == 2' } }
            foreach:
              item: it
              at: at
              do:
                - nap: { wait: PT5S }
                - got: { set: '${ {n: $it.n, at: $at} }' }
              output: { as: '. + {shaped: true}' }
              export: { as: '{seen: ($context.seen + [$output.n])}' }
        - rest: { listen: { to: { any: [] } }, output: { as: '{rest: ., context: $context}' } }";
    let world = hears(document, &[("a", n(7)), ("a", n(8)), ("a", n(9))]);
    assert_eq!(world.output(), json!({"rest": [n(9)], "context": {"seen": [7, 8]}}));
    let of_l = world.observations.iter().find_map(|it| match (&it.task, &it.what) {
        (Some(task), Observed::Completed(output)) if &*task.name == "l" => Some(output.to_string()),
        _ => None,
    });
    let expected = json!([{"n": 7, "at": 0, "shaped": true}, {"n": 8, "at": 1, "shaped": true}]);
    assert_eq!(serde_json::from_str::<Json>(&of_l.unwrap()).unwrap(), expected);
    assert_eq!(world.elapsed_ms(), 10_000);
}

#[test]
fn correlated_events_agree_with_each_other_and_with_what_is_expected() {
    let filter = |kind: &str, rest: &str| {
        format!(
            "{{ with: {{ type: {kind} }}, correlate: {{ room: {{ from: .data.room{rest} }} }} }}"
        )
    };
    let room = |room: u64| json!({"room": room});
    let events = [("a", room(1)), ("b", room(2)), ("b", json!({})), ("b", room(1))];
    let both = format!("all: [ {}, {} ]", filter("a", ""), filter("b", ""));
    let world = hears(&format!("- l: {{ listen: {{ to: {{ {both} }} }} }}"), &events);
    assert_eq!(world.output(), json!([room(1), room(1)]));
    assert!(world.observations.iter().any(|it| it.what == Observed::CorrelationStarted));
    let expect = filter("b", ", expect: '${ 2 }'");
    let world = hears(&format!("- l: {{ listen: {{ to: {{ one: {expect} }} }} }}"), &events);
    assert_eq!(world.output(), json!([room(2)]));
}

#[test]
fn an_event_that_came_before_it_was_listened_to_is_kept() {
    let document = "
        - before: { wait: PT10S }
        - l: { listen: { to: { one: { with: { type: b } } } } }
        - m: { listen: { to: { one: { with: { type: a } } } } }";
    let world = hears(document, &[("a", n(1)), ("b", n(2))]);
    assert_eq!((world.output(), world.elapsed_ms()), (json!([n(1)]), 10_000));
}

#[test]
fn each_of_those_that_listen_gets_the_event_whether_it_was_early_or_late() {
    let both = "
        fork:
          branches:
            - one: { listen: { to: { one: { with: { type: a } } } } }
            - two: { listen: { to: { one: { with: { type: a } } } } }";
    let late = format!("- f: {both}").replace('\n', "\n    ");
    assert_eq!(hears(&late, &[("a", n(1))]).output(), json!([[n(1)], [n(1)]]));
    let early = format!("- w: {{ wait: PT5S }}\n{late}");
    assert_eq!(hears(&early, &[("a", n(1))]).output(), json!([[n(1)], [n(1)]]));
}

#[test]
fn the_oldest_event_goes_when_too_many_are_kept_and_that_is_observed() {
    let document = "[ { w: { wait: PT10S } }, { l: { listen: { to: { any: [] } } } } ]";
    let mut plan = plan(short(document), json!({}));
    plan.limits = Limits { events_max: 2, ..Limits::default() };
    for number in 0..3 {
        plan = plan.outside(number, event("a", &n(number)));
    }
    let world = plan.run();
    assert_eq!(world.output(), json!([n(1)]));
    assert!(world.observations.iter().any(|it| matches!(it.what, Observed::Note(_))));
}

#[test]
fn what_is_listened_to_is_known() {
    let document = "
        - l:
            listen:
              to:
                any: [ { with: { type: a.b } }, { with: { type: c } } ]
                until: { one: { with: { type: end } } }";
    let world = plan(short(document), json!({})).run();
    let line = "one of the events end, a.b, c (/do/0/l)";
    assert_eq!(world.machine.waiting_for().as_deref(), Some(line));
    let world = hears("- l: { listen: { to: { any: [] } } }", &[]);
    assert_eq!(world.machine.listens()[0].types, None);
    let both = "- l: { listen: { to: { all: [ { with: { type: a } }, { with: { type: b } } ] } } }";
    let line = "each of the events a, b (/do/0/l)";
    assert_eq!(hears(both, &[]).machine.waiting_for().as_deref(), Some(line));
}
