//! The decoder and the specification's schema agree, on documents that were changed at random.
//!
//! Where they do not, the reason is in [`STRICTER`], and in docs/reference/workflow-dsl.md.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tessera_workflow::reading::{Format, Source, code, read};

use super::{files, folder};

/// What the schema cannot say, by code.
const BEYOND_SCHEMA: &[&str] = &[
    code::DUPLICATE_NAME,
    code::EXPRESSION,
    code::INVALID_SCHEMA,
    code::RECURSION,
    code::UNKNOWN_REFERENCE,
    code::UNKNOWN_TASK,
    code::UNSUPPORTED,
    code::UNSUPPORTED_VERSION,
];

/// What the schema allows and the decoder refuses, by the end of the path (`*` for any) and a part
/// of the message: fields that it leaves open and that can only be mistakes, and ranges.
const STRICTER: &[(&str, &str)] = &[
    ("", "unknown field"),
    ("*.authentications.", "unknown field"),
    ("*.correlate.", "unknown field"),
    (".endpoints", "unknown field"),
    (".endpoints.", "expected text"),
    (".errors", "unknown field"),
    (".errors.with", "unknown field"),
    (".event", "unknown field"),
    (".event", "missing field `with`"),
    ("*", "is no status"),
    ("*", "expected a whole number from 0"),
    ("*", "a duration is at most 100 years"),
    ("*", "is no name of a variable"),
    ("*", "the item and its index are both called"),
    ("*", "a second case without `when`"),
];

/// The arguments of `call: http`, in the schema.
const HTTP: &str = "/$defs/callTask/oneOf/2/allOf/1/properties/with/properties";
/// Those of `run: workflow`.
const WORKFLOW: &str =
    "/$defs/runTask/allOf/1/properties/run/oneOf/3/properties/workflow/properties";

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let text = std::fs::read_to_string(folder("workflow.schema.yaml")).unwrap();
    let mut schema = json_of("schema", &text);
    // Where the specification's text says more than its schema, the text is followed.
    schema["$defs"]["runtimeExpression"]["pattern"] =
        json!(r"^\s*\$\{[\s\S]+$|^(?=[\s\S]*\s)[\s\S]*\$\{[\s\S]+\}");
    let scalars = json!(["string", "number", "boolean", "null"]);
    let lists = json!([{"type": scalars}, {"type": "array", "items": {"type": scalars}}]);
    for (place, looser) in [
        (format!("{HTTP}/headers/oneOf/0/additionalProperties"), json!({"type": scalars})),
        (format!("{HTTP}/query/oneOf/0/additionalProperties"), json!({"oneOf": lists})),
        (format!("{WORKFLOW}/input"), json!(true)),
    ] {
        *schema.pointer_mut(&place).unwrap_or_else(|| panic!("{place}")) = looser;
    }
    jsonschema::options().offline().should_validate_formats(true).build(&schema).unwrap()
});

static EXAMPLES: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let all = files("examples", "yaml").into_iter();
    all.map(|(name, text)| (name.clone(), json_of(&name, &text))).collect()
});

fn json_of(name: &str, text: &str) -> Value {
    let source = Source::new(name, text);
    let limits = tessera_manifest::Limits::default();
    let documents = tessera_manifest::parse(source, Format::Yaml, &limits).unwrap();
    plain(documents[0].root())
}

fn plain(node: &tessera_manifest::Node) -> Value {
    use tessera_manifest::{Number, Value as It};
    match &node.value {
        It::Null => Value::Null,
        It::Bool(it) => json!(it),
        It::Number(Number::Unsigned(it)) => json!(it),
        It::Number(Number::Negative(it)) => json!(it),
        It::Number(Number::Float(it)) => json!(it),
        It::String(it) => json!(it),
        It::Seq(all) => all.iter().map(plain).collect(),
        It::Map(all) => all.iter().map(|it| (it.key.clone(), plain(&it.value))).collect(),
    }
}

