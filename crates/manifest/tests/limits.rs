//! A source that would cost too much ends in one clear problem.

use std::fmt::Write as _;

use serde_json::Value;
use tessera_manifest::{Document, Format, Limits, Problem, Source, code, parse, read};

fn problems(format: Format, text: String, limits: &Limits) -> Vec<Problem> {
    parse(Source::new("f", text), format, limits).expect_err("the source is over a limit")
}

#[track_caller]
fn check(format: Format, text: String, code: &str, message: &str) {
    let problems = problems(format, text, &Limits::default());
    assert_eq!(problems.len(), 1, "{} and more", problems[0]);
    assert_eq!((&*problems[0].code, &*problems[0].message), (code, message));
}

const DEPTH: usize = 10_000;

#[test]
fn ten_thousand_levels_are_too_deep_in_every_notation() {
    let deep = "lists and maps are nested more than 64 deep";
    let block = (0..DEPTH).fold(String::new(), |mut text, level| {
        let _ = writeln!(text, "{}a:", " ".repeat(level.min(300)));
        text
    });
    let sources = [
        (Format::Yaml, "[".repeat(DEPTH)),
        (Format::Yaml, "{a: ".repeat(DEPTH)),
        (Format::Yaml, "- ".repeat(DEPTH)),
        (Format::Yaml, block),
        (Format::Json, "[".repeat(DEPTH)),
        (Format::Json, r#"{"a":"#.repeat(DEPTH)),
        (Format::Toml, format!("a = {}{}", "[".repeat(70), "]".repeat(70))),
        (Format::Toml, format!("[{}a]", "a.".repeat(70))),
    ];
    for (format, text) in sources {
        check(format, text, code::TOO_DEEP, deep);
    }
}

#[test]
fn keys_within_keys_are_refused_once_and_end_as_too_deep() {
    let problems = problems(Format::Yaml, "? ".repeat(DEPTH), &Limits::default());
    let codes: Vec<_> = problems.iter().map(|problem| &*problem.code).collect();
    assert_eq!(codes, [code::INVALID_KEY, code::TOO_DEEP]);
}

#[test]
fn toml_beyond_its_parsers_own_depth_is_refused() {
    for text in [
        format!("a = {}", "[".repeat(DEPTH)),
        format!("a = {}", "{a = ".repeat(DEPTH)),
        format!("{}a = 1", "a.".repeat(DEPTH)),
    ] {
        let problems = problems(Format::Toml, text, &Limits::default());
        assert_eq!(problems[0].code, code::TOO_DEEP, "{}", problems[0]);
    }
}

#[test]
fn the_deepest_source_that_is_allowed_is_read_and_decoded() {
    let limits = Limits { depth_max: usize::MAX, ..Limits::default() };
    let depth = Limits::DEPTH_CEILING;
    for format in [Format::Yaml, Format::Json] {
        let nested = format!(
            "{}{}",
            r#"{"a":"#.repeat(depth - 1) + "[",
            "]".to_owned() + &"}".repeat(depth - 1)
        );
        let documents = parse(Source::new("f", nested), format, &limits).expect("it is in bounds");
        documents[0].decode::<Value>().expect("any value decodes");
        let deeper =
            format!("{}{}", r#"{"a":"#.repeat(depth) + "[", "]".to_owned() + &"}".repeat(depth));
        assert_eq!(problems(format, deeper, &limits)[0].code, code::TOO_DEEP);
    }
}

#[test]
fn ten_megabytes_are_too_large() {
    for format in [Format::Yaml, Format::Json, Format::Toml] {
        check(
            format,
            "#".repeat(10_000_000),
            code::TOO_LARGE,
            "the source has 10000000 bytes; at most 4194304 are read",
        );
    }
}

#[test]
fn too_many_values_are_too_large() {
    let values = "1,".repeat(Limits::NODES_MAX) + "1";
    let message = "the source holds more than 250000 values";
    check(Format::Yaml, format!("[{values}]"), code::TOO_LARGE, message);
    check(Format::Json, format!("[[{values}]]"), code::TOO_LARGE, message);
    check(Format::Toml, format!("a = [{values}]"), code::TOO_LARGE, message);
}

#[test]
fn too_many_documents_are_too_large() {
    let message = "the source holds more than 10000 documents";
    let count = Limits::DOCUMENTS_MAX + 1;
    check(Format::Yaml, "a: 1\n---\n".repeat(count), code::TOO_LARGE, message);
    check(Format::Json, "{}\n".repeat(count), code::TOO_LARGE, message);
    check(Format::Json, format!("[{}{{}}]", "{},".repeat(count)), code::TOO_LARGE, message);
}

#[test]
fn aliases_of_aliases_are_too_large() {
    let mut laughs = String::from("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(laughs, "a{level}: &a{level} [{aliases}]");
    }
    let message = "anchors and aliases copy more than 20000 values or 1048576 bytes of text";
    check(Format::Yaml, laughs, code::TOO_LARGE, message);
    let long = format!("a: &a {}\nb: [{}*a]\n", "x".repeat(100_000), "*a, ".repeat(10_000));
    check(Format::Yaml, long, code::TOO_LARGE, message);
}

#[test]
fn aliases_do_not_nest_deeper_than_lists_do() {
    let mut nested = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        let _ = writeln!(nested, "a{level}: &a{level} [*a{}]", level - 1);
    }
    check(Format::Yaml, nested, code::TOO_DEEP, "lists and maps are nested more than 64 deep");
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    let problems = problems(Format::Yaml, "a: &a [*a]\n".to_owned(), &Limits::default());
    assert_eq!(
        problems[0].to_string(),
        "f:1:8: an alias that contains itself: \
        write the value out; an alias cannot stand inside its own anchor"
    );
}

#[test]
fn reading_stops_after_enough_problems() {
    let limits = Limits::default();
    for (format, text) in [
        (Format::Yaml, "a: !!x 1\n".repeat(5000)),
        (Format::Yaml, "a: @\n---\n".repeat(5000)),
        (Format::Json, format!("{{{}\"a\": 1}}", "\"a\": 1,".repeat(5000))),
        (Format::Toml, "a = 1\n".repeat(5000)),
        (Format::Toml, "a\n".repeat(5000)),
    ] {
        assert_eq!(problems(format, text, &limits).len(), Limits::PROBLEMS_MAX, "{format}");
    }
}

#[test]
fn decoding_stops_after_enough_problems() {
    let list = "[".to_owned() + &"true,".repeat(5000) + "1]";
    let source = Source::new("f", format!("[{list}]"));
    let problems = read(source, Format::Json, &Limits::default(), Document::decode::<Vec<u8>>)
        .expect_err("a boolean is no number");
    assert_eq!(problems.len(), 20);
}
