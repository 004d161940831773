//! How a fault is said to a person: serde's and Rust's words become those of the manifest.
//!
//! A value is repeated only if it is short: a long one tells the reader nothing, and may be a
//! secret that ends up in a log.

use std::borrow::Cow;

use super::fault::Found;
use crate::tree::{Node, Value};

/// The longest value that a message repeats, in characters.
const VALUE_CHARS_MAX: usize = 40;
/// The longest message that is taken over from a type, in characters.
const MESSAGE_CHARS_MAX: usize = 300;
/// How many names a hint lists.
const NAMES_MAX: usize = 12;

/// A name or a number in backticks, cut if it is long.
pub fn quoted(name: &str) -> String {
    let escaped = name.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
    format!("`{}`", cut(&escaped, VALUE_CHARS_MAX))
}

fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The names as "one of `a`, `b`, `c`".
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "a name".to_owned(),
        [name] => quoted(name),
        names => format!("one of {}", list(names)),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// The hint for a name that is not known: the `nearest` one, or all of them after an introduction
/// if they are few.
pub fn hint_for_name(nearest: Option<&str>, known: &[&str], introduction: &str) -> Option<String> {
    match nearest {
        Some(name) => Some(format!("did you mean {}?", quoted(name))),
        None if known.is_empty() || known.len() > NAMES_MAX => None,
        None => Some(format!("{introduction} {}", list(known))),
    }
}

/// The value that was found, in words. `source` is how a number was written.
pub(crate) fn found(found: &Found, source: &str) -> String {
    match found {
        Found::Seq => "a list".to_owned(),
        Found::Map => "a map".to_owned(),
        Found::Other(words) => cut(words, VALUE_CHARS_MAX).into_owned(),
        Found::Scalar(Value::Number(_)) if is_shown(source) => format!("the number {source}"),
        Found::Scalar(Value::Number(number)) => format!("the number {number}"),
        Found::Scalar(Value::Bool(value)) => value.to_string(),
        Found::Scalar(Value::String(text)) => text_found(text),
        Found::Scalar(_) => "no value".to_owned(),
    }
}

fn is_shown(source: &str) -> bool {
    !source.is_empty() && source.len() <= VALUE_CHARS_MAX && !source.contains(char::is_whitespace)
}

fn text_found(text: &str) -> String {
    match text.chars().count() {
        0 => "an empty string".to_owned(),
        1..=VALUE_CHARS_MAX => format!("the string {text:?}"),
        chars => format!("a string of {chars} characters"),
    }
}

/// What a type expected, in words: serde names Rust's types.
pub(super) fn expected(words: &str) -> Cow<'_, str> {
    let words = match words {
        "a borrowed string" | "string" | "str" => "a string",
        "a boolean" | "bool" => "`true` or `false`",
        "a sequence" => "a list",
        "map" => "a map",
        "unit" => "no value",
        "f32" | "f64" | "float" => "a number",
        "a character" => "one character",
        _ => return expected_number(words).map_or_else(|| expected_shape(words), Cow::Owned),
    };
    Cow::Borrowed(words)
}

fn expected_shape(words: &str) -> Cow<'_, str> {
    let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| words.starts_with(prefix));
    if words.contains(" element") || words.contains(" with ") {
        return Cow::Borrowed(words);
    }
    if is(&["struct ", "internally tagged enum ", "adjacently tagged enum "]) {
        return Cow::Borrowed("a map");
    }
    if is(&["tuple "]) {
        return Cow::Borrowed("a list");
    }
    Cow::Borrowed(words)
}

fn expected_number(words: &str) -> Option<String> {
    let (low, rust_type) = match words.strip_prefix("a nonzero ") {
        Some(rest) => (Some("1"), rest),
        None => (None, words),
    };
    let (least, most) = match rust_type {
        "u8" => ("0", u8::MAX.to_string()),
        "u16" => ("0", u16::MAX.to_string()),
        "u32" => ("0", u32::MAX.to_string()),
        "u64" | "usize" => return Some(format!("a whole number from {}", low.unwrap_or("0"))),
        "i8" => ("-128", i8::MAX.to_string()),
        "i16" => ("-32768", i16::MAX.to_string()),
        "i32" => ("-2147483648", i32::MAX.to_string()),
        "i64" | "isize" | "i128" | "u128" => return Some("a whole number".to_owned()),
        _ => return None,
    };
    Some(format!("a whole number from {} to {most}", low.unwrap_or(least)))
}

/// What to do about a value of the wrong type. `source` is how it was written.
pub(super) fn hint_for_type(expected: &str, node: &Node, source: &str) -> Option<String> {
    let wants = |words: &str| expected.starts_with(words);
    match &node.value {
        Value::Null => Some("give it a value, or remove the key".to_owned()),
        Value::Number(_) | Value::Bool(_) if wants("a string") && is_shown(source) => {
            Some(format!("put it in quotes: \"{source}\""))
        }
        Value::String(text) if wants("`true`") => {
            boolean_meant(text).map(|value| format!("write {value}"))
        }
        Value::String(text) if wants("a whole number") || wants("a number") => {
            text.trim().parse::<f64>().ok().map(|_| "remove the quotes".to_owned())
        }
        _ if wants("a list") && node.is_scalar() && is_shown(source) => {
            Some(format!("write it as a list: [{source}]"))
        }
        _ => None,
    }
}

fn boolean_meant(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A message that a type gave, without what must not be repeated.
pub(super) fn custom(message: &str, node: Option<&Node>) -> String {
    if message.starts_with("data did not match any variant of untagged enum") {
        return "none of the forms that are allowed here".to_owned();
    }
    let secret = node.and_then(Node::as_str).filter(|text| text.chars().count() > VALUE_CHARS_MAX);
    let message = match secret {
        Some(text) => message.replace(text, "…").replace(&*text.escape_debug().to_string(), "…"),
        None => message.to_owned(),
    };
    cut(&message, MESSAGE_CHARS_MAX).into_owned()
}
