//! Expressions in documents: where they are found, what they give, and where their mistakes are.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tessera_manifest::{Format, Limits, Node, Source};
use tessera_workflow::expression::{Expression, Mistakes, Mode, Template, Variables};
use tessera_workflow::value::{from_json, to_json};

/// The value under `v` of a YAML document.
fn node(yaml: &str) -> Node {
    let source = Source::new("test.yaml", yaml);
    let document = tessera_manifest::parse(source, Format::Yaml, &Limits::default());
    let document = document.unwrap_or_else(|problems| panic!("{yaml}: {}", problems[0]));
    document[0].root().get("v").expect("a field v").clone()
}

fn names() -> Vec<Arc<str>> {
    vec!["context".into()]
}

fn filled(yaml: &str, mode: Mode, input: &Json) -> Json {
    let template =
        Template::read(&node(yaml), &names(), mode).unwrap_or_else(|it| panic!("{it:?}"));
    let value = template.evaluate(&from_json(input.clone()), &Variables::new());
    to_json(&value.unwrap_or_else(|error| panic!("{yaml}: {error}"))).expect("JSON")
}

/// What the mistakes cover in the source, and what they say.
fn mistakes(yaml: &str) -> Vec<(String, String)> {
    let mistakes: Mistakes =
        Template::read(&node(yaml), &names(), Mode::Strict).expect_err("there are mistakes");
    let place = |it: &tessera_manifest::Span| yaml[it.start..it.end].to_owned();
    mistakes.iter().map(|(span, error)| (place(span), error.message.clone())).collect()
}

#[test]
fn a_text_that_is_one_expression_gives_its_value_as_it_is() {
    let input = json!({"a": {"b": [1, 2.5]}, "n": null});
    let strict = |yaml: &str| filled(yaml, Mode::Strict, &input);
    assert_eq!(strict("v: ${ .a }"), json!({"b": [1, 2.5]}));
    assert_eq!(strict("v: ${.a.b[0]}"), json!(1));
    assert_eq!(strict("v: '  ${ .a.b }  '"), json!([1, 2.5]));
    assert_eq!(
        strict("v: '${ { x: .a.b, y: {z: \"}\"} } }'"),
        json!({"x": [1, 2.5], "y": {"z": "}"}})
    );
    assert_eq!(strict("v: ${ \"<\\(.a.b | \"}\\(.[0])\")>\" }"), json!("<}1>"));
    assert_eq!(strict("v: |\n  ${ .a\n   | .b }\n"), json!([1, 2.5]));
}

#[test]
fn expressions_in_a_text_are_replaced_by_text() {
    let input = json!({"a": "x", "n": null, "o": {"k": [1, true]}, "f": 2.0});
    let strict = |yaml: &str| filled(yaml, Mode::Strict, &input);
    assert_eq!(strict("v: Hello ${ .a }!"), json!("Hello x!"));
    assert_eq!(strict("v: ${ .a }${ .n }-${ .o }"), json!("x-{\"k\":[1,true]}"));
    assert_eq!(strict("v: '/pets/${ .a + \"}\" }/'"), json!("/pets/x}/"));
    assert_eq!(strict("v: 5 $${ and $1 {a}"), json!("5 ${ and $1 {a}"));
    assert_eq!(strict("v: $${ .a } ${ .a }"), json!("${ .a } x"));
}

#[test]
fn lists_and_objects_are_filled_and_keys_are_not() {
    let input = json!({"a": 1});
    let yaml = "v:\n  ${ .a }: [1, '${ .a }', {b: 'x${ .a }'}]\n  c: {d: ~, e: true, f: 1.5}";
    assert_eq!(
        filled(yaml, Mode::Strict, &input),
        json!({"${ .a }": [1, 1, {"b": "x1"}], "c": {"d": null, "e": true, "f": 1.5}})
    );
    let constant = Template::read(&node("v: {a: [1, {b: x}]}"), &[], Mode::Strict).expect("valid");
    assert!(constant.constant().is_some(), "nothing in it is to be evaluated");
}

