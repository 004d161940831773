//! Shell commands, scripts, containers.

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, ProcessSpec, kind};

use crate::support::documents::short;
use crate::support::world::{World, done, plan};

fn shell(rest: &str, result: Json) -> World {
    let document = format!("- r: {{ run: {{ shell: {{ command: x }}{rest} }} }}");
    plan(short(&document), json!({"in": 1})).answers(move |_| done(result.clone())).run()
}

#[test]
fn the_output_of_a_process_is_what_is_asked_for() {
    let result = || json!({"code": 0, "stdout": "out\n", "stderr": "err"});
    assert_eq!(shell("", result()).output(), "out\n");
    assert_eq!(shell(", return: stderr", result()).output(), "err");
    assert_eq!(shell(", return: code", result()).output(), 0);
    assert_eq!(shell(", return: all", result()).output(), result());
    assert_eq!(shell(", return: none", result()).output(), Json::Null);
    assert_eq!(shell(", await: false", Json::Null).output(), json!({"in": 1}));
}

#[test]
fn a_process_that_fails_is_an_error_unless_its_code_is_asked_for() {
    let result =
        || json!({"code": 3, "stdout": "", "stderr": format!("{}the end\n", "x".repeat(900))});
    for rest in ["", ", return: stderr", ", return: none"] {
        let error = shell(rest, result()).error();
        assert_eq!((&*error.kind, error.status), (kind::RUNTIME, 500));
        let detail = error.detail.as_deref().unwrap();
        assert!(detail.starts_with("exit code 3: …x") && detail.ends_with("the end"), "{detail}");
    }
    assert_eq!(shell(", return: code", result()).output(), 3);
}

#[test]
fn a_process_is_told_what_the_document_says() {
    let document = "
        - s:
            run:
              shell:
                command: 'echo ${ .a }'
                arguments: [ '${ .n }', two ]
                environment: { A: '${ .a }', B: 1 }
                stdin: '${ . }'
              return: none
        - c:
            run:
              container: { image: alpine, ports: { 80: 8080 }, volumes: { /data: /srv }, command: run }
              return: none
        - j: { run: { script: { language: js, source: { endpoint: 'http://h/x.js' } }, return: none } }";
    let world = plan(short(document), json!({"a": "A", "n": 1}))
        .answers(|effect| match &effect.action {
            Action::Fetch(_) => done(json!("console.log(1)")),
            _ => done(json!({"code": 0, "stdout": "", "stderr": ""})),
        })
        .run();
    let spec = |index: usize| match &world.effects[index].action {
        Action::Process { spec, awaits: true } => spec.clone(),
        other => panic!("{other:?}"),
    };
    let ProcessSpec::Shell(shell) = spec(0) else { panic!() };
    assert_eq!(&*shell.command, "echo A");
    assert_eq!(shell.arguments, ["1".into(), "two".into()]);
    assert_eq!(shell.environment, [("A".into(), "A".into()), ("B".into(), "1".into())]);
    assert_eq!(shell.stdin.as_deref(), Some("{\"a\":\"A\",\"n\":1}"));
    let ProcessSpec::Container(container) = spec(1) else { panic!() };
    assert_eq!((&*container.image, container.ports), ("alpine", vec![(8080, 80)]));
    assert_eq!(container.volumes, [("/data".into(), "/srv".into())]);
    let ProcessSpec::Script(script) = spec(3) else { panic!() };
    assert_eq!((&*script.language, &*script.code), ("js", "console.log(1)"));
}
