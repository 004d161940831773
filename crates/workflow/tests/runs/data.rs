//! The flow of data, variables, schemas, secrets.

use serde_json::json;
use tessera_workflow::machine::{Action, kind};

use crate::support::documents::short;
use crate::support::world::{done, plan, run};

#[test]
fn data_is_checked_and_shaped_in_the_specification_s_order() {
    let document = "
        input: { schema: { document: { required: [raw] } }, from: '{a: .raw}' }
        output: { schema: { document: { required: [final] } }, as: '{final: ., context: $context}' }
        do:
          - task:
              input: { schema: { document: { required: [a] } }, from: '{b: .a}' }
              set: '${ {c: .b, input: $input, raw: $task.input, context: $context} }'
              output: { schema: { document: { required: [d] } }, as: '{d: ., raw: $task.output.c}' }
              export: { schema: { document: { required: [e] } }, as: '{e: $output.raw}' }";
    let output = plan(short(document), json!({"raw": 1})).run().output();
    let raw = json!({"c": 1, "input": {"b": 1}, "raw": {"a": 1}, "context": {"a": 1}});
    assert_eq!(output, json!({"final": {"d": raw, "raw": 1}, "context": {"e": 1}}));
}

#[test]
fn data_that_is_not_what_its_schema_says_is_an_error_of_validation_where_it_is() {
    let required = "{ schema: { document: { required: [y] } } }";
    let workflow_input = format!("{{ input: {required}, do: [] }}");
    let workflow_output = format!("{{ output: {required}, do: [] }}");
    let task =
        |field: &str| format!("{{ do: [ {{ t: {{ set: {{ x: 1 }}, {field}: {required} }} }} ] }}");
    for (document, instance) in [
        (workflow_input, "/input"),
        (workflow_output, "/output"),
        (task("input"), "/do/0/t"),
        (task("output"), "/do/0/t"),
        (task("export"), "/do/0/t"),
    ] {
        let error = plan(short(&document), json!({})).run().error();
        assert_eq!(
            (&*error.kind, error.status, &*error.instance),
            (kind::VALIDATION, 400, instance)
        );
    }
}

#[test]
fn a_schema_that_is_elsewhere_is_fetched_once() {
    let schema = "{ schema: { resource: { endpoint: 'http://h/{v}.json' } } }";
    let document = format!(
        "
        input: {schema}
        do:
          - one: {{ set: '${{ . }}', output: {schema} }}
          - two: {{ set: '${{ {{v: .v}} }}', input: {schema}, export: {schema} }}"
    );
    let world = |input| {
        plan(short(&document), input).answers(|_| done(json!("{\"required\": [\"x\"]}"))).run()
    };
    let good = world(json!({"v": 1, "x": 2}));
    assert_eq!(good.output(), json!({"v": 1}));
    assert_eq!(good.effects.len(), 1);
    assert!(matches!(&good.effects[0].action, Action::Fetch(it) if &*it.uri == "http://h/1.json"));
    assert_eq!(world(json!({"v": 1})).error().instance.as_ref(), "/input");
}

#[test]
fn expressions_see_what_describes_the_run_and_the_task() {
    let output = run(
        "- t: { set: '${ [$workflow.id, $workflow.input, ($workflow.definition.do | length), $task.name, $task.reference, ($task.definition | keys), $task.startedAt, $runtime.name] }' }",
        json!(5),
    )
    .output();
    let at = json!({"iso8601": "2026-05-01T08:00:00Z",
        "epoch": {"seconds": 1_777_622_400, "milliseconds": 1_777_622_400_000_i64}});
    assert_eq!(output, json!(["run-1", 5, 1, "t", "/do/0/t", ["set"], at, "tessera"]));
}

#[test]
fn an_error_of_an_expression_says_which_and_where() {
    let error = run("- t: { set: { a: 1, b: '${ .x | keys }' } }", json!({"x": 1})).error();
    assert_eq!((&*error.kind, error.status, &*error.instance), (kind::EXPRESSION, 400, "/do/0/t"));
    assert!(error.detail.as_deref().unwrap().starts_with("set: `.x | keys`: "), "{error}");
}

#[test]
fn only_what_the_document_says_is_evaluated() {
    let input = json!({"text": "${ 1 + 1 }"});
    assert_eq!(
        run("- t: { set: { is: '${ .text }' } }", input).output(),
        json!({"is": "${ 1 + 1 }"})
    );
}

#[test]
fn a_secret_that_is_not_there_is_an_error_of_authorization() {
    let document = "
        use: { secrets: [known, missing] }
        do: [ { t: { set: { is: '${ $secrets.NAME.x }' } } } ]";
    for (name, found) in [("known", None), ("missing", Some(403))] {
        let world = plan(short(&document.replace("NAME", name)), json!({}))
            .secret("known", json!({"x": "abc"}))
            .run();
        match found {
            None => assert_eq!(world.output(), json!({"is": "abc"})),
            Some(status) => {
                assert_eq!(
                    (world.error().status, &*world.error().kind),
                    (status, kind::AUTHORIZATION)
                );
            }
        }
    }
}

#[test]
fn nothing_that_leaves_the_machine_but_effects_shows_a_secret() {
    let document = "
        use: { secrets: [key] }
        do:
          - call:
              call: http
              with:
                method: post
                endpoint: { uri: 'http://h/{q}?token=1', authentication: { bearer: { use: key } } }
                headers: { X-Key: '${ $secrets.key.token }' }
                body: '${ $secrets.key }'
          - set: { set: { is: '${ $secrets.key.token }', was: '${ . }' } }
          - fail: { raise: { error: { type: t, status: 400, detail: '${ .is + $secrets.key.token }' } } }";
    let world = plan(short(document), json!({"q": "a"}))
        .secret("key", json!({"token": "hunter22"}))
        .answers(|_| done(json!({"echo": "Bearer hunter22"})))
        .run();
    assert_eq!(world.error().detail.as_deref(), Some("******"));
    let Action::Http(request) = &world.effects[0].action else { panic!() };
    assert_eq!(&*request.headers[0].1, "hunter22");
    let seen = format!("{:?}{:?}{:?}", world.observations, world.journal, world.effects);
    assert!(!seen.contains("hunter22") && !seen.contains("token=1"), "{seen}");
    assert!(seen.contains("Http(POST http://h/a)"), "{seen}");
}

#[test]
fn the_output_of_a_run_shows_no_secret_either() {
    let document =
        "{ use: { secrets: [key] }, do: [ { t: { set: { is: '${ $secrets.key }' } } } ] }";
    let world = plan(short(document), json!({})).secret("key", json!("hunter22")).run();
    assert_eq!(world.output(), json!({"is": "***"}));
}

#[test]
fn a_context_is_the_input_until_it_is_exported() {
    let output = run(
        "
        - one: { set: { x: 1 }, export: { as: '$context + {one: .}' } }
        - two: { set: '${ $context }' }",
        json!({"in": true}),
    )
    .output();
    assert_eq!(output, json!({"in": true, "one": {"x": 1}}));
    let tasks = short(
        "- t: { do: [ { inner: { set: { y: 2 }, export: { as: . } } } ], output: { as: $context } }",
    );
    assert_eq!(plan(tasks, json!({})).run().output(), json!({"y": 2}));
}
