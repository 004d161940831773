//! Workflows within workflows, and extensions.

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, Observed, kind};

use crate::support::documents::{complete, short};
use crate::support::world::{World, done, plan};

const CALLER: &str = "
    - sub: { run: { workflow: { namespace: n, name: inner, version: '1', input: { x: '${ .x }' } } } }
    - after: { set: '${ {inner: ., context: $context} }' }";

fn nested(inner: &str, input: Json) -> World {
    let inner = complete(inner);
    plan(short(CALLER), input)
        .answers(move |effect| match &effect.action {
            Action::FindWorkflow { .. } => done(json!({"definition": inner})),
            _ => done(json!("called")),
        })
        .run()
}

#[test]
fn a_workflow_within_another_has_its_own_data_and_end() {
    let inner = "
        input: { schema: { document: { required: [x] } }, from: .x }
        output: { as: '{out: .}' }
        do:
          - call: { call: lab.a, with: {}, export: { as: '{mine: true}' } }
          - last: { set: '${ {id: $workflow.id, mine: $context.mine} }', then: end }
          - never: { set: { x: 1 } }";
    let world = nested(inner, json!({"x": {"y": 1}}));
    let id = world.output()["inner"]["out"]["id"].clone();
    assert!(id.as_str().unwrap().starts_with("run-1."), "{id}");
    let inner = json!({"out": {"id": id, "mine": true}});
    assert_eq!(world.output(), json!({"inner": inner, "context": {"x": {"y": 1}}}));
    let runs = world.observations.iter().filter(|it| it.task.is_none()).count();
    assert_eq!(runs, 4, "both runs start and complete");
    assert_eq!(&*world.effects[1].idempotency_key, "run-1/1");
}

#[test]
fn the_error_of_a_workflow_within_another_is_that_of_its_task() {
    let inner = "{ do: [ { fail: { raise: { error: { type: t, status: 407 } } } } ] }";
    let error = nested(inner, json!({})).error();
    assert_eq!((error.status, &*error.instance), (407, "/do/0/fail"));
    let inner = "{ input: { schema: { document: { required: [z] } } }, do: [] }";
    assert_eq!(&*nested(inner, json!({})).error().kind, kind::VALIDATION);
}

#[test]
fn a_workflow_that_runs_itself_ends_in_an_error() {
    let own = format!("do:{}", CALLER.replace("    -", "  -"));
    let error = nested(&own, json!({})).error();
    assert_eq!(&*error.kind, kind::RUNTIME);
    assert!(error.detail.as_deref().unwrap().contains("within each other"), "{error}");
}

#[test]
fn a_workflow_that_is_not_waited_for_is_only_begun() {
    let document =
        "- s: { run: { workflow: { namespace: n, name: x, version: latest }, await: false } }";
    let world = plan(short(document), json!({"in": 1})).run();
    let Action::StartRun(start) = &world.effects[0].action else { panic!() };
    assert_eq!(start.input.to_string(), "{\"in\":1}");
    assert_eq!(world.output(), json!({"in": 1}));
}

fn extended(extensions: &str, task: &str) -> World {
    let document = format!(
        "
        use:
          extensions:{extensions}
        do:
          - task: {task}"
    );
    plan(short(&document), json!({"in": 1})).run()
}

#[test]
fn extensions_are_layers_around_a_task_and_see_it() {
    let world = extended(
        "
            - outer:
                extend: all
                before: [ { b1: { call: lab.log, with: { at: '${ $task.reference }' } } } ]
                after: [ { a1: { call: lab.log, with: { out: '${ $task.output }', of: '${ . }' } } } ]
            - inner:
                extend: set
                when: $task.set.x == 1
                before: [ { b2: { set: { x: 1 } } } ]
                after: [ { a2: { set: { x: 1 } } } ]
            - other: { extend: call, before: [ { never: { set: { x: 1 } } } ] }
            - broken: { extend: all, when: '.in | keys', before: [ { no: { set: { x: 1 } } } ] }",
        "{ set: { x: 1 }, output: { as: '{y: .x}' } }",
    );
    assert_eq!(world.output(), json!({"y": 1}));
    assert_eq!(world.started(), ["task", "b1", "b2", "a2", "a1"]);
    let arguments: Vec<Json> = world
        .effects
        .iter()
        .map(|effect| match &effect.action {
            Action::Adapter { arguments, .. } => {
                serde_json::from_str(&arguments.to_string()).unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: [Json; 2] =
        [json!({"at": "/do/0/task"}), json!({"out": {"x": 1}, "of": {"y": 1}})];
    assert_eq!(arguments, expected);
    assert!(world.observations.iter().any(|it| matches!(it.what, Observed::Note(_))));
}

#[test]
fn an_extension_that_exits_replaces_the_task() {
    let world = extended(
        "
            - log: { extend: all, after: [ { done: { call: lab.log, with: {} } } ] }
            - mock:
                extend: call
                before: [ { fake: { set: { body: fake }, then: exit } }, { not: { set: { x: 1 } } } ]
                after: [ { neither: { set: { x: 1 } } } ]",
        "{ call: http, with: { method: get, endpoint: 'http://h' }, output: { as: '.body + $input.x' } }",
    );
    assert_eq!(world.output(), "fake");
    assert_eq!(world.started(), ["task", "fake", "done"]);
}
