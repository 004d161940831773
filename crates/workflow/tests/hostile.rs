//! Expressions that are meant to hurt: each ends in a value or in the error of a limit, on the
//! stack that it is given, and its work is counted.

use std::sync::Arc;

use tessera_workflow::expression::{Expression, Variables};
use tessera_workflow::value::Value;

/// What a program gives for null, or the text of its error.
fn evaluate(source: &str) -> Result<Value, String> {
    let expression = Expression::compile(source, &[]);
    let expression = expression.unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    expression.evaluate(&Value::Null, &Variables::new()).map_err(|error| error.to_string())
}

/// The same where hardly any stack is left.
fn evaluate_on(stack_bytes: usize, source: &str) -> Result<Value, String> {
    stacker::grow(stack_bytes, || evaluate(source))
}

/// Paths that are longer than a stack is deep.
const LONG_PATHS: &[&str] = &[
    "null | setpath([range(50000) | \"a\"]; 1)",
    "(null | setpath([range(3000) | \"a\"]; 1)) == 1",
    "null | setpath([range(50000) | 0]; 1)",
    "null | setpath([range(50000) | {start: 0, end: 1}]; [1])",
    "null | try setpath([range(50000) | \"a\"]; 1) catch 1",
    "null | delpaths([[range(50000) | \"a\"]])",
    "[[]] | delpaths([[range(50000) | 0]])",
    "fromstream([[range(50000) | \"a\"], 1], [[\"a\"]])",
    "[1 | truncate_stream([[0], 1], [[1, 0]])] | setpath([range(50000)]; 1)",
    "null | getpath([range(50000) | \"a\"]) = 1",
    "null | getpath([range(50000) | \"a\"]) |= 1",
    "null | getpath([range(50000) | \"a\"]) += 1",
    "null | del(getpath([range(50000) | \"a\"]))",
    "null | pick(getpath([range(50000) | \"a\"]))",
    "null | [paths(getpath([range(50000) | \"a\"]))] | setpath([range(300) | \"a\"]; .)",
    "null | limit(3; setpath([range(50000) | \"a\"]; 1))",
    "reduce range(9) as $i (null; setpath([range(200) | \"a\"]; .))",
];

#[test]
fn long_paths_are_refused_before_they_are_followed() {
    for source in LONG_PATHS {
        for stack in [1, 300 * 1024, 1100 * 1024, 4 << 20] {
            let outcome = evaluate_on(stack + (64 << 10), source);
            let error = match outcome {
                Err(error) => error,
                Ok(value) => panic!("{source}: {value:.60}"),
            };
            let known = error.contains("more than 256 keys") || error.contains("levels deep");
            assert!(known, "{source}: {error}");
        }
    }
}

/// Values as deep as they may be, and what walks through them.
const DEEP: &[&str] = &[
    "D | tojson | length",
    "D == D",
    "[D, D] | sort | length",
    "[D, D] | unique | length",
    "D | [..] | length",
    "D | [paths] | length",
    "D | [tostream] | length",
    "D as $d | [$d, $d] | index([$d])",
    "D | contains(D)",
    "D | flatten | length",
    "D * D | length",
    "D + D | length",
    "D | [leaf_paths] | length",
    "D | getpath([paths] | last) | type",
    "D | delpaths([paths]) | type",
    "D | (.. |= .) | length",
    "D | [tostream] | fromstream(.[]) | length",
    "D | map_values(empty) | length",
    "D as $d | {a: $d} | setpath([\"a\", \"a\"]; $d) | length",
    "[limit(3; repeat(D))] | length",
    "D | @json \"\\(.)\" | length",
    "D | error",
    "D + 1",
    "D | group_by(.) | length",
    "[D, nan, infinite] | length",
    "D | has(D)",
    "D | implode",
    "D | setpath([range(200) | 0]; 1)",
    "D | setpath([range(200) | \"a\"]; D)",
];

/// A value must not depend on how much stack there is where it is asked for.
#[test]
fn deep_values_are_walked_through_on_any_stack() {
    let lists = "(reduce range(198) as $i (1; [.]))";
    let objects = "(reduce range(198) as $i (1; {a: .}))";
    for deep in [lists, objects] {
        for source in DEEP {
            let source = source.replace('D', deep);
            let outcomes = [1, 500 << 10, 1000 << 10, 1100 << 10, 8 << 20]
                .map(|stack| evaluate_on(stack + (64 << 10), &source));
            for outcome in &outcomes {
                assert_eq!(*outcome, outcomes[0], "{source}");
                assert!(!matches!(outcome, Err(error) if error.contains("recurses")), "{source}");
            }
        }
    }
}

/// The same at the end of a recursion, where little stack is left.
#[test]
fn deep_values_are_walked_through_where_a_recursion_ends() {
    let walks = [
        "$d == $e",
        "$d | tojson",
        "$d | contains($e)",
        "$d * $e",
        "[$d, $e] | sort",
        "$d | setpath([range(256) | \"b\"]; $e)",
        "[$d | tostream]",
        "\"[\" * 120 + \"]\" * 120 | fromjson | [., $d]",
    ];
    for walk in walks {
        let source = format!(
            "(reduce range(198) as $i (1; {{a: .}})) as $d | (reduce range(198) as $i (1; {{a: .}})) \
             as $e | def f: ({walk}) as $x | 1 + f; f"
        );
        let outcome = evaluate(&source);
        let error = outcome.expect_err("it never ends");
        assert!(error.contains("the expression") || error.contains("levels deep"), "{error}");
    }
}

/// A value that was given and nests as deep as JSON is read.
#[test]
fn input_as_deep_as_json_does_no_harm() {
    let mut deep = Value::from(1_usize);
    for _ in 0..126 {
        deep = Value::Arr(Arc::new(vec![deep]));
    }
    for source in ["setpath(.; 1)", ". == .", "tojson | fromjson", "[..] | length", "[.] | flatten"]
    {
        let expression = Expression::compile(source, &[]).expect("jq");
        let evaluate = || expression.evaluate(&deep, &Variables::new());
        let (little, much) = (stacker::grow(64 << 10, evaluate), stacker::grow(8 << 20, evaluate));
        assert_eq!(little, much, "{source}");
    }
}
