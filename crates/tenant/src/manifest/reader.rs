//! What the decoders of sections share: the document, what is wrong with it so far, and small
//! readers of values.
//!
//! The one idea: a reader gives `None` only after it reported why, or where something else did. So
//! a decoder reads all its fields before it uses any, and one run finds all that is wrong.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tessera_manifest::{
    Document, Entry, Node, Problem, Span, Value, code, hint_for_name, nearest, quoted,
};

/// Problems of one manifest that are kept, and as many warnings.
pub(crate) const PROBLEMS_MAX: usize = 100;

pub(crate) struct Reader<'d> {
    pub(crate) document: &'d Document,
    pub(crate) zones: &'d TimeZoneDatabase,
    pub(crate) now: Timestamp,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Known fields that unknown ones were taken to mean, with their maps.
    meant: Vec<(*const Node, String)>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Document, zones: &'d TimeZoneDatabase, now: Timestamp) -> Self {
        let (problems, warnings, meant) = Default::default();
        Self { document, zones, now, problems, warnings, meant }
    }

    /// Reports what is wrong with a value.
    pub(crate) fn wrong(
        &mut self,
        node: &Node,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        // What reading found broken says nothing by what it looks like now.
        if !self.document.is_broken(node) {
            self.report(node, None, code, message.into(), hint.into());
        }
    }

    /// Reports what is wrong at a place in or beside a value.
    pub(crate) fn wrong_at(
        &mut self,
        node: &Node,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.report(node, Some(span), code, message.into(), hint.into());
    }

    fn report(
        &mut self,
        node: &Node,
        span: Option<Span>,
        code: &'static str,
        message: String,
        hint: Option<String>,
    ) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(self.document.problem_at(node, span, code, message, hint));
        }
    }

    /// Says what is allowed and probably not meant.
    pub(crate) fn warn(
        &mut self,
        node: &Node,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        if self.warnings.len() < PROBLEMS_MAX {
            let warning = self.document.problem_at(node, None, code, message, hint.into());
            self.warnings.push(warning);
        }
    }

    /// The place of a part of a text, given in bytes of it. Where the text is not written as it
    /// is, because of escapes, the whole value is the place.
    pub(crate) fn span_within(&self, node: &Node, part: std::ops::Range<usize>) -> Option<Span> {
        let text = node.as_str()?;
        let start = node.span.start + self.document.source_of(node).find(text)?;
        Some(Span::new(start + part.start, start + part.end))
    }

    /// The entries of a table that has no fields but these; `elsewhere` gives a hint for one that
    /// belongs into another place.
    pub(crate) fn table(
        &mut self,
        node: &'d Node,
        known: &[&str],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Option<&'d [Entry]> {
        let entries = self.open_table(node)?;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let free: Vec<&str> =
                known.iter().copied().filter(|name| node.get(name).is_none()).collect();
            let hint = elsewhere(&entry.key).or_else(|| {
                let near = nearest(&entry.key, &free).or_else(|| nearest(&entry.key, known));
                self.meant.extend(near.map(|near| (std::ptr::from_ref(node), near.to_owned())));
                hint_for_name(near, known, "known fields:")
            });
            let message = format!("unknown field {}", quoted(&entry.key));
            self.wrong_at(node, entry.key_span, code::UNKNOWN_FIELD, message, hint);
        }
        Some(entries)
    }

    pub(crate) fn open_table(&mut self, node: &'d Node) -> Option<&'d [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.wrong_type(node, "a table", None),
        }
    }

    /// A field that must be there.
    pub(crate) fn required(&mut self, node: &'d Node, field: &str, hint: &str) -> Option<&'d Node> {
        let found = node.get(field);
        let meant = |(map, name): &(*const Node, String)| std::ptr::eq(*map, node) && name == field;
        if found.is_none() && !self.meant.iter().any(meant) {
            let message = format!("missing field {}", quoted(field));
            let start = Span::new(node.span.start, node.span.start);
            let span = self.document.key_span(node).unwrap_or(start);
            self.wrong_at(node, span, code::MISSING_FIELD, message, hint.to_owned());
        }
        found
    }

    /// Takes a field for one that is missed elsewhere, so that it is not reported twice.
    pub(crate) fn found_elsewhere(&mut self, node: &'d Node, field: &str) {
        self.meant.push((node, field.to_owned()));
    }

    /// Reports a value of another type than the one needed.
    pub(crate) fn wrong_type<T>(
        &mut self,
        node: &Node,
        expected: &str,
        hint: Option<String>,
    ) -> Option<T> {
        let source = self.document.source_of(node);
        let short = !source.is_empty() && source.len() <= 40 && !source.contains('\n');
        let hint = hint.or_else(|| match &node.value {
            Value::Null => Some("give it a value, or remove the key".to_owned()),
            Value::Number(_) | Value::Bool(_) if expected.starts_with("a string") && short => {
                Some(format!("put it in quotes: \"{source}\""))
            }
            Value::String(_) if expected.starts_with("a list") && short => {
                Some(format!("write it as a list: [{source}]"))
            }
            _ => None,
        });
        let message = format!("expected {expected}, found {}", self.document.found(node));
        self.wrong(node, code::WRONG_TYPE, message, hint);
        None
    }

    /// A text that is not empty and of one line, for a purpose such as "an owner".
    pub(crate) fn line(&mut self, node: &'d Node, what: &str) -> Option<&'d str> {
        let text = self.text(node)?;
        let (message, hint) = if text.trim().is_empty() {
            (format!("{what} is empty"), Some("fill it in".to_owned()))
        } else if text.chars().any(char::is_control) {
            let message = format!("{what} has a control character, such as the end of a line");
            (message, Some("write it in one line".to_owned()))
        } else {
            return Some(text);
        };
        self.wrong(node, code::INVALID_VALUE, message, hint);
        None
    }

    pub(crate) fn text(&mut self, node: &'d Node) -> Option<&'d str> {
        node.as_str().or_else(|| self.wrong_type(node, "a string", None))
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            _ => self.wrong_type(node, "`true` or `false`", None),
        }
    }

    /// One of several words, as what it stands for.
    pub(crate) fn word<T: Copy>(&mut self, node: &'d Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = hint_for_name(nearest(text, &names), &names, "use one of");
            let message = format!("unknown value {}", quoted(text));
            self.wrong(node, code::UNKNOWN_VARIANT, message, hint);
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn elements(&mut self, node: &'d Node, what: &str) -> Option<&'d [Node]> {
        match &node.value {
            Value::Seq(all) => Some(all),
            _ => self.wrong_type(node, &format!("a list of {what}"), None),
        }
    }

    /// Reads a field that may be missing: `Some(None)` then.
    pub(crate) fn optional<T>(
        &mut self,
        table: &'d Node,
        field: &str,
        read: impl FnOnce(&mut Self, &'d Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match table.get(field) {
            Some(node) => read(self, node).map(Some),
            None => Some(None),
        }
    }
}

/// Reads all, so that each is reported, and gives them only if each could be read.
pub(crate) fn all<T>(read: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}
