//! Documents as later parts use them: many in a source, parts of one, and places for validation.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tessera_manifest::{Document, Format, Limits, Source, code, parse};

fn documents(format: Format, text: &str) -> Vec<Document> {
    parse(Source::new("web.yaml", text), format, &Limits::default()).expect("the source is right")
}

fn values(format: Format, text: &str) -> Vec<Value> {
    let documents = documents(format, text);
    documents.iter().map(|document| document.decode().expect("any value decodes")).collect()
}

#[test]
fn a_source_holds_many_documents() {
    let expected = [json!({"a": 1}), json!({"a": 2}), json!({"a": 3})];
    assert_eq!(
        values(Format::Yaml, "---\na: 1\n---\n# none\n---\na: 2\n...\n---\na: 3\n"),
        expected
    );
    assert_eq!(values(Format::Json, r#"[{"a": 1}, {"a": 2}, {"a": 3}]"#), expected);
    assert_eq!(values(Format::Json, "{\"a\": 1}\n{\"a\": 2} [{\"a\": 3}]"), expected);
    let indices: Vec<_> =
        documents(Format::Yaml, "a: 1\n---\na: 2\n").iter().map(Document::index).collect();
    assert_eq!(indices, [0, 1]);
}

#[test]
fn only_the_outermost_array_of_json_holds_documents() {
    assert_eq!(values(Format::Json, "[[1, 2], 3]"), [json!([1, 2]), json!(3)]);
    assert_eq!(values(Format::Yaml, "[1, 2]"), [json!([1, 2])]);
}

#[test]
fn yaml_merges_and_aliases_become_plain_data() {
    let text = "base: &base {cpu: 1, mem: 2}\nmore: &more {mem: 9, gpu: 3}\n\
        web:\n  <<: *base\n  cpu: 5\napi: {<<: [*base, *more]}\nquoted: {'<<': 1}\n";
    assert_eq!(
        values(Format::Yaml, text),
        [json!({
            "base": {"cpu": 1, "mem": 2},
            "more": {"mem": 9, "gpu": 3},
            "web": {"cpu": 5, "mem": 2},
            "api": {"cpu": 1, "mem": 2, "gpu": 3},
            "quoted": {"<<": 1},
        })]
    );
}

#[test]
fn anchors_end_with_their_document() {
    let problems =
        parse(Source::new("f", "a: &x 1\n---\nb: *x\n"), Format::Yaml, &Limits::default())
            .expect_err("the anchor is in another document");
    assert_eq!(problems[0].code, code::INVALID_ALIAS);
}

#[test]
fn keys_are_text_and_decode_as_numbers_where_a_type_wants_them() {
    let document = &documents(Format::Yaml, "80: a\n443: b\n")[0];
    let ports: BTreeMap<u16, String> = document.decode().expect("the keys are ports");
    assert_eq!(ports, BTreeMap::from([(80, "a".to_owned()), (443, "b".to_owned())]));
    let names: BTreeMap<String, String> = document.decode().expect("the keys are text");
    assert_eq!(names.keys().collect::<Vec<_>>(), ["443", "80"]);
}

#[test]
fn toml_dates_are_text_and_its_numbers_keep_their_radix_to_themselves() {
    let text =
        "at = 2026-01-02 03:04:05Z\nhex = 0xff\nbig = 18446744073709551615\nneg = -5\nx = inf\n";
    let document = &documents(Format::Toml, text)[0];
    assert_eq!(
        document.root().get("at").and_then(|node| node.as_str()),
        Some("2026-01-02T03:04:05Z")
    );
    assert_eq!(document.decode_at::<u8>("hex"), Ok(255));
    assert_eq!(document.decode_at::<u64>("big"), Ok(u64::MAX));
    assert_eq!(document.decode_at::<i8>("neg"), Ok(-5));
    assert_eq!(document.decode_at::<f64>("x"), Ok(f64::INFINITY));
}

#[test]
fn json_text_knows_all_escapes() {
    let text = r#"["\u00e4\ud83d\ude00\n\t\"\\\/\b\f\r"]"#;
    assert_eq!(values(Format::Json, text), [json!("ä😀\n\t\"\\/\u{8}\u{c}\r")]);
    for lone in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\u12""#, r#""\u+123""#] {
        let source = Source::new("f", lone);
        let problems = parse(source, Format::Json, &Limits::default()).expect_err(lone);
        assert_eq!(problems[0].code, code::SYNTAX);
    }
}

const MANIFEST: &str = "name: web\nlabels:\n  app.io/tier: a\n  app: b\nspec:\n  ports:\n  - name: http\n    number: 80\n  restart:\n";

#[test]
fn validation_finds_places_by_path() {
    let document = &documents(Format::Yaml, MANIFEST)[0];
    let at = |path: &str| {
        let problem = document.problem(path, "port_in_use", "port 80 is in use", None);
        (problem.line, problem.column)
    };
    assert_eq!(at("name"), (1, 7));
    assert_eq!(at("spec.ports[0].number"), (8, 13));
    assert_eq!(at("spec.ports.0.number"), (8, 13));
    assert_eq!(at("labels.app.io/tier"), (3, 16));
    assert_eq!(at("labels.\"app.io/tier\""), (3, 16));
    assert_eq!(at("labels.app"), (4, 8));
    assert_eq!(at(""), (1, 1));
    // What is missing stands at the key of what it is missing in.
    assert_eq!(at("spec.command"), (5, 1));
    assert_eq!(at("spec.ports[7].name"), (6, 3));
    assert_eq!(at("nothing"), (1, 1));
    // What is there and empty stands at its key.
    assert_eq!(at("spec.restart"), (9, 3));
    assert_eq!(document.lookup("spec.ports[1]"), None);
    assert!(document.lookup("spec.ports[0]").is_some());
}

#[test]
fn a_problem_of_validation_reads_like_any_other() {
    let document = &documents(Format::Yaml, MANIFEST)[0];
    let hint = Some("choose another".to_owned());
    let problem =
        document.problem("spec.ports[0].number", "port_in_use", "port 80 is in use", hint);
    assert_eq!(
        problem.to_string(),
        "web.yaml:8:13: port 80 is in use (spec.ports[0].number): choose another"
    );
    assert_eq!(
        problem.render(),
        "error[port_in_use]: port 80 is in use\n \
         --> web.yaml:8:13 (spec.ports[0].number)\n  \
         |\n\
         8 |     number: 80\n  \
         |             ^^\n  \
         = help: choose another\n"
    );
    let json = serde_json::to_value(&problem).expect("a problem is plain data");
    assert_eq!(json["excerpt"], json!({"text": "    number: 80", "start": 12, "width": 2}));
    assert_eq!(serde_json::from_value(json).ok(), Some(problem));
}

#[test]
fn a_part_decodes_with_the_paths_of_the_whole() {
    let document = &documents(Format::Yaml, MANIFEST)[0];
    let name: String = document.decode_at("name").expect("it is a string");
    assert_eq!(name, "web");
    let problems = document.decode_at::<Vec<BTreeMap<String, String>>>("spec.ports").unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "web.yaml:8:13: expected a string, found the number 80 (spec.ports[0].number): \
         put it in quotes: \"80\""
    );
    let problems = document.decode_at::<String>("spec.command").unwrap_err();
    assert_eq!(problems[0].to_string(), "web.yaml:5:1: missing field `command` (spec)");
}
