//! What the decoders share: the document, what is wrong with it so far, and small readers of
//! fields that report what they do not find.
//!
//! The one idea: a reader returns `None` only after it reported why. So a decoder reads all fields
//! before it uses any, and one run finds all that is wrong.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_manifest::{
    Document, Entry, Node, Number, Problem, Span, Value, code, hint_for_name, nearest, quoted,
};

use super::uses::Uses;
use crate::expression::Mode;
use crate::value;

/// Problems of one document that are kept, and as many warnings.
const PROBLEMS_MAX: usize = 100;

/// A document that is being decoded.
pub(super) struct Reader<'d> {
    document: &'d Document,
    /// The document as `$workflow.definition`.
    pub(super) whole: value::Value,
    /// What stands before the references of the tasks: nothing, unless the document is a function.
    pub(super) prefix: String,
    /// How expressions are told from text.
    pub(super) mode: Mode,
    /// The expressions that were read.
    pub(super) expressions: super::flow::Expressions,
    /// The reusable parts.
    pub(super) uses: Uses<'d>,
    /// Every task that was met, for the schema.
    pub(super) tasks: Vec<&'d Node>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    said: BTreeSet<(usize, usize, String)>,
    /// Values that are reported already, whatever else they lack.
    pub(super) broken: BTreeSet<*const Node>,
    /// Known fields that unknown ones were taken to mean, with their maps.
    meant: Vec<(*const Node, String)>,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document, prefix: &str) -> Self {
        Self {
            document,
            whole: value::from_json(super::json::plain(document.root())),
            prefix: prefix.to_owned(),
            mode: Mode::Strict,
            expressions: super::flow::Expressions::default(),
            uses: Uses::default(),
            tasks: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            said: BTreeSet::new(),
            broken: BTreeSet::new(),
            meant: Vec::new(),
        }
    }

    pub(super) fn document(&self) -> &'d Document {
        self.document
    }

    /// The problems, and the warnings in the order of the source.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        let Self { problems, mut warnings, .. } = self;
        warnings.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        (problems, warnings)
    }

    /// Whether nothing was found but what is not supported.
    pub(super) fn is_valid(&self) -> bool {
        self.problems.iter().all(|problem| problem.code == super::code::UNSUPPORTED)
    }

    /// Whether nothing was found at all.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Reports what is wrong with a value.
    pub(super) fn wrong(
        &mut self,
        node: &'d Node,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Hint,
    ) {
        self.report(node, None, code, message.into(), hint.hint());
    }

    /// Reports what is wrong at a place in or beside a value.
    pub(super) fn wrong_at(
        &mut self,
        node: &'d Node,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.report(node, Some(span), code, message.into(), hint);
    }

    /// Whether nothing more is reported. What is only done for a report, and takes time in a large
    /// document, is left out then.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEMS_MAX
    }

    fn report(
        &mut self,
        node: &'d Node,
        span: Option<Span>,
        code: impl Into<Cow<'static, str>>,
        message: String,
        hint: Option<String>,
    ) {
        let code = code.into();
        // What is already known to be broken says nothing by what it looks like now.
        let known =
            || self.document.is_broken(node) || self.broken.contains(&std::ptr::from_ref(node));
        if self.is_full() || (span.is_none() && known()) {
            return;
        }
        let problem = self.document.problem_at(node, span, code, message, hint);
        if self.said.insert((problem.line, problem.column, problem.message.clone())) {
            self.problems.push(problem);
        }
    }

    /// Says what is allowed and probably not meant.
    pub(super) fn warn(
        &mut self,
        node: &'d Node,
        span: Option<Span>,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) {
        if self.warnings.len() >= PROBLEMS_MAX {
            return;
        }
        let hint = Some(hint.to_owned());
        let warning = self.document.problem_at(node, span, code, message, hint);
        if self.said.insert((warning.line, warning.column, warning.message.clone())) {
            self.warnings.push(warning);
        }
    }

    /// Reports a value of another type than the one needed.
    pub(super) fn wrong_type<T>(
        &mut self,
        node: &'d Node,
        expected: &str,
        hint: Option<&str>,
    ) -> Option<T> {
        let found = self.document.found(node);
        let hint = match (&node.value, hint) {
            (_, Some(hint)) => Some(hint.to_owned()),
            (Value::Null, None) => Some("give it a value, or remove the key".to_owned()),
            (Value::Number(_) | Value::Bool(_), None) if expected == "text" => {
                let source = self.document.source_of(node);
                let short = !source.is_empty() && source.len() <= 40;
                short.then(|| format!("put it in quotes: \"{source}\""))
            }
            (Value::String(text), None) if expected.contains("whole number") => {
                text.parse::<u64>().is_ok().then(|| "remove the quotes".to_owned())
            }
            _ => None,
        };
        let message = format!("expected {expected}, found {found}");
        self.wrong(node, code::WRONG_TYPE, message, hint);
        None
    }

    /// A map with no other fields than these.
    pub(super) fn map(
        &mut self,
        node: &'d Node,
        what: &str,
        known: &[&str],
    ) -> Option<&'d [Entry]> {
        let entries = self.open_map(node, what)?;
        self.only(node, known);
        Some(entries)
    }

    /// A map with any fields.
    pub(super) fn open_map(&mut self, node: &'d Node, what: &str) -> Option<&'d [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.wrong_type(node, what, None),
        }
    }

    /// Reports the fields of a map that are none of these.
    pub(super) fn only(&mut self, node: &'d Node, known: &[&str]) {
        for entry in node.entries() {
            if known.contains(&entry.key.as_str()) || self.is_full() {
                continue;
            }
            let free: Vec<&str> =
                known.iter().copied().filter(|name| node.get(name).is_none()).collect();
            let near = nearest(&entry.key, &free).or_else(|| nearest(&entry.key, known));
            if let Some(near) = near {
                self.meant.push((node, near.to_owned()));
            }
            let hint = hint_for_name(near, known, "known fields:");
            let message = format!("unknown field {}", quoted(&entry.key));
            self.wrong_at(node, entry.key_span, code::UNKNOWN_FIELD, message, hint);
        }
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, node: &'d Node, field: &str) -> Option<&'d Node> {
        self.required_or(node, field, None)
    }

    /// A field that must be there, with what to write if it is not.
    pub(super) fn required_or(
        &mut self,
        node: &'d Node,
        field: &str,
        hint: Option<&str>,
    ) -> Option<&'d Node> {
        let found = node.get(field);
        let misspelt = || {
            let is =
                |(map, meant): &(*const Node, String)| std::ptr::eq(*map, node) && meant == field;
            self.meant.iter().any(is)
        };
        if found.is_none() && !self.is_full() && !misspelt() {
            let message = format!("missing field {}", quoted(field));
            let span = self.key_span(node);
            self.wrong_at(node, span, code::MISSING_FIELD, message, hint.map(str::to_owned));
        }
        found
    }

    /// Where something that a map lacks is missed: at the map's key or its start.
    fn key_span(&self, node: &'d Node) -> Span {
        self.document.key_span(node).unwrap_or(Span::new(node.span.start, node.span.start))
    }

    /// Exactly one of these fields.
    pub(super) fn one_field(
        &mut self,
        node: &'d Node,
        what: &str,
        fields: &[&'static str],
    ) -> Option<(&'static str, &'d Node)> {
        let entries = node.entries().iter();
        let mut found = entries.filter_map(|entry| {
            fields.iter().find(|field| **field == entry.key).map(|field| (*field, entry))
        });
        let first = found.next();
        let second = found.next();
        match (first, second) {
            (Some((field, entry)), None) => Some((field, &entry.value)),
            (Some((one, _)), Some((other, entry))) => {
                let message = format!("{what} has one of {}, not both", list(&[one, other]));
                let hint = Some(format!("remove {}", list(&[other])));
                self.wrong_at(node, entry.key_span, code::INVALID_VALUE, message, hint);
                None
            }
            (None, _) => {
                let misspelt = self.meant.iter().any(|(map, meant)| {
                    std::ptr::eq(*map, node) && fields.contains(&meant.as_str())
                });
                if !misspelt && !self.is_full() {
                    let message = format!("{what} needs one of {}", list(fields));
                    let span = self.key_span(node);
                    self.wrong_at(node, span, code::MISSING_FIELD, message, None);
                }
                None
            }
        }
    }

    /// Reads a field that may be missing: `Some(None)` then.
    pub(super) fn optional<T>(
        &mut self,
        node: Option<&'d Node>,
        read: impl FnOnce(&mut Self, &'d Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match node {
            Some(node) => read(self, node).map(Some),
            None => Some(None),
        }
    }

    pub(super) fn text(&mut self, node: &'d Node) -> Option<&'d str> {
        match &node.value {
            Value::String(text) => Some(text),
            _ => self.wrong_type(node, "text", None),
        }
    }

    pub(super) fn boolean(&mut self, node: &'d Node) -> Option<bool> {
        match &node.value {
            Value::Bool(it) => Some(*it),
            Value::String(text) if matches!(text.as_str(), "yes" | "on" | "True") => {
                self.wrong_type(node, "`true` or `false`", Some("write true"))
            }
            Value::String(text) if matches!(text.as_str(), "no" | "off" | "False") => {
                self.wrong_type(node, "`true` or `false`", Some("write false"))
            }
            _ => self.wrong_type(node, "`true` or `false`", None),
        }
    }

    /// A whole number up to this one.
    pub(super) fn whole(&mut self, node: &'d Node, most: u64) -> Option<u64> {
        self.whole_or(node, most, &format!("a whole number from 0 to {most}"), None)
    }

    /// A whole number up to this one; `expected` says which, and `hint` what else to write.
    pub(super) fn whole_or(
        &mut self,
        node: &'d Node,
        most: u64,
        expected: &str,
        hint: Option<&str>,
    ) -> Option<u64> {
        match &node.value {
            Value::Number(Number::Unsigned(it)) if *it <= most => Some(*it),
            Value::Number(Number::Float(it))
                if it.fract() == 0.0 && *it >= 0.0 && *it <= most as f64 =>
            {
                Some(*it as u64)
            }
            Value::Number(_) => {
                let message = format!("expected {expected}, found {}", self.document.found(node));
                self.wrong(node, code::INVALID_VALUE, message, hint.map(str::to_owned));
                None
            }
            _ => self.wrong_type(node, expected, None),
        }
    }

    /// One of several words, as its index.
    pub(super) fn word(&mut self, node: &'d Node, words: &[&str]) -> Option<usize> {
        let text = self.text(node)?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            let hint = hint_for_name(nearest(text, words), words, "use one of");
            let message = format!("unknown value {}", quoted(text));
            self.wrong(node, code::UNKNOWN_VARIANT, message, hint);
        }
        found
    }

    pub(super) fn elements(&mut self, node: &'d Node, what: &str) -> Option<&'d [Node]> {
        match &node.value {
            Value::Seq(all) => Some(all),
            _ => self.wrong_type(node, what, None),
        }
    }

    /// An element of a list of named things: a map of one key.
    pub(super) fn named(&mut self, node: &'d Node, what: &str) -> Option<&'d Entry> {
        let expected = format!("a map of {what}'s name to what it is");
        match self.open_map(node, &expected)? {
            [entry] => Some(entry),
            [] => {
                let message = format!("expected {expected}, found an empty map");
                self.wrong(node, code::INVALID_VALUE, message, None);
                None
            }
            [_, second, ..] => {
                let message = format!("one element of this list is {expected}, and has one key");
                let hint = format!(
                    "begin a new element before {0}: `- {0}:`, or indent it below the name if it \
                     belongs to it",
                    second.key.escape_debug()
                );
                self.wrong_at(node, second.key_span, code::INVALID_VALUE, message, Some(hint));
                None
            }
        }
    }

    /// A map of names to things.
    pub(super) fn all<T>(
        &mut self,
        nodes: impl Iterator<Item = &'d Node>,
        mut read: impl FnMut(&mut Self, &'d Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut done = Some(Vec::new());
        for node in nodes {
            match (read(self, node), &mut done) {
                (Some(it), Some(done)) => done.push(it),
                _ => done = None,
            }
        }
        done
    }

    /// The value at a task's reference.
    pub(super) fn definition(&self, reference: &str) -> value::Value {
        let pointer = reference.strip_prefix(&self.prefix).unwrap_or_default();
        let steps = pointer.split('/').skip(1);
        steps.fold(self.whole.clone(), |value, step| match &value {
            value::Value::Arr(all) => {
                step.parse::<usize>().ok().and_then(|at| all.get(at)).cloned().unwrap_or_default()
            }
            value => value::field(value, &step.replace("~1", "/").replace("~0", "~")).clone(),
        })
    }
}

/// What to do about a problem, if there is anything to say.
pub(super) trait Hint {
    fn hint(self) -> Option<String>;
}

impl Hint for &str {
    fn hint(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl Hint for String {
    fn hint(self) -> Option<String> {
        Some(self)
    }
}

impl Hint for Option<String> {
    fn hint(self) -> Option<String> {
        self
    }
}

/// Names in backticks with commas between.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// An index of a section of `use`.
pub(super) type Index<'d> = BTreeMap<&'d str, &'d Node>;

/// Text that is shared.
pub(super) fn shared(text: &str) -> Arc<str> {
    text.into()
}
