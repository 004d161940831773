//! What expressions give, on examples and in general.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tessera_workflow::expression::{Expression, Variables};
use tessera_workflow::value::{from_json, to_json};

fn names() -> Vec<Arc<str>> {
    ["context", "input", "task"].map(Arc::from).to_vec()
}

/// The JSON of what an expression gives, or the text of its error.
fn evaluate(source: &str, input: &Json) -> Result<Json, String> {
    let expression = Expression::compile(source, &names()).map_err(|errors| {
        let errors = errors.iter().map(|it| format!("{}..{} {it}", it.at.start, it.at.end));
        errors.collect::<Vec<_>>().join("; ")
    })?;
    let variables = Variables::from([("input".into(), from_json(json!({"in": 1})))]);
    let value = expression.evaluate(&from_json(input.clone()), &variables);
    let value = value.map_err(|error| error.to_string())?;
    to_json(&value).map_err(|error| error.to_string())
}

/// An expression, a tab, and what it gives for null, as a list of its outputs; or its error after
/// `error: `. `results.tsv` is what jq 1.6 gives as well, errors included. `results-own.tsv` is
/// where it gives something else, or does not have the function: what is meant to be jq 1.7's, what
/// docs/reference/expressions.md lists as different, and errors in other words.
#[test]
fn expressions_give_what_jq_gives() {
    let agreed = include_str!("expressions/results.tsv");
    let own = include_str!("expressions/results-own.tsv");
    let mut wrong = Vec::new();
    for line in agreed.lines().chain(own.lines()) {
        let (source, expected) = line.split_once('\t').expect("a tab between the columns");
        let actual = match evaluate(&format!("[{source}]"), &Json::Null) {
            Ok(outputs) => outputs.to_string(),
            Err(error) => format!("error: {error}"),
        };
        let same = match serde_json::from_str::<Json>(expected) {
            Ok(expected) => serde_json::from_str(&actual).is_ok_and(|it: Json| it == expected),
            Err(_) => actual == expected,
        };
        if !same {
            wrong.push(format!("{source}\n    expected {expected}\n    but got  {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everyday programs, each with what jq 1.6 gives, errors included: a line `= JSON` is the input of
/// the lines below it, which have a program, a tab, and the list of its outputs or its error.
#[test]
fn everyday_expressions_give_what_jq_gives() {
    let mut input = Json::Null;
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in include_str!("expressions/everyday.tsv").lines() {
        if let Some(json) = line.strip_prefix("= ") {
            input = serde_json::from_str(json).expect(line);
            continue;
        }
        count += 1;
        let (source, expected) = line.split_once('\t').expect("a tab between the columns");
        let actual = evaluate(&format!("[{source}]"), &input);
        let same = match (expected.strip_prefix("error: "), &actual) {
            (Some(expected), Err(error)) => expected == error,
            (None, Ok(outputs)) => {
                serde_json::from_str(expected).is_ok_and(|it: Json| it == *outputs)
            }
            _ => false,
        };
        if !same {
            wrong.push(format!("{source}\n    expected {expected}\n    but got  {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 400, "{count}");
}

/// `docs/reference/expressions.md`: in each block of jq, a comment with JSON is the input of what
/// follows, and `# =>` or `# error:` what a line gives.
#[test]
fn the_examples_of_the_reference_hold() {
    let page = include_str!("../../../docs/reference/expressions.md");
    let blocks = page.split("```jq\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        let mut input = Json::Null;
        for line in block.lines().filter(|it| !it.trim().is_empty()) {
            if let Some(json) = line.strip_prefix("# ") {
                input = serde_json::from_str(json).expect(line);
                continue;
            }
            count += 1;
            if let Some((source, expected)) = line.split_once("# =>") {
                let expected: Json = serde_json::from_str(expected).expect(line);
                assert_eq!(evaluate(source, &input), Ok(expected), "{line}");
            } else {
                let (source, expected) = line.split_once("# error:").expect(line);
                let error = evaluate(source, &input).expect_err(line);
                assert!(error.contains(expected.trim()), "{line}: {error}");
            }
        }
    }
    assert!(count > 40, "the page has {count} examples");
}

/// Tries one of four shares of `tests/expressions/hostile.tsv`: an expression, a tab, and a part
/// of the error with which it must end.
fn hostile_share(share: usize) {
    for line in include_str!("expressions/hostile.tsv").lines().skip(share).step_by(4) {
        let (source, expected) = line.split_once('\t').expect("a tab between the columns");
        let error = evaluate(source, &Json::Null).expect_err(line);
        assert!(error.contains(expected), "{source}: {error}");
    }
}

/// Each takes all the steps that an expression may, so they are tried beside each other.
mod hostile_expressions_end_in_clear_errors {
    use super::hostile_share;

    #[test]
    fn first_share() {
        hostile_share(0);
    }

    #[test]
    fn second_share() {
        hostile_share(1);
    }

    #[test]
    fn third_share() {
        hostile_share(2);
    }

    #[test]
    fn fourth_share() {
        hostile_share(3);
    }
}

/// What an output passes through on its way out counts, also where nothing recurses.
#[test]
fn outputs_through_many_layers_end_in_clear_errors() {
    let nested = format!("{}range(1e9){} | select(false)", "(".repeat(400), " | .)".repeat(400));
    let mut defined = "def f0: range(1e9);".to_owned();
    for at in 1..200 {
        defined += &format!("def f{at}: f{} | .;", at - 1);
    }
    let handed = "def f(g): g | .; isempty(".to_owned()
        + &"f(".repeat(150)
        + "range(1e9)"
        + &")".repeat(150)
        + " | select(false))";
    for source in [nested, format!("{defined} last(f199)"), handed] {
        let error = evaluate(&source, &Json::Null).expect_err("it never ends");
        assert!(error.contains("takes more than 200000 steps"), "{error}");
    }
}

#[test]
fn expressions_that_nest_too_deeply_or_are_too_long_are_refused_unparsed() {
    let deep = [
        "[".repeat(60_000),
        "(".repeat(30_000) + "1" + &")".repeat(30_000),
        "-".repeat(60_000) + "1",
        ".|".repeat(30_000) + ".",
        "1+".repeat(30_000) + "1",
        ".,.|".repeat(16_000) + ".",
        ". as $x | ".repeat(6_000) + ".",
        "def f: ".repeat(9_000) + "1",
        "if . then 1 el".repeat(4_000),
        "try ".repeat(16_000) + ".",
        r#""\("#.repeat(20_000),
        ".a".repeat(30_000),
        ".a?".repeat(20_000),
        ".[0]".to_owned() + &"[0]".repeat(20_000),
        "{a:".repeat(20_000),
        "reduce ".repeat(9_000),
    ];
    for source in deep {
        let error = evaluate(&source, &Json::Null).expect_err("it nests too deeply");
        assert!(error.contains("levels deep; 500 are the most"), "{error:.200}");
    }
    let error = evaluate(&" ".repeat(70_000), &Json::Null).expect_err("it is too long");
    assert!(error.contains("70000 bytes long; 65536 are the most"), "{error}");
    let many =
        [format!("[{}]", vec!["$a"; 65].join(",")), format!("{{{}}}", vec!["a: $a"; 65].join(","))];
    for pattern in many {
        let error = evaluate(&format!(". as {pattern} | 1"), &Json::Null).expect_err("too many");
        assert!(error.contains("65 variables are in a pattern; 64 are the most"), "{error}");
    }
}

#[test]
fn long_flat_expressions_work() {
    let list = format!("[{}] | length", vec!["1"; 20_000].join(","));
    assert_eq!(evaluate(&list, &Json::Null), Ok(json!(20_000)));
    let object = format!("{{{}}} | .a", vec!["a: 1"; 10_000].join(","));
    assert_eq!(evaluate(&object, &Json::Null), Ok(json!(1)));
    let text = format!("\"{}\" | length", r"\(1)".repeat(15_000));
    assert_eq!(evaluate(&text, &Json::Null), Ok(json!(15_000)));
    let sum = format!("{}1", "1+".repeat(400));
    assert_eq!(evaluate(&sum, &Json::Null), Ok(json!(401)));
}

#[test]
fn a_loop_over_thousands_of_elements_changes_its_state_in_place() {
    let cases = [
        r#"reduce range(20000) as $i ({}; .["k\($i)"] = $i) | length"#,
        r#"reduce range(20000) as $i ({}; .["k\($i)"] += 1) | length"#,
        "reduce range(20000) as $i ([]; . + [$i]) | length",
        "reduce range(20000) as $i ([]; .[$i] = $i) | length",
        r#"reduce range(20000) as $i ({}; . + {("k\($i)"): $i}) | length"#,
        r#"reduce range(20000) as $i (""; . + "x") | length"#,
    ];
    for source in cases {
        assert_eq!(evaluate(source, &Json::Null), Ok(json!(20_000)), "{source}");
    }
}

#[test]
fn no_output_is_null_and_several_are_a_list() {
    assert_eq!(evaluate("empty", &Json::Null), Ok(Json::Null));
    assert_eq!(evaluate(".[]", &json!([1])), Ok(json!(1)));
    assert_eq!(evaluate(".[]", &json!([1, 2])), Ok(json!([1, 2])));
}

/// What the whole is called inside must be nothing that a text can say: a call of itself as the last
/// thing that it does takes no stack, counts no step and never ends.
#[test]
fn an_expression_cannot_call_itself() {
    for source in ["_main", "_main#", "1, _main", "def f: _main; f", "[limit(1; _main)]"] {
        let errors = Expression::compile(source, &names()).expect_err(source);
        assert_eq!(errors[0].message, "unknown function `_main`", "{source}");
    }
    assert_eq!(evaluate("def _main: 7; _main", &Json::Null), Ok(json!(7)));
}

#[test]
fn each_mistake_of_an_expression_is_told_with_its_place() {
    let errors = |source: &str| {
        let errors = Expression::compile(source, &names()).expect_err(source);
        let shown = |it: &tessera_workflow::expression::SyntaxError| {
            let hint = it.hint.as_deref().map(|it| format!(" ({it})")).unwrap_or_default();
            format!("{}: {}{hint}", &source[it.at.clone()], it.message)
        };
        errors.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(
        errors("lenght + $inptu + foo(1) | map(.a; .b) + $output"),
        [
            "lenght: unknown function `lenght` (did you mean `length`?)",
            "$inptu: unknown variable `$inptu` (did you mean `$input`?)",
            "foo: unknown function `foo` (a text is written \"foo\", a field .foo)",
            "map: `map` takes 1 argument, not 2 (arguments are separated by `;`)",
            "$output: `$output` is not available here \
             (available here: `$context`, `$input`, `$task`)",
        ]
    );
    assert_eq!(errors(".a | "), [": something is missing at the end"]);
    assert_eq!(errors("(.a"), [": `(` is not closed: there is the end where `)` may stand"]);
    assert_eq!(errors("[(+), (*)]").len(), 2);
    assert_eq!(errors("'a'"), ["': `'` means nothing here (texts stand in double quotes)"]);
    assert_eq!(
        errors("now"),
        ["now: `now` is not available: it reads the clock, and there is none here \
             (use a time from the input)"]
    );
    let refused = [
        "now",
        "localtime",
        "strflocaltime(\"%Y\")",
        "env",
        "$ENV",
        "$__prog_args",
        "input",
        "inputs",
        "input_filename",
        "input_line_number",
        "debug",
        "debug(.a)",
        "stderr",
        "halt",
        "halt_error",
        "halt_error(1)",
        "get_search_list",
        "modulemeta",
        "import \"a\" as a; .",
        "include \"a\"; .",
    ];
    for source in refused {
        let errors = errors(source);
        assert!(errors[0].contains("is not available"), "{source}: {errors:?}");
    }
    // A name that the expression defines itself is its own.
    assert_eq!(evaluate("def now: 1; now", &Json::Null), Ok(json!(1)));
}

#[test]
fn every_function_of_the_prelude_compiles() {
    let prelude = include_str!("../src/expression/prelude.jq");
    let mut count = 0;
    for head in prelude.lines().filter_map(|line| line.strip_prefix("def ")) {
        let head = head.split(':').next().unwrap();
        let (name, parameters) = head.split_once('(').unwrap_or((head, ""));
        let arguments: Vec<_> =
            parameters.split(';').filter(|it| !it.is_empty()).map(|_| ".").collect();
        let call = match arguments.is_empty() {
            true => name.to_owned(),
            false => format!("{name}({})", arguments.join("; ")),
        };
        Expression::compile(&call, &[]).unwrap_or_else(|errors| panic!("{call}: {errors:?}"));
        count += 1;
    }
    assert!(count > 100, "{count}");
}
