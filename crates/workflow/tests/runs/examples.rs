//! Runs documents as they are printed: the specification's examples, where its copy is there, and
//! those of our own reference.

use std::path::Path;

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, Effect, Outcome};

use crate::support::reading::workflow;
use crate::support::world::{Answer, World, done, plan};

/// What is not run: reading refuses it.
const UNSUPPORTED: [&str; 4] = ["call-asyncapi", "call-grpc", "call-mcp", "schedule-"];

fn input() -> Json {
    json!({
        "id": 1, "petId": 1, "carId": 1, "roomId": 1, "token": "t", "message": "hi",
        "user": {"name": "John"}, "searchQuery": "R2", "shouldCall": true,
        "orderType": "electronic", "configuration": {"size": 1, "fill": 2},
        "colors": [], "pets": [{"id": 1}], "vet": "x", "enabled": true,
    })
}

/// A world that knows just enough for each document.
fn answer(effect: &Effect) -> Answer {
    done(match &effect.action {
        Action::Process { .. } => json!({"code": 0, "stdout": "out", "stderr": ""}),
        Action::Fetch(_) => json!("set: { called: true }"),
        Action::FindWorkflow { .. } => json!({"definition": "{ do: [ { t: { set: {} } } ] }"}),
        _ => json!({"content": {"homeworld": "https://swapi.dev/api/planets/1/"}}),
    })
}

fn run(document: &str) -> World {
    let secret = json!({"username": "me", "password": "secret", "token": "secret"});
    let plan = plan(workflow(document), input()).answers(answer);
    ["mySecret", "usernamePasswordSecret"]
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

#[test]
fn the_examples_of_the_specification_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specification/examples");
    // The examples come with the copy of the specification.
    let Ok(files) = std::fs::read_dir(folder) else { return };
    let mut wrong = Vec::new();
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let yaml = file.extension().is_some_and(|it| it == "yaml");
        if !yaml || UNSUPPORTED.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let world = run(&std::fs::read_to_string(&file).unwrap());
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
    // The page comes with the reading of documents.
    let Ok(page) = std::fs::read_to_string(path) else { return };
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    for block in blocks.filter(|block| block.starts_with("document:")) {
        let world = run(block);
        assert_ne!(end(&world), "stuck", "{block}");
    }
}
