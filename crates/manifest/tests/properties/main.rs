//! Properties of reading, over generated trees and generated text: what was written is what is
//! read, in every format; a wrong value is found where it stands; and nothing makes it panic.

mod render;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use tessera_manifest::{Document, Format, Limits, Number, Problem, Source, parse, read};

use render::{Mark, Rendered, render};

const FORMATS: [Format; 3] = [Format::Yaml, Format::Json, Format::Toml];

/// Keys: mostly plain, some with whatever text can hold.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z][a-z_]{0,8}", 1 => "\\PC{0,12}", 1 => any::<String>()]
}

/// Scalars that every format has.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[a-z]{1,10}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let nested = scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            map(inner, 0..5),
        ]
    });
    map(nested, 1..6)
}

fn map(
    values: impl Strategy<Value = Value>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), values, size)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

/// How the renderer chooses between the styles that a format has.
fn styles() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 1..20)
}

fn source(text: &str) -> Source {
    Source::new("f", text)
}

fn only_document(format: Format, text: &str) -> Document {
    let mut documents = parse(source(text), format, &Limits::default())
        .unwrap_or_else(|problems| panic!("{format}: {problems:?}\n{text}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

/// A tree of any shape that accepts every value but one.
#[derive(Debug)]
struct AnyBut;

const WRONG: &str = "this value is wrong";

impl<'de> Deserialize<'de> for AnyBut {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AnyBut;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything else")
            }
            fn visit_bool<E>(self, _: bool) -> Result<AnyBut, E> {
                Ok(AnyBut)
            }
            fn visit_i64<E>(self, _: i64) -> Result<AnyBut, E> {
                Ok(AnyBut)
            }
            fn visit_u64<E>(self, _: u64) -> Result<AnyBut, E> {
                Ok(AnyBut)
            }
            fn visit_f64<E>(self, _: f64) -> Result<AnyBut, E> {
                Ok(AnyBut)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AnyBut, E> {
                if text == WRONG { Err(E::custom("wrong")) } else { Ok(AnyBut) }
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<AnyBut, A::Error> {
                while seq.next_element::<AnyBut>()?.is_some() {}
                Ok(AnyBut)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<AnyBut, A::Error> {
                while map.next_entry::<String, AnyBut>()?.is_some() {}
                Ok(AnyBut)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Replaces the `index`-th scalars of a tree by the wrong value.
fn spoil(value: &mut Value, indices: &[usize], seen: &mut usize) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| spoil(element, indices, seen));
        }
        Value::Object(entries) => {
            entries.values_mut().for_each(|value| spoil(value, indices, seen));
        }
        scalar => {
            if indices.contains(seen) {
                *scalar = Value::from(WRONG);
            }
            *seen += 1;
        }
    }
}

/// A type with what makes decoding hard to get right: required and optional parts, tagged and
/// untagged enums, flattened maps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether decoding ends is looked at")]
struct Hard {
    a: Option<Box<Hard>>,
    b: String,
    #[serde(default)]
    c: Vec<Choice>,
    d: Option<Tagged>,
    e: Option<Loose>,
    f: Option<(u8, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only whether decoding ends is looked at")]
enum Choice {
    Unit,
    One(String),
    Two(u8, u8),
    Fields { b: std::num::NonZeroU8, x: char },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "t")]
#[expect(dead_code, reason = "only whether decoding ends is looked at")]
enum Tagged {
    A { b: String },
    B(Loose),
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether decoding ends is looked at")]
struct Loose {
    x: bool,
    #[serde(flatten)]
    rest: std::collections::HashMap<String, i32>,
}

/// A tree that often fits [`Hard`] at least in part.
fn near_miss() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..300_i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec!["a", "unit", "one", "A", "B", "fields", "x"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let keys = vec!["a", "b", "c", "d", "e", "f", "t", "x", "one", "two", "fields", "zz"];
        let key = prop::sample::select(keys).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn assert_in_source(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty(), "failed without a problem\n{text}");
    for problem in problems {
        let lines = text.split(['\n', '\r']).count();
        assert!((1..=lines).contains(&problem.line), "{problem}\n{text}");
        assert!(problem.column >= 1 && !problem.message.is_empty() && !problem.code.is_empty());
        assert!(!problem.render().contains('\u{1b}'), "an escape sequence gets through");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(tree in tree(), styles in styles()) {
        for format in FORMATS {
            let Rendered { text, .. } = render(format, &tree, &styles);
            let read: Value = only_document(format, &text).decode()
                .unwrap_or_else(|problems| panic!("{format}: {problems:?}\n{text}"));
            prop_assert_eq!(&read, &tree, "{}:\n{}", format, text);
        }
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_change_nothing(tree in tree(), styles in styles()) {
        for format in FORMATS {
            let text = format!("\u{feff}{}", render(format, &tree, &styles).text.replace('\n', "\r\n"));
            let read: Value = only_document(format, &text).decode().expect("any value decodes");
            prop_assert_eq!(&read, &tree, "{}:\n{}", format, text);
        }
    }

    #[test]
    fn every_value_knows_its_place(tree in tree(), styles in styles()) {
        for format in FORMATS {
            let Rendered { text, marks } = render(format, &tree, &styles);
            let document = only_document(format, &text);
            for Mark { path, line, column } in marks {
                let span = document.lookup(&path).unwrap_or_else(|| panic!("no {path} in\n{text}"));
                let position = document.position(span);
                prop_assert_eq!((position.line, position.column), (line, column), "{}: {}\n{}",
                    format, path, text);
            }
        }
    }

    #[test]
    fn each_wrong_value_is_found_where_it_stands(
        mut tree in tree(),
        styles in styles(),
        indices in prop::collection::vec(0..12_usize, 1..4),
    ) {
        spoil(&mut tree, &indices, &mut 0);
        for format in FORMATS {
            let Rendered { text, marks } = render(format, &tree, &styles);
            let expected: Vec<_> = marks.into_iter()
                .filter(|mark| tree_at(&tree, &mark.path, &text, format).as_deref() == Some(WRONG))
                .map(|mark| (mark.line, mark.column, mark.path))
                .collect();
            let found = match only_document(format, &text).decode::<AnyBut>() {
                Ok(AnyBut) => Vec::new(),
                Err(problems) => problems,
            };
            let mut expected = expected;
            expected.sort();
            let found: Vec<_> = found.into_iter().map(|p| (p.line, p.column, p.path)).collect();
            prop_assert_eq!(found, expected, "{}:\n{}", format, text);
        }
    }

    #[test]
    fn decoding_ends_and_a_failure_has_a_problem(tree in near_miss()) {
        let text = tree.to_string();
        let outcome = read(source(&text), Format::Json, &Limits::default(), Document::decode::<Hard>);
        let Err(problems) = outcome else { return Ok(()) };
        assert_in_source(&problems, &text);
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        for format in FORMATS {
            if let Err(problems) = parse(source(&text), format, &Limits::default()) {
                assert_in_source(&problems, &text);
            }
        }
    }

    #[test]
    fn no_punctuation_is_too_odd(text in "[a0\\-:?,\\[\\]{}#&*!|>'\"%@` \t\r\n=._~<\u{e4}\\\\]{0,60}") {
        for format in FORMATS {
            let outcome = read(source(&text), format, &Limits::default(), Document::decode::<Hard>);
            if let Err(problems) = outcome {
                assert_in_source(&problems, &text);
            }
        }
    }

    #[test]
    fn a_cut_manifest_is_a_problem_or_shorter(tree in tree(), styles in styles(), cut in 0.0..1.0_f64) {
        for format in FORMATS {
            let Rendered { text, .. } = render(format, &tree, &styles);
            let end = text.floor_char_boundary((text.len() as f64 * cut) as usize);
            if let Err(problems) = parse(source(&text[..end]), format, &Limits::default()) {
                assert_in_source(&problems, &text[..end]);
            }
        }
    }

    #[test]
    fn whole_numbers_stay_whole(number in any::<i64>()) {
        let document = only_document(Format::Yaml, &format!("a: {number}"));
        let expected = match u64::try_from(number) {
            Ok(number) => Number::Unsigned(number),
            Err(_) => Number::Negative(number),
        };
        let node = document.root().get("a").expect("the key is there");
        prop_assert_eq!(&node.value, &tessera_manifest::Value::Number(expected));
    }
}

/// The text at a path, as the document that was read sees it.
fn tree_at(tree: &Value, path: &str, text: &str, format: Format) -> Option<String> {
    let document = only_document(format, text);
    assert!(tree.is_object());
    document.decode_at::<Value>(path).ok()?.as_str().map(str::to_owned)
}