#[test]
fn what_an_expression_gives_is_not_evaluated_again() {
    let input = json!({"a": "${ .secret }", "secret": "s"});
    assert_eq!(filled("v: ${ .a }", Mode::Loose, &input), json!("${ .secret }"));
    assert_eq!(filled("v: -${ .a }-", Mode::Loose, &input), json!("-${ .secret }-"));
}

#[test]
fn in_loose_mode_text_that_is_jq_is_an_expression() {
    let input = json!({"a": 1});
    let loose = |yaml: &str| filled(yaml, Mode::Loose, &input);
    assert_eq!(loose("v: .a + 1"), json!(2));
    assert_eq!(loose("v: ${ .a + 1 }"), json!(2));
    assert_eq!(loose("v: hello"), json!("hello"));
    assert_eq!(loose("v: Hello, world"), json!("Hello, world"));
    assert_eq!(loose("v: .a.b"), json!(".a.b"), "it fails, and is its own text");
    assert_eq!(filled("v: .a + 1", Mode::Strict, &input), json!(".a + 1"));
}

#[test]
fn what_templates_put_together_has_a_limit() {
    let big = json!("x".repeat(6 * 1024 * 1024));
    for yaml in ["v: ['${ . }', '${ . }', '${ . }']", "v: '${ . }${ . }${ . }'"] {
        let template = Template::read(&node(yaml), &[], Mode::Strict).expect("valid");
        let error = template.evaluate(&from_json(big.clone()), &Variables::new());
        let error = error.expect_err("it is too large").to_string();
        assert_eq!(error, "the result is larger than 16 MiB");
    }
}

#[test]
fn mistakes_are_placed_in_the_source() {
    let one = |place: &str, message: &str| vec![(place.to_owned(), message.to_owned())];
    let unknown = "unknown variable `$contxt`";
    assert_eq!(mistakes("v: ${ .a + $contxt }"), one("$contxt", unknown));
    assert_eq!(mistakes("v: '${ .a + $contxt }'"), one("$contxt", unknown));
    assert_eq!(mistakes("v: ä ${ .[\"ä\"] + $contxt } y"), one("$contxt", unknown));
    assert_eq!(mistakes("v: [a, '${ $contxt }']"), one("$contxt", unknown));
    assert_eq!(mistakes("v: x ${ .a"), one("${", "`${` is not closed"));
    assert_eq!(
        mistakes("v: {a: '${ .a | }', b: '${ foo } ${ $contxt }'}"),
        [
            ("".to_owned(), "something is missing at the end".to_owned()),
            ("foo".to_owned(), "unknown function `foo`".to_owned()),
            ("$contxt".to_owned(), unknown.to_owned()),
        ]
    );
    // With escapes or several lines, the value as a whole is the place.
    assert_eq!(mistakes(r#"v: "${ \"\" + $contxt }""#), one(r#""${ \"\" + $contxt }""#, unknown));
    assert_eq!(mistakes("v: >-\n  ${ .a +\n  $contxt }\n").len(), 1);
}

#[test]
fn fields_that_are_expressions_need_no_braces() {
    let holds = |yaml: &str| {
        let expression = Expression::read(&node(yaml), &names()).expect("an expression");
        expression.holds(&from_json(json!({"a": 2})), &Variables::new())
    };
    assert_eq!(holds("v: .a > 1"), Ok(true));
    assert_eq!(holds("v: ${ .a > 1 }"), Ok(true));
    assert_eq!(holds("v: .a > 2"), Ok(false));
    assert_eq!(holds("v: .b"), Ok(false));
    assert_eq!(holds("v: true"), Ok(true));
    let error = Expression::read(&node("v: .a > $contxt"), &names()).expect_err("a mistake");
    assert_eq!((error[0].0.start, error[0].0.end), (8, 15));
    let error = Expression::read(&node("v: [1]"), &names()).expect_err("a list");
    assert_eq!(error[0].1.message, "an expression is a text, not a list or an object");
}
