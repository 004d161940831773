//! Documents that are meant to hurt end in a problem, soon and without a crash.

use std::fmt::Write as _;

use super::reading;

const HEADER: &str = "document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }\n";

/// The codes of all problems, each once.
fn codes(body: &str) -> Vec<String> {
    let problems = reading("w.yaml", &format!("{HEADER}{body}")).err().unwrap_or_default();
    assert!(problems.len() <= 100, "{}", problems.len());
    let mut codes: Vec<_> =
        problems.iter().map(|it| it.split(": ").nth(1).unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn bombs_and_depth_are_bounded() {
    let mut bomb = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for i in 1..12 {
        let one = format!("*x{}", i - 1);
        writeln!(bomb, "x{i}: &x{i} [{}]", [one.as_str(); 9].join(", ")).unwrap();
    }
    assert_eq!(codes(&bomb), ["too_large"]);
    assert_eq!(codes(&format!("do: {}", "[".repeat(100_000))), ["too_deep"]);
    assert_eq!(codes(&format!("do: {}", "{a: ".repeat(100_000))), ["too_deep"]);
    assert_eq!(codes(&format!("do: []\n# {}", "x".repeat(1 << 20))), ["too_large"]);
    let large = reading("w.yaml", &format!("do: []\n# {}", "x".repeat(1 << 20))).unwrap_err();
    assert!(large[0].ends_with("`run: { workflow }`"), "{}", large[0]);
    let many = "- a: { set: { x: 1 } }\n".repeat(40_000);
    assert_eq!(codes(&format!("do:\n{many}")), ["too_large"]);
}

#[test]
fn tasks_may_be_nested_as_deep_as_a_document() {
    let nested = |depth: usize| {
        let (open, close) = ("[{ a: { do: ".repeat(depth), " } }]".repeat(depth));
        format!("do: {open}[]{close}\n")
    };
    assert_eq!(codes(&nested(20)), [""; 0]);
    assert_eq!(codes(&nested(30)), ["too_deep"]);
}

#[test]
fn functions_that_call_one_another_are_bounded() {
    let mut chain = "do: []\nuse:\n  functions:\n".to_owned();
    for i in 0..2_000 {
        writeln!(chain, "    f{i}: {{ call: f{} }}", i + 1).unwrap();
    }
    assert_eq!(codes(&chain), ["recursion", "unknown_reference"]);
    let mut circle = "do: []\nuse:\n  functions:\n".to_owned();
    for i in 0..10 {
        writeln!(circle, "    f{i}: {{ call: f{} }}", (i + 1) % 10).unwrap();
    }
    assert_eq!(codes(&circle), ["recursion"]);
}

#[test]
fn a_document_of_mistakes_gives_the_first_hundred() {
    let many = "- a: { sett: 1, wait: x, then: nowhere }\n".repeat(5_000);
    let codes = codes(&format!("do:\n{many}"));
    assert!(codes.contains(&"unknown_field".to_owned()), "{codes:?}");
}

#[test]
fn schemas_that_cost_too_much_are_refused() {
    let schema = |schema: &str| format!("do: []\ninput: {{ schema: {{ document: {schema} }} }}\n");
    assert_eq!(codes(&schema("{ pattern: '(x{1000}){1000}' }")), ["invalid_schema"]);
    assert_eq!(codes(&schema("{ $ref: 'file:///etc/passwd' }")), ["invalid_schema"]);
    assert_eq!(codes(&schema("{ $ref: 'https://example.com/schema' }")), ["invalid_schema"]);
}

#[test]
fn more_expressions_than_a_document_needs_are_refused() {
    let tasks = |count: usize, expression: &str| {
        let task = |at: usize| format!("- t{at}: {{ set: {{ x: '{expression}' }} }}\n");
        format!("do:\n{}", (0..count).map(task).collect::<String>())
    };
    assert_eq!(codes(&tasks(900, "${ .a | map(. + 1) }")), [""; 0]);
    assert_eq!(codes(&tasks(1_100, "${ .a }")), ["too_large"]);
    assert_eq!(codes(&tasks(300, "a ${ .a } ${ .b } ${ .c } ${ .d }")), ["too_large"]);
    assert_eq!(codes(&tasks(10, &format!("${{ .a{} }}", " ".repeat(30_000)))), ["too_large"]);
}
