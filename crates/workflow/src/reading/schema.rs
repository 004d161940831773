//! The specification's own schema, as a second opinion on what the decoder accepted.
//!
//! It is applied to each task by itself, with the lists of tasks in it cut off: as a whole it takes
//! time exponential in how deep tasks are nested (each level is looked at by `oneOf` and again by
//! `unevaluatedProperties`), and all it would say of a mistake is that the outermost task is none.

use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};
use tessera_manifest::Node;

use super::reader::Reader;

/// The schema as it is published.
const PUBLISHED: &str = include_str!("../../tests/specification/workflow.schema.yaml");

/// The schema, and what of it was compiled: that takes a while, and what comes of it is the same for
/// every document.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let published = super::plain_document("workflow.schema.yaml", PUBLISHED);
    shallow(published.expect("the schema is YAML, as a test shows"))
});
static COMPILED: [OnceLock<Validator>; PARTS] = [const { OnceLock::new() }; PARTS];

/// The parts of the schema that are asked: the whole, the kinds of tasks, and the calls.
const PARTS: usize = 1 + KINDS.len() + CALLS.len() + 1;

/// The validator of a part.
fn part(at: usize) -> &'static Validator {
    COMPILED[at].get_or_init(|| {
        let mut schema = json!({ "$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"] });
        match at.checked_sub(1) {
            None => schema = SCHEMA.clone(),
            Some(kind) if kind < KINDS.len() => {
                schema["$ref"] = format!("#/$defs/{}", KINDS[kind].1).into();
            }
            Some(call) => {
                schema["$ref"] = format!("#/$defs/callTask/oneOf/{}", call - KINDS.len()).into();
            }
        }
        let options = jsonschema::options().offline().should_validate_formats(true);
        options.build(&schema).expect("the schema is one, as a test shows")
    })
}

/// The schema with lists of tasks cut off, and widened where the specification's text says more
/// than it: see "Where the reader is stricter than the schema" in `docs/reference/workflow-dsl.md`.
fn shallow(mut schema: Value) -> Value {
    schema["properties"]["use"]["properties"]["functions"]["additionalProperties"] =
        json!({ "type": "object" });
    let definitions = &mut schema["$defs"];
    definitions["taskList"]["items"]["additionalProperties"] = json!({ "type": "object" });
    // Its own pattern has a dot that does not match the end of a line. What has no blanks and does
    // not begin as an expression may be a URI with expressions in it, which is another alternative.
    definitions["runtimeExpression"]["pattern"] =
        json!(r"^\s*\$\{[\s\S]+$|^(?=[\s\S]*\s)[\s\S]*\$\{[\s\S]+\}");
    for (name, place) in [("headers", HTTP), ("query", HTTP), ("input", WORKFLOW)] {
        let fields = definitions.pointer_mut(place).expect("a test shows that this is in it");
        fields[name] = json!(true);
    }
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

/// The properties of `run.workflow`, in the definitions.
const WORKFLOW: &str = "/runTask/allOf/1/properties/run/oneOf/3/properties/workflow/properties";
/// Those of the arguments of `call: http`.
const HTTP: &str = "/callTask/oneOf/2/allOf/1/properties/with/properties";

impl<'d> Reader<'d> {
    /// Reports what the schema finds in the tasks, and in the document around them.
    pub(super) fn compare_with_schema(&mut self, whole: bool) {
        if whole {
            self.compare(self.document().root(), 0);
        }
        for task in self.tasks.clone() {
            if let Some(part) = part_of(task) {
                self.compare(task, part);
            }
        }
    }

    fn compare(&mut self, node: &'d Node, at: usize) {
        for (path, message) in violations(part(at), &super::json::plain(node)) {
            let at = path.iter().fold(node, |node, step| below(node, step).unwrap_or(node));
            let hint = "see the specification's schema, version 1.0.3";
            self.wrong(at, super::code::SCHEMA, message, hint);
        }
    }
}

/// The part of the schema that a task must satisfy; none if it is of no kind.
fn part_of(task: &Node) -> Option<usize> {
    let call = task.get("call").and_then(Node::as_str);
    if let Some(call) = call {
        let at = CALLS.iter().position(|it| *it == call).unwrap_or(CALLS.len());
        return Some(1 + KINDS.len() + at);
    }
    KINDS.iter().position(|(key, _)| task.get(key).is_some()).map(|at| 1 + at)
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
    let errors: Vec<_> = validator.iter_errors(value).collect();
    // Where a part of a task is wrong, its fields count as unevaluated, too.
    let follows = |it: &jsonschema::ValidationError<'_>| {
        it.schema_path().to_string().ends_with("/unevaluatedProperties")
    };
    let first = errors.iter().any(|it| !follows(it));
    errors.into_iter().filter(|it| !(first && follows(it))).map(described).collect()
}

fn below<'d>(node: &'d Node, step: &str) -> Option<&'d Node> {
    node.get(step).or_else(|| node.elements().get(step.parse::<usize>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_compiled_and_refuses_something() {
        for at in 0..PARTS {
            assert!(!part(at).is_valid(&json!({ "nothing": 1 })), "{at}");
        }
    }
}
