//! Properties of values and of random expressions.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tessera_workflow::expression::{Expression, Variables};
use tessera_workflow::value::{Value, equal, from_json, object, to_json};

fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-5_i64..5).prop_map(Json::from),
        any::<f64>()
            .prop_filter("JSON has finite numbers only", |it| it.is_finite())
            .prop_map(Json::from),
        "[ -~äß]{0,6}".prop_map(Json::from),
        "[abc]".prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|it| it.into_iter().collect()),
        ]
    })
}

/// Random jq: terms of every kind, loops and recursion among them.
fn any_program() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".",
        "..",
        ".a",
        ".b.c",
        ".[0]",
        ".[]",
        ".[]?",
        ".[1:]",
        "1",
        "-2",
        "0.5",
        "\"a\"",
        "null",
        "true",
        "[]",
        "{}",
        "$input",
        "empty",
        "nan",
        "infinite",
        "length",
        "keys",
        "add",
        "tojson",
        "tostring",
        "type",
        "not",
        "to_entries",
        "from_entries",
        "sort",
        "unique",
        "reverse",
        "flatten",
        "paths",
        "range(3)",
        "range(1e9)",
        "explode",
        "implode",
        "transpose",
        "first",
        "last",
        "min",
        "max",
        "ascii_downcase",
        "@csv",
        "@sh",
        "@base64",
        "@base64d",
        "@uri",
        "fromjson",
        "tonumber",
        "todate",
        "fromdate",
        "gmtime",
        "mktime",
        "floor",
        "abs",
        "error",
        "combinations",
        "tostream",
        "leaf_paths",
        "any",
        "all",
        "utf8bytelength",
        "trim",
        "f",
        "1e308",
        "9223372036854775807",
        "[range(50)]",
        "(\"x\" * 1000)",
        "significand",
        "frexp",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let one = |format: &'static str| inner.clone().prop_map(move |a| format.replace('A', &a));
        let two = |format: &'static str| {
            (inner.clone(), inner.clone())
                .prop_map(move |(a, b)| format.replace('B', &b).replace('A', &a))
        };
        prop_oneof![
            prop::sample::select(vec![
                "[A]",
                "(A)?",
                "-(A)",
                "map(A)",
                "select(A)",
                "recurse(A)",
                "repeat(A)",
                "path(A)",
                "del(A)",
                "walk(A)",
                "sort_by(A)",
                "group_by(A)",
                "with_entries(A)",
                "any(A)",
                "limit(3; A)",
                "first(A)",
                "last(A)",
                "isempty(A)",
                "getpath([A])",
                "has(A)",
                "def f: A; f",
                "def f(g): g | A; f(A)",
                "try (A) catch .",
                "tojson | A",
                "\"<\\(A)>\"",
                "label $l | (A, break $l)",
                "map_values(A)",
                "splits(A)",
                "test(A)",
                "[A] | implode",
                "paths(A)",
                "pick(A)",
                "min_by(A)",
                "unique_by(A)",
                "indices(A)",
                "join(A)",
                "ltrimstr(A)",
                "flatten(A)",
                "range(A)",
                "error(A)",
                "bsearch(A)",
                "strftime(A)",
                "pow(A; 2)",
                "ldexp(A; 3)",
                "IN(A)",
                "INDEX(A)",
                "scan(A)",
                "strptime(A)",
                "delpaths([A])",
                "def f: if length > 3 then 1 else (A) | f end; f",
            ])
            .prop_flat_map(one_of(inner.clone())),
            two("(A) | (B)"),
            two("(A), (B)"),
            two("(A) + (B)"),
            two("(A) - (B)"),
            two("(A) * (B)"),
            two("(A) / (B)"),
            two("(A) % (B)"),
            two("(A) == (B)"),
            two("(A) < (B)"),
            two("(A) and (B)"),
            two("(A) // (B)"),
            two("(A) = (B)"),
            two("(A) |= (B)"),
            two("(A) += (B)"),
            two("(A) //= (B)"),
            two("if A then B else . end"),
            two("(A) as $x | [$x, (B)]"),
            two("(A) as [$x, {a: $y}] | ($x, $y, (B))"),
            two("reduce (A) as $x (.; B)"),
            two("foreach (A) as $x (.; B)"),
            two("{a: (A), b: (B)}"),
            two("{(A): (B)}"),
            two(".[A:B]"),
            two("until(A; B)"),
            two("while(A; B)"),
            two("setpath([A]; B)"),
            two("gsub(A; B)"),
            two("contains(A) | (B)"),
            two("limit(A; B)"),
            one("reduce range(60) as $i (.; [., (A)])"),
            one("reduce range(40) as $i (A; . + .)"),
            one("reduce range(300) as $i (A; {a: .})"),
            one(".[A] = 1"),
        ]
    })
}

fn one_of(
    inner: impl Strategy<Value = String> + Clone + 'static,
) -> impl Fn(&'static str) -> BoxedStrategy<String> + Clone {
    move |format| inner.clone().prop_map(move |a| format.replace('A', &a)).boxed()
}

proptest! {
    #[test]
    fn json_comes_back_as_it_was(json in any_json()) {
        let value = from_json(json.clone());
        prop_assert_eq!(to_json(&value), Ok(json.clone()));
        let identity = Expression::compile(".", &[]).expect("jq");
        prop_assert_eq!(identity.evaluate(&value, &Variables::new()), Ok(value.clone()));
        // Through text, too.
        let text = Expression::compile("tojson | fromjson", &[]).expect("jq");
        let back = text.evaluate(&value, &Variables::new()).expect("it is JSON");
        prop_assert!(equal(&back, &value), "{back} {value}");
    }

    #[test]
    fn equality_knows_no_order_of_keys_and_no_kinds_of_numbers(number in -1000_i32..1000, json in any_json()) {
        let whole = from_json(json!({"a": number, "b": json}));
        let float = object([("b", from_json(json)), ("a", from_json(json!(f64::from(number))))]);
        prop_assert!(equal(&whole, &float));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions_give_json_or_a_clear_error(
        program in any_program(),
        input in any_json(),
        variable in any_json(),
    ) {
        let source = format!("def f: .; {program}");
        let names: Vec<Arc<str>> = vec!["input".into()];
        let Ok(expression) = Expression::compile(&source, &names) else { return Ok(()) };
        let variables = Variables::from([("input".into(), from_json(variable))]);
        match expression.evaluate(&from_json(input), &variables) {
            Ok(value) => {
                let json = to_json(&value);
                prop_assert!(json.is_ok(), "{source}: {json:?}");
                prop_assert!(depth(&value) <= 100, "{source}");
            }
            // What a panic is told as.
            Err(error) => {
                prop_assert!(!error.0.contains("cannot be evaluated"), "{source}: {error}");
                prop_assert!(!error.0.is_empty() || source.contains("error"), "{source}");
            }
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Arr(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Obj(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
