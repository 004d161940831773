//! A map under construction. It keeps the order of the source and refuses a key that it has.

use std::collections::HashSet;

use super::Sink;
use crate::decode::wording::quoted;
use crate::problem::code;
use crate::tree::{Entry, Node, Span};

#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    keys: HashSet<String>,
}

impl Entries {
    /// Adds an entry. A duplicate is reported, and the first one is kept.
    pub(super) fn insert(&mut self, key: String, key_span: Span, value: Node, sink: &mut Sink<'_>) {
        if self.keys.insert(key.clone()) {
            self.entries.push(Entry { key, key_span, value });
            return;
        }
        let first = self.entries.iter().find(|entry| entry.key == key);
        report_duplicate(sink, &key, key_span, first.map(|entry| entry.key_span));
    }

    /// Adds an entry unless its key is there, as a YAML merge does.
    pub(super) fn merge(&mut self, entry: Entry) {
        if self.keys.insert(entry.key.clone()) {
            self.entries.push(entry);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Entry> {
        self.entries
    }
}

pub(super) fn report_duplicate(sink: &mut Sink<'_>, key: &str, at: Span, first: Option<Span>) {
    let mut message = format!("duplicate key {}", quoted(key));
    if let Some(first) = first {
        let position = sink.text.position(first.start);
        message += &format!(", first set at line {}, column {}", position.line, position.column);
    }
    sink.report(at, code::DUPLICATE_KEY, message, "keep one of the two");
}
