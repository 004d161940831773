//! The specification's own schema, as a second opinion on what the decoder accepted.
//!
//! It is applied to each task by itself, with the lists of tasks in it cut off: as a whole it takes
//! time exponential in how deep tasks are nested (each level is looked at by `oneOf` and again by
//! `unevaluatedProperties`), and all it would say of a mistake is that the outermost task is none.

use std::sync::LazyLock;

use jsonschema::{Validator, ValidatorMap};
use serde_json::{Value, json};
use tessera_manifest::Node;

use super::reader::Reader;

/// The schema as it is published.
const PUBLISHED: &str = include_str!("../../tests/specification/workflow.schema.yaml");

/// Compiling takes a while, and what comes of it is the same for every document.
static COMPILED: LazyLock<ValidatorMap> = LazyLock::new(|| {
    let schema = shallow(super::plain_document("workflow.schema.yaml", PUBLISHED)
        .expect("the schema is YAML, as a test shows"));
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .build_map(&schema)
        .expect("the schema is one, as a test shows")
});

/// The schema with lists of tasks cut off, and expressions that may have several lines: its pattern
/// for them has a dot that does not match the end of a line, which no author would expect.
fn shallow(mut schema: Value) -> Value {
    let definitions = &mut schema["$defs"];
    definitions["taskList"]["items"]["additionalProperties"] = json!({ "type": "object" });
    definitions["runtimeExpression"]["pattern"] = json!(r"^\s*\$\{[\s\S]+\}\s*$");
    schema
}

/// The kinds of tasks with the key by which they are known.
const KINDS: [(&str, &str); 12] = [
    ("call", "callTask"),
    ("emit", "emitTask"),
    ("for", "forTask"),
    ("fork", "forkTask"),
    ("listen", "listenTask"),
    ("raise", "raiseTask"),
    ("run", "runTask"),
    ("set", "setTask"),
    ("switch", "switchTask"),
    ("try", "tryTask"),
    ("wait", "waitTask"),
    ("do", "doTask"),
];

/// The calls in the order of the schema; that of a function is last.
const CALLS: [&str; 6] = ["asyncapi", "grpc", "http", "openapi", "a2a", "mcp"];

impl<'d> Reader<'d> {
    /// Reports what the schema finds in the tasks, and in the document around them.
    pub(super) fn compare_with_schema(&mut self, whole: bool) {
        if whole {
            self.compare(self.document().root(), "#");
        }
        for task in self.tasks.clone() {
            self.compare(task, &pointer(task));
        }
    }

    fn compare(&mut self, node: &'d Node, pointer: &str) {
        let Some(validator) = COMPILED.get(pointer) else { return };
        for (path, message) in violations(validator, &super::json::plain(node)) {
            let at = path.iter().fold(node, |node, step| below(node, step).unwrap_or(node));
            let hint = "see the specification's schema, version 1.0.3";
            self.wrong(at, super::code::SCHEMA, message, hint);
        }
    }
}

/// The part of the schema that a task must satisfy.
fn pointer(task: &Node) -> String {
    let kind = KINDS.iter().find(|(key, _)| task.get(key).is_some());
    let kind = kind.map_or("task", |(_, name)| name);
    match task.get("call").and_then(Node::as_str) {
        Some(call) => {
            let at = CALLS.iter().position(|it| *it == call).unwrap_or(CALLS.len());
            format!("#/$defs/callTask/oneOf/{at}")
        }
        None => format!("#/$defs/{kind}"),
    }
}

fn violations(validator: &Validator, value: &Value) -> Vec<(Vec<String>, String)> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    let described = |error: jsonschema::ValidationError<'_>| {
        let path = error.instance_path().to_string();
        let path = path.split('/').skip(1);
        let path = path.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        // The data is not repeated: it may be long, or a secret.
        (path, format!("the specification's schema says: {}", error.masked_with("this")))
    };
    validator.iter_errors(value).map(described).collect()
}

fn below<'d>(node: &'d Node, step: &str) -> Option<&'d Node> {
    node.get(step).or_else(|| node.elements().get(step.parse::<usize>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_is_asked_for_exists() {
        let kinds = KINDS.iter().map(|(_, kind)| format!("#/$defs/{kind}"));
        let calls = (0..=CALLS.len()).map(|at| format!("#/$defs/callTask/oneOf/{at}"));
        for pointer in kinds.chain(calls).chain(["#".to_owned(), "#/$defs/task".to_owned()]) {
            assert!(COMPILED.contains_key(&pointer), "{pointer}");
        }
    }
}