/// A change of a document.
#[derive(Clone, Debug)]
enum Change {
    Delete,
    /// The value again, under another key or beside itself.
    Double(&'static str),
    Rename(&'static str),
    Become(Value),
}

fn change() -> impl Strategy<Value = Change> {
    const KEYS: &[&str] = &[
        "do", "for", "set", "call", "with", "use", "until", "any", "one", "then", "when", "errors",
        "as", "retry", "wait", "after", "schema", "x", "endpoint", "uri", "output", "if", "code",
    ];
    let values = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("text"),
        json!("exit"),
        json!("PT5S"),
        json!("${ . }"),
        json!([]),
        json!([1]),
        json!([{}]),
        json!({}),
        json!({ "a": 1 }),
        json!({ "seconds": 1 }),
        json!({ "use": "x" }),
    ]);
    prop_oneof![
        Just(Change::Delete),
        prop::sample::select(KEYS).prop_map(Change::Double),
        prop::sample::select(KEYS).prop_map(Change::Rename),
        values.prop_map(Change::Become),
    ]
}

/// Applies a change to the `at`-th value below; counts down on the way.
fn apply(value: &mut Value, at: &mut usize, change: &Change) -> bool {
    let fields: Vec<String> = value.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    for key in fields {
        if *at == 0 {
            apply_to_field(value.as_object_mut().unwrap(), &key, change);
            return true;
        }
        *at -= 1;
        if apply(&mut value[&key], at, change) {
            return true;
        }
    }
    let length = value.as_array().map_or(0, Vec::len);
    for index in 0..length {
        let all = value.as_array_mut().unwrap();
        if *at == 0 {
            match change {
                Change::Delete => drop(all.remove(index)),
                Change::Become(it) => all[index] = it.clone(),
                _ => all.push(all[index].clone()),
            }
            return true;
        }
        *at -= 1;
        if apply(&mut all[index], at, change) {
            return true;
        }
    }
    false
}

fn apply_to_field(fields: &mut Map<String, Value>, key: &str, change: &Change) {
    let old = fields[key].clone();
    match change {
        Change::Delete => drop(fields.remove(key)),
        Change::Double(other) => drop(fields.insert((*other).to_owned(), old)),
        Change::Rename(other) => {
            fields.remove(key);
            fields.insert((*other).to_owned(), old);
        }
        Change::Become(it) => drop(fields.insert(key.to_owned(), it.clone())),
    }
}

fn count(value: &Value) -> usize {
    let fields = value.as_object().into_iter().flatten().map(|(_, it)| 1 + count(it));
    let elements = value.as_array().into_iter().flatten().map(|it| 1 + count(it));
    fields.sum::<usize>() + elements.sum::<usize>()
}

fn is_stricter(problem: &tessera_manifest::Problem, (place, part): (&str, &str)) -> bool {
    let there = match place.strip_prefix('*') {
        Some(inside) => problem.path.contains(inside),
        None if place.ends_with('.') => problem.path.contains(place),
        None if place.is_empty() => problem.path.is_empty(),
        None => problem.path.ends_with(place),
    };
    there && problem.message.contains(part)
}

/// How the two disagree about a document, if they do.
fn disagreement(document: &Value) -> Option<String> {
    let text = serde_json::to_string(document).unwrap();
    let problems = match read(Source::new("x.json", text), Format::Json) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    let valid = SCHEMA.is_valid(document);
    let beyond = |it: &tessera_manifest::Problem| {
        BEYOND_SCHEMA.contains(&&*it.code) || STRICTER.iter().any(|one| is_stricter(it, *one))
    };
    let here: Vec<String> = problems
        .iter()
        .filter(|it| !beyond(it))
        .map(|it| format!("{}: {} ({})", it.code, it.message, it.path))
        .collect();
    // What is not supported is left to the schema.
    let left = problems.iter().any(|it| it.code == code::UNSUPPORTED);
    let only_schema = !left && problems.iter().any(|it| it.code == code::SCHEMA);
    match valid {
        true if !here.is_empty() => Some(format!("the schema allows it: {}", here.join("; "))),
        false if problems.is_empty() => Some("only the whole schema refuses it".to_owned()),
        false if only_schema => Some(format!("only the schema refuses it: {}", here.join("; "))),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_and_the_schema_agree(
        example in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 1..3),
    ) {
        let (name, mut document) = example.get(&EXAMPLES[..]).clone();
        for (at, change) in &changes {
            let mut at = at.index(count(&document).max(1));
            apply(&mut document, &mut at, change);
        }
        if let Some(how) = disagreement(&document) {
            let text = serde_json::to_string(&document).unwrap();
            panic!("{name}: {how}\n{text}");
        }
    }
}
