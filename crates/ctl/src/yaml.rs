//! JSON values as YAML for people. What is written here reads back as the same
//! value; a text that could be taken for anything else is quoted.

use serde_json::Value;

/// Longest text with a unit (`90s`, `64MiB`) that stands without quotes.
const UNIT_TEXT_MAX: usize = 12;
/// Words that YAML readers, old or new, take for something else than text.
const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// A document, ending in a line feed.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    for line in lines(value) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().flat_map(|(key, value)| entry(key, value)).collect()
        }
        Value::Array(items) if !items.is_empty() => items.iter().flat_map(item).collect(),
        Value::String(text) if is_block(text) => block(text),
        scalar => vec![inline(scalar)],
    }
}

fn entry(key: &str, value: &Value) -> Vec<String> {
    let key = text(key);
    if is_inline(value) {
        return vec![format!("{key}: {}", inline(value))];
    }
    if let Value::String(text) = value {
        let mut lines = block(text);
        lines[0] = format!("{key}: {}", lines[0]);
        return lines;
    }
    let below = lines(value).into_iter().map(|line| indented(&line));
    std::iter::once(format!("{key}:")).chain(below).collect()
}

/// A line one level further in; one that is empty stays so.
fn indented(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!("  {line}") }
}

/// Whether a text is of several lines that can stand as they are: a file, such as a manifest. It
/// must begin with what is no space, as that tells how far it is indented.
fn is_block(text: &str) -> bool {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.contains('\n')
        && !line.ends_with('\n')
        && !line.starts_with(char::is_whitespace)
        && !line.contains(|c: char| !matches!(c, '\n' | '\t') && is_unprintable(c))
}

fn block(text: &str) -> Vec<String> {
    let mark = if text.ends_with('\n') { "|" } else { "|-" };
    std::iter::once(mark.to_owned()).chain(text.lines().map(indented)).collect()
}

fn item(value: &Value) -> Vec<String> {
    let mark = |(at, line): (usize, String)| match at {
        0 => format!("- {line}"),
        _ => indented(&line),
    };
    lines(value).into_iter().enumerate().map(mark).collect()
}

fn is_inline(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => !is_block(text),
        _ => true,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(value) => text(value),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

fn text(value: &str) -> String {
    if is_plain(value) { value.to_owned() } else { quoted(value) }
}

fn is_plain(value: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"_-./@ ,()=".contains(&b);
    let Some(first) = value.bytes().next().filter(|_| value.bytes().all(word)) else {
        return false;
    };
    if first.is_ascii_digit() {
        return is_amount(value);
    }
    (first.is_ascii_alphabetic() || first == b'/')
        && !value.ends_with(' ')
        && !RESERVED.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a text that begins with a digit ends in a unit, so that it is no
/// number in any notation (`0x1d` would be one).
fn is_amount(value: &str) -> bool {
    value.len() <= UNIT_TEXT_MAX
        && value.bytes().all(|b| b.is_ascii_alphanumeric() && !b"xXoO".contains(&b))
        && value.ends_with(['s', 'm', 'h', 'd', 'B', 'i'])
}

fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_unprintable(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What YAML does not allow as it is, or takes for a line break.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use tessera_manifest::{Format, Limits, Source, parse};

    fn read_back(text: &str) -> Value {
        let source = Source::new("test", text);
        let documents = parse(source, Format::Yaml, &Limits::default()).unwrap();
        documents[0].decode().unwrap()
    }

    #[test]
    fn a_resource_looks_as_a_person_would_write_it() {
        let value = json!({
            "kind": "Workload", "name": "web", "labels": {},
            "spec": {
                "command": "/bin/sh", "args": ["-c", "echo: hi", ""], "on": true,
                "ports": [{"port": 80, "name": "http"}, []],
                "backoff": {"max": "90s", "at": "2026-01-01T00:00:00Z", "flag": "yes"},
            },
        });
        let expected = "kind: Workload\nname: web\nlabels: {}\nspec:\n  command: /bin/sh\n  args:\n    - \"-c\"\n    \
            - \"echo: hi\"\n    - \"\"\n  \"on\": true\n  ports:\n    - port: 80\n      name: http\n    - []\n  \
            backoff:\n    max: 90s\n    at: \"2026-01-01T00:00:00Z\"\n    flag: \"yes\"\n";
        assert_eq!(document(&value), expected);
        assert_eq!(read_back(expected), value);
    }

    #[test]
    fn a_text_of_several_lines_stands_as_it_is() {
        let file = "a = 1\n\n[b]\n  c = \"d\"\n";
        let value = json!({"spec": {"file": file, "cut": "x\ny", "odd": " x\ny"}});
        let expected = "spec:\n  file: |\n    a = 1\n\n    [b]\n      c = \"d\"\n  cut: |-\n    x\n    y\n  odd: \" x\\ny\"\n";
        assert_eq!(document(&value), expected);
        assert_eq!(read_back(expected), value);
    }

    fn values() -> impl Strategy<Value = Value> {
        let tricky = prop::sample::select(vec![
            "true",
            "~",
            "1e3",
            "0x1d",
            "0o7",
            "12d",
            "1.5",
            "-",
            "- a",
            "a: b",
            "# x",
            "a #b",
            "<<",
            "*x",
            "&x",
            "!t",
            "2026-01-01",
            ".inf",
            "1_000",
            "NO",
            " a",
            "a ",
            "\u{7f}",
            "\u{2028}",
            "00000000000000ed",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            tricky.prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "([a-z#:-]|\n| |\t|\u{85}|\u{2028}|.){0,9}".prop_map(Value::from),
            "[a-z0-9./_-]{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let key = prop_oneof!["[a-z0-9]{1,6}", ".{1,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in values()) {
            prop_assert_eq!(read_back(&document(&json!({"value": value}))), json!({"value": value}));
        }
    }
}
