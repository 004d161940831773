//! Reads TOML. The parser goes on after a mistake, so several show at once; here its tables become
//! the tree, in the order of the source.

use toml::Spanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue, Error};

use super::entries::report_duplicate;
use super::{Sink, Stop};
use crate::problem::code;
use crate::tree::{Entry, Node, Number, Span, Value};

/// Reads the one document. It is left out if it is empty, or too broken to be worth decoding.
pub(super) fn read(sink: &mut Sink<'_>) -> Vec<Node> {
    let (table, errors) = DeTable::parse_recoverable(sink.source());
    let table = table.into_inner();
    if let Some(error) = errors.iter().find(|error| is_too_deep(error)) {
        // What else the parser says then is about brackets that it did not look into.
        sink.too_deep(span_of_error(error));
        return Vec::new();
    }
    let broken = errors.iter().any(|error| error.message() != DUPLICATE);
    for error in errors {
        if sink.go_on().is_err() {
            return Vec::new();
        }
        report(sink, &error, &table);
    }
    if broken || table.is_empty() {
        return Vec::new();
    }
    match table_node(sink, table, Span::default(), 1) {
        Ok(root) => vec![root],
        Err(Stop) => Vec::new(),
    }
}

/// How the parser names a key that it has seen.
const DUPLICATE: &str = "duplicate key";

fn is_too_deep(error: &Error) -> bool {
    ["recursion limit", "cannot recurse"].iter().any(|words| error.message().contains(words))
}

fn span_of_error(error: &Error) -> Span {
    error.span().map_or(Span::default(), |range| Span::new(range.start, range.end))
}

fn report(sink: &mut Sink<'_>, error: &Error, table: &DeTable<'_>) {
    let span = span_of_error(error);
    let message = error.message();
    match message {
        DUPLICATE => {
            let first = only_key_before(table, sink.text.slice(span), span);
            report_duplicate(sink, sink.text.slice(span), span, first);
        }
        _ if message.contains("must be quoted") => {
            let hint = "put the text in quotes";
            sink.report(span, code::SYNTAX, "a value is missing or not quoted", hint);
        }
        _ if message.contains("leading zero") => {
            let hint = "remove the zero, or put it in quotes if it is text";
            sink.report(span, code::INVALID_NUMBER, "a number with a leading zero", hint);
        }
        _ => sink.report(span, code::SYNTAX, message, ""),
    }
}

/// Where the key that a duplicate repeats was set. The parser does not say, so this is known only
/// if one key alone before the duplicate has the same text.
fn only_key_before(table: &DeTable<'_>, key: &str, duplicate: Span) -> Option<Span> {
    let mut before = Vec::new();
    keys_before(table, key, duplicate, &mut before);
    match before[..] {
        [span] => Some(span),
        _ => None,
    }
}

fn keys_before(table: &DeTable<'_>, key: &str, duplicate: Span, before: &mut Vec<Span>) {
    for (name, value) in table {
        if name.get_ref() == key && name.span().end <= duplicate.start {
            before.push(span_of(name));
        }
        match value.get_ref() {
            DeValue::Table(table) => keys_before(table, key, duplicate, before),
            DeValue::Array(array) => {
                let tables = array.iter().filter_map(|element| element.get_ref().as_table());
                tables.for_each(|table| keys_before(table, key, duplicate, before));
            }
            _ => {}
        }
    }
}

fn span_of<T>(spanned: &Spanned<T>) -> Span {
    let range = spanned.span();
    Span::new(range.start, range.end)
}

fn table_node(
    sink: &mut Sink<'_>,
    table: DeTable<'_>,
    span: Span,
    depth: usize,
) -> Result<Node, Stop> {
    sink.enter(span, depth)?;
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_span = span_of(&key);
        let value = node(sink, value, depth + 1)?;
        entries.push(Entry { key: key.into_inner().into_owned(), key_span, value });
    }
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(Node::new(span, Value::Map(entries)))
}

fn node(sink: &mut Sink<'_>, spanned: Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Stop> {
    let span = span_of(&spanned);
    let value = match spanned.into_inner() {
        DeValue::Table(table) => return table_node(sink, table, span, depth),
        DeValue::Array(elements) => return array_node(sink, elements, span, depth),
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => integer(sink, &number, span),
        DeValue::Float(number) => float(sink, &number, span),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(value) => Value::String(value.to_string()),
    };
    sink.enter(span, depth)?;
    Ok(Node::new(span, value))
}

fn array_node(
    sink: &mut Sink<'_>,
    elements: DeArray<'_>,
    span: Span,
    depth: usize,
) -> Result<Node, Stop> {
    sink.enter(span, depth)?;
    let elements = elements.into_iter().map(|element| node(sink, element, depth + 1));
    Ok(Node::new(span, Value::Seq(elements.collect::<Result<_, _>>()?)))
}

fn integer(sink: &mut Sink<'_>, number: &DeInteger<'_>, span: Span) -> Value {
    let text = number.as_str();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    match Number::whole(text.starts_with('-'), digits, number.radix()) {
        Some(number) => Value::Number(number),
        None => out_of_range(sink, span),
    }
}

fn float(sink: &mut Sink<'_>, number: &DeFloat<'_>, span: Span) -> Value {
    match number.as_str().parse::<f64>() {
        Ok(value) => Value::Number(Number::Float(value)),
        Err(_) => out_of_range(sink, span),
    }
}

fn out_of_range(sink: &mut Sink<'_>, span: Span) -> Value {
    let hint = "put it in quotes if it is text";
    sink.report(span, code::INVALID_NUMBER, "the number does not fit in 64 bits", hint);
    Value::Null
}
