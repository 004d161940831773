//! What people write, before anybody knows what it is.

use serde_json::Value;
use tessera_manifest::{Document, Format, Limits, Source, parse};

use super::{chosen, format, have_places};

/// The first byte is the format, the rest the source.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    match parse(Source::new("f", text), format(first), &Limits::default()) {
        Ok(documents) => documents.iter().for_each(|document| document_of(document, text)),
        Err(problems) => have_places(&problems, text),
    }
}

fn document_of(document: &Document, text: &str) {
    let root = document.root();
    assert!(root.span.end <= text.len() && root.span.start <= root.span.end);
    // A slice of the source may be asked for anywhere.
    for entry in root.entries() {
        let _both = (document.source_of(&entry.value), document.key_span(&entry.value));
        let _found = document.found(&entry.value);
        have_places(&[document.problem(&entry.key, "c", "m", None)], text);
    }
    match document.decode::<Value>() {
        Ok(value) => is_read_again(&value),
        Err(problems) => have_places(&problems, text),
    }
}

/// The value in a document of JSON is the same value. It is in a map, as a list would be a list of
/// documents.
fn is_read_again(value: &Value) {
    let json = serde_json::json!({ "value": value }).to_string();
    // Numbers and aliases can be longer as JSON than as they came.
    let limits = Limits { depth_max: Limits::DEPTH_CEILING, ..Limits::default() };
    let documents = parse(Source::new("again", json.as_str()), Format::Json, &limits);
    let documents = documents.unwrap_or_else(|problems| panic!("{json}: {problems:?}"));
    let again: Value = documents[0].decode().expect("any JSON value can be decoded");
    assert_eq!(again["value"], *value, "{json}");
}
