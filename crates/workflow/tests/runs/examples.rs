//! Runs documents as they are printed: the specification's examples, and those of our own
//! reference.

use std::path::Path;

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, Effect, Outcome};
use tessera_workflow::reading::{self, Format, Source};

use crate::support::documents::{complete, short};
use crate::support::world::{Answer, World, done, plan};

/// What is valid and not run: reading refuses it.
const UNSUPPORTED: [&str; 5] = ["call-asyncapi", "call-grpc", "call-mcp", "schedule-", "set"];

fn input() -> Json {
    json!({
        "id": 1, "petId": 1, "carId": 1, "roomId": 1, "token": "t", "message": "hi",
        "user": {"name": "John"}, "searchQuery": "R2", "shouldCall": true,
        "orderType": "electronic", "configuration": {"size": 1, "fill": 2},
        "name": "Ann", "names": ["Ann", "Bob"], "age": 7, "size": 4, "colors": [], "pets": [{"id": 1}], "vet": "x", "enabled": true,
    })
}

/// A world that knows just enough for each document.
fn answer(effect: &Effect) -> Answer {
    done(match &effect.action {
        Action::Process { .. } => json!({"code": 0, "stdout": "out", "stderr": ""}),
        Action::Fetch(_) => json!("set: { called: true }"),
        Action::FindWorkflow { .. } => json!({"definition": complete("- t: { set: { x: 1 } }")}),
        _ => json!({"content": {"homeworld": "https://swapi.dev/api/planets/1/"}}),
    })
}

fn run(document: &str) -> World {
    let secret = json!({"username": "me", "password": "secret", "token": "secret"});
    let plan = plan(short(document), input()).answers(answer);
    ["mySecret", "usernamePasswordSecret", "petStore"]
        .into_iter()
        .fold(plan, |plan, name| plan.secret(name, secret.clone()))
        .run()
}

/// How a run stands in the end, in a word.
fn end(world: &World) -> &'static str {
    match world.machine.outcome() {
        Some(Outcome::Completed(_)) => "completed",
        Some(Outcome::Faulted(error)) if error.kind.contains("/spec/") => "failed",
        Some(Outcome::Faulted(_)) => "raised",
        Some(Outcome::Cancelled(_)) => "cancelled",
        None if world.machine.listens().is_empty() => "stuck",
        None => "listens",
    }
}

/// The files of the specification's examples and their texts, by their names.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specification/examples");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let paths = files.map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_examples_of_the_specification_run() {
    let mut wrong = Vec::new();
    let examples = examples();
    assert_eq!(examples.len(), 67);
    for (name, text) in examples {
        if UNSUPPORTED.iter().any(|prefix| name.starts_with(prefix)) {
            let refused = reading::read(Source::new(&name, &text), Format::Yaml).unwrap_err();
            assert!(refused.iter().all(|it| it.code == reading::code::UNSUPPORTED), "{refused:?}");
            continue;
        }
        let world = run(&text);
        let expected = match name.as_str() {
            "raise-inline" | "raise-reusable" | "conditional-task" => "raised",
            it if it == "for" || it.starts_with("listen-") => "listens",
            // Nothing comes within its hour.
            "accumulate-room-readings" => "failed",
            _ => "completed",
        };
        if end(&world) != expected {
            wrong.push(format!("{name}: {} {:?}", end(&world), world.machine.outcome()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_examples_of_the_reference_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/workflow-dsl.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut ends = Vec::new();
    for block in page.split("\n```yaml,").skip(1) {
        let (_, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        ends.push(end(&run(text)));
    }
    let others: Vec<_> = ends.iter().filter(|it| **it != "completed").collect();
    // `listen` and `raise`.
    assert_eq!((ends.len(), others), (15, vec![&"listens", &"raised"]));
}
