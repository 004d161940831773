//! What people read when a manifest is wrong, for the mistakes that they make most often. Each
//! expectation is the whole report of one run.

#[path = "messages/syntax.rs"]
mod syntax;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;
use tessera_manifest::{Document, Format, Limits, Problem, Source, read};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Workload {
    name: Name,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Name(#[expect(dead_code, reason = "only its check matters")] String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            true => Ok(Self(name)),
            false => Err(format!("{name:?} is no name: only small letters are allowed")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Spec {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    restart: Option<Restart>,
    health: Option<Health>,
    #[serde(default)]
    ports: Vec<Port>,
    tty: Option<bool>,
    replicas: Option<NonZeroU32>,
    constraint: Option<Constraint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Restart {
    policy: Policy,
    backoff_ms_max: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
enum Health {
    Exec { command: Vec<String> },
    Tcp { port: u16 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Port {
    name: String,
    number: u16,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
enum Constraint {
    Equal { label: String, value: String },
    Exists { label: String },
}

fn problems(format: Format, text: &str) -> Vec<Problem> {
    let source = Source::new("f", text);
    read(source, format, &Limits::default(), Document::decode::<Workload>)
        .expect_err("the manifest is wrong")
}

#[track_caller]
fn check(format: Format, text: &str, expected: &[&str]) {
    let shown: Vec<String> =
        problems(format, text).iter().map(|p| format!("{} {p}", p.code)).collect();
    assert_eq!(shown, expected);
}

#[track_caller]
fn yaml(text: &str, expected: &[&str]) {
    check(Format::Yaml, text, expected);
}

#[track_caller]
fn json(text: &str, expected: &[&str]) {
    check(Format::Json, text, expected);
}

#[track_caller]
fn toml(text: &str, expected: &[&str]) {
    check(Format::Toml, text, expected);
}

/// A workload whose `spec` has these lines besides its command.
fn with_spec(lines: &str) -> String {
    format!("name: web\nspec:\n  command: x\n{lines}\n")
}

#[test]
fn a_misspelt_field_names_the_one_that_was_meant() {
    yaml(
        "name: web\nspec:\n  comand: x\n",
        &["unknown_field f:3:3: unknown field `comand` (spec): did you mean `command`?"],
    );
    json(
        r#"{"name": "web", "spec": {"Command": "x"}}"#,
        &["unknown_field f:1:26: unknown field `Command` (spec): did you mean `command`?"],
    );
    toml(
        "name = 'web'\nspec.comand = 'x'\n",
        &["unknown_field f:2:6: unknown field `comand` (spec): did you mean `command`?"],
    );
}

#[test]
fn an_unknown_field_without_a_likeness_lists_what_is_known() {
    yaml(
        &with_spec("  restart: {policy: always, delay: 1}"),
        &["unknown_field f:4:29: unknown field `delay` (spec.restart): \
           known fields: `policy`, `backoff_ms_max`"],
    );
}

#[test]
fn a_field_that_another_has_is_shown_there() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
    struct Step {
        name: String,
        retry: Option<BTreeMap<String, String>>,
    }
    let source = Source::new("f", "name: lab\ntimeout: 5s\n");
    let read = read(source, Format::Yaml, &Limits::default(), Document::decode::<Step>);
    let said: Vec<String> = read.unwrap_err().iter().map(ToString::to_string).collect();
    assert!(said[0].ends_with("unknown field `timeout`: write it within `retry`"), "{said:?}");
}

#[test]
fn an_unknown_variant_names_the_one_that_was_meant_or_all() {
    yaml(
        &with_spec("  restart: {policy: on-failure}"),
        &["unknown_variant f:4:21: unknown value `on-failure` (spec.restart.policy): \
           did you mean `on_failure`?"],
    );
    yaml(
        &with_spec("  restart: {policy: sometimes}"),
        &["unknown_variant f:4:21: unknown value `sometimes` (spec.restart.policy): \
           use one of `always`, `on_failure`, `never`"],
    );
    yaml(
        &with_spec("  health: {tpc: {port: 1}}"),
        &["unknown_variant f:4:12: unknown value `tpc` (spec.health): did you mean `tcp`?"],
    );
    yaml(
        &with_spec("  restart: {policy: 3}"),
        &["wrong_type f:4:21: expected one of `always`, `on_failure`, `never`, \
           found the number 3 (spec.restart.policy)"],
    );
}

#[test]
fn what_yaml_takes_for_a_number_or_a_boolean_gets_quotes() {
    yaml(
        &with_spec("  env:\n    PORT: 8080\n    VERSION: 1.10\n    DEBUG: true"),
        &[
            "wrong_type f:5:11: expected a string, found the number 8080 (spec.env.PORT): \
             put it in quotes: \"8080\"",
            "wrong_type f:6:14: expected a string, found the number 1.10 (spec.env.VERSION): \
             put it in quotes: \"1.10\"",
            "wrong_type f:7:12: expected a string, found true (spec.env.DEBUG): \
             put it in quotes: \"true\"",
        ],
    );
}

#[test]
fn a_boolean_of_older_yaml_is_text() {
    yaml(
        &with_spec("  tty: yes"),
        &["wrong_type f:4:8: expected `true` or `false`, found the string \"yes\" (spec.tty): \
           write true"],
    );
}

#[test]
fn a_number_out_of_range_or_in_quotes_says_what_fits() {
    yaml(
        &with_spec("  ports: [{name: a, number: 80}, {name: b, number: 70000}]"),
        &["invalid_value f:4:52: expected a whole number from 0 to 65535, \
           found the number 70000 (spec.ports[1].number)"],
    );
    yaml(
        &with_spec("  replicas: 0"),
        &["invalid_value f:4:13: expected a whole number from 1 to 4294967295, \
           found the number 0 (spec.replicas)"],
    );
    yaml(
        &with_spec("  health: {tcp: {port: '80'}}"),
        &["wrong_type f:4:24: expected a whole number from 0 to 65535, \
           found the string \"80\" (spec.health.tcp.port): remove the quotes"],
    );
    yaml(
        &with_spec("  restart: {policy: never, backoff_ms_max: 1.5}"),
        &["wrong_type f:4:44: expected a whole number from 0 to 4294967295, \
           found the number 1.5 (spec.restart.backoff_ms_max)"],
    );
}

#[test]
fn a_scalar_is_no_list_and_a_list_is_no_map() {
    yaml(
        &with_spec("  args: -v"),
        &["wrong_type f:4:9: expected a list, found the string \"-v\" (spec.args): \
           write it as a list: [-v]"],
    );
    yaml(
        &with_spec("  env:\n    - A=b"),
        &["wrong_type f:5:5: expected a map, found a list (spec.env)"],
    );
    yaml(
        &with_spec("  restart: [always]"),
        &["wrong_type f:4:12: expected a map, found a list (spec.restart)"],
    );
    yaml("- name: web\n", &["wrong_type f:1:1: expected a map, found a list"]);
}

#[test]
fn a_key_without_a_value_has_none() {
    yaml(
        &with_spec("  env:\n  # A: b\n  args: [a]"),
        &["wrong_type f:4:3: expected a map, found no value (spec.env): \
           give it a value, or remove the key"],
    );
}

#[test]
fn missing_fields_stand_at_the_map_that_lacks_them() {
    yaml(
        "spec: {}\n",
        &[
            "missing_field f:1:1: missing field `name`",
            "missing_field f:1:1: missing field `command` (spec)",
        ],
    );
    json(
        r#"{"name": "web", "spec": {"command": "x", "ports": [{}]}}"#,
        &[
            "missing_field f:1:52: missing field `name` (spec.ports[0])",
            "missing_field f:1:52: missing field `number` (spec.ports[0])",
        ],
    );
    toml(
        "name = 'web'\n[spec]\ncommand = 'x'\n[spec.restart]\nbackoff_ms_max = 1\n",
        &["missing_field f:4:7: missing field `policy` (spec.restart)"],
    );
}

#[test]
fn a_check_of_the_type_stands_at_the_value() {
    yaml(
        "name: Web\nspec:\n  command: x\n",
        &["invalid_value f:1:7: \"Web\" is no name: only small letters are allowed (name)"],
    );
}

#[test]
fn a_long_value_is_not_repeated() {
    let secret = "S3cret".repeat(20);
    let shown = problems(Format::Yaml, &format!("name: {secret}\nspec:\n  command: x\n"));
    assert_eq!(shown[0].message, "\"…\" is no name: only small letters are allowed");
    yaml(
        &with_spec(&format!("  tty: {secret}")),
        &[
            "wrong_type f:4:8: expected `true` or `false`, found a string of 120 characters (spec.tty)",
        ],
    );
}

#[test]
fn an_internally_tagged_part_knows_its_places_as_far_as_they_are_told() {
    yaml(
        &with_spec("  constraint:\n    op: equal\n    label: zone\n    value: 5"),
        &["wrong_type f:7:12: expected a string, found the number 5 (spec.constraint.value): \
           put it in quotes: \"5\""],
    );
    yaml(
        &with_spec("  constraint:\n    op: equals\n    label: zone\n    value: a"),
        &["unknown_variant f:5:9: unknown value `equals` (spec.constraint.op): \
           did you mean `equal`?"],
    );
    yaml(
        &with_spec("  constraint:\n    op: exists\n    lable: zone"),
        &["unknown_field f:6:5: unknown field `lable` (spec.constraint): did you mean `label`?"],
    );
    yaml(
        &with_spec("  constraint: {op: exists}"),
        &["missing_field f:4:3: missing field `label` (spec.constraint)"],
    );
}

#[test]
fn one_run_finds_mistakes_in_every_document_and_every_part() {
    yaml(
        "name: Web\nlabels: {a: 1}\nspec:\n  comand: x\n  tty: on\n  ports:\n    - {name: a}\n    \
         - {name: b, number: x}\n---\nname: a: b\n---\nnmae: web\n",
        &[
            "invalid_value f:1:7: \"Web\" is no name: only small letters are allowed (name)",
            "wrong_type f:2:13: expected a string, found the number 1 (labels.a): \
             put it in quotes: \"1\"",
            "unknown_field f:4:3: unknown field `comand` (spec): did you mean `command`?",
            "wrong_type f:5:8: expected `true` or `false`, found the string \"on\" (spec.tty): \
             write true",
            "missing_field f:7:7: missing field `number` (spec.ports[0])",
            "wrong_type f:8:25: expected a whole number from 0 to 65535, \
             found the string \"x\" (spec.ports[1].number)",
            "syntax f:10:8: a `:` where no key can stand: check the indentation and the space \
             after each `:`; text that holds `: ` needs quotes",
            "unknown_field f:12:1: unknown field `nmae`: did you mean `name`?",
            "missing_field f:12:1: missing field `spec`",
        ],
    );
}

/// A type whose parts serde reads from a copy, without places.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: Rest,
    size: Option<Size>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
struct Rest {
    number: u16,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only whether and how decoding fails is looked at")]
enum Size {
    Bytes(u64),
    Range { min: u64, max: u64 },
}

#[test]
fn flattened_and_untagged_parts_keep_the_place_that_is_known() {
    let check = |text: &str, expected: &str| {
        let source = Source::new("f", text);
        let outcome = read(source, Format::Yaml, &Limits::default(), Document::decode::<Flat>);
        assert_eq!(outcome.expect_err("the manifest is wrong")[0].to_string(), expected);
    };
    check(
        "name: a\nnumber: x\n",
        "f:2:9: expected a whole number from 0 to 65535, found the string \"x\" (number)",
    );
    check("name: a\n", "f:1:1: missing field `number`");
    check(
        "name: a\nnumber: 1\nsize: {min: 1}\n",
        "f:3:7: none of the forms that are allowed here (size)",
    );
}
