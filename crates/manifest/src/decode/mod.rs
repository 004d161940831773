//! From the tree to a type, with every mistake that can be told from the others.
//!
//! Serde stops at the first error. So decoding runs in passes: after an error the value concerned
//! is left out (or, for a missing field, one is made up), and the next pass finds the next mistake.
//! What may only follow from such a patch is not reported: a missing field that was left out, or a
//! check of a whole map of which a part is patched.

mod deserializer;
pub(crate) mod fault;
mod hole;
pub(crate) mod suggest;
pub(crate) mod wording;

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::document::Document;
use crate::path::{Found as Followed, follow, path_of};
use crate::problem::{Problem, code};
use crate::tree::{Entry, Node, Span};
use deserializer::{NodeDeserializer, Patch};
use fault::{Fault, Found, Kind, Place};

/// Problems that one document reports.
const PROBLEMS_MAX: usize = 20;
/// Passes over one document. Some end in an error that is not reported.
const PASSES_MAX: usize = 60;

pub(crate) fn decode<T: DeserializeOwned>(
    document: &Document,
    node: &Node,
) -> Result<T, Vec<Problem>> {
    let mut patch = Patch::default();
    let mut report = Report { document, node, problems: Vec::new(), meant: Vec::new() };
    for _ in 0..PASSES_MAX {
        let pass = NodeDeserializer { node, patch: &patch };
        let fault = match pass.decode(PhantomData::<T>) {
            Ok(value) if patch.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(fault) => locate(fault, node, &patch),
        };
        let next = report.take(&fault, &patch);
        if report.problems.len() >= PROBLEMS_MAX || !next.apply(&mut patch, node) {
            break;
        }
    }
    Problem::sort(&mut report.problems);
    Err(report.problems)
}

/// The problem of a part that a caller wants to decode and that is not there.
pub(crate) fn missing(document: &Document, path: &str) -> Problem {
    let (parent, field) = path.rsplit_once('.').unwrap_or(("", path));
    missing_field(document, follow(document.root(), parent), parent.to_owned(), field)
}

fn missing_field(document: &Document, map: Followed<'_>, path: String, field: &str) -> Problem {
    let span = match map.entry {
        Some(entry) => entry.key_span,
        None => Span::new(map.node.span.start, map.node.span.start),
    };
    let message = format!("missing field {}", wording::quoted(field));
    Problem { path, ..document.text().problem(span, code::MISSING_FIELD, message, None) }
}

/// A fault and where it is.
struct Located<'t> {
    kind: Kind,
    place: Place<'t>,
}

/// Finds the place of a fault. Types with flattened or tagged parts read those from a copy, so
/// serde names the map around; if only one value below can be meant, it is that.
fn locate<'t>(fault: Fault<'t>, root: &'t Node, patch: &Patch) -> Located<'t> {
    let Fault { kind, place } = fault;
    let place = match place.unwrap_or(Place::Value(root)) {
        Place::Value(node) => match &kind {
            Kind::UnknownField { field, .. } => only_key(node, field, patch).map(Place::Key),
            Kind::UnknownVariant { variant, .. } => {
                only_value(node, |node| node.as_str() == Some(variant), patch).map(Place::Value)
            }
            Kind::WrongType { found, .. } | Kind::InvalidValue { found, .. } => {
                only_value(node, |node| found.is(node), patch).map(Place::Value)
            }
            _ => None,
        }
        .unwrap_or(Place::Value(node)),
        place => place,
    };
    Located { kind, place }
}

/// The value itself if it is meant, else the only one below that can be.
fn only_value<'t>(
    node: &'t Node,
    is_meant: impl Fn(&Node) -> bool,
    patch: &Patch,
) -> Option<&'t Node> {
    if is_meant(node) {
        return Some(node);
    }
    let mut all = Vec::new();
    collect(node, patch, &mut all);
    let mut meant = all.into_iter().filter(|&node| is_meant(node));
    meant.next().filter(|_| meant.next().is_none())
}

fn only_key<'t>(node: &'t Node, key: &str, patch: &Patch) -> Option<&'t Entry> {
    let mut all = vec![node];
    collect(node, patch, &mut all);
    let entries = all.into_iter().flat_map(Node::entries);
    let mut meant = entries.filter(|entry| entry.key == key && !patch.skips(&entry.value));
    meant.next().filter(|_| meant.next().is_none())
}

/// Gathers the values below one that are not skipped.
fn collect<'t>(node: &'t Node, patch: &Patch, all: &mut Vec<&'t Node>) {
    for child in node.children().filter(|child| !patch.skips(child)) {
        all.push(child);
        collect(child, patch, all);
    }
}

/// How to get past a fault.
enum Next<'t> {
    Skip(&'t Node),
    Fill(&'t Node, &'static str),
}

impl Next<'_> {
    /// Applies the patch; `false` if there is no way past this fault.
    fn apply(self, patch: &mut Patch, root: &Node) -> bool {
        match self {
            Self::Fill(map, field) => patch.fill(map, field),
            Self::Skip(node) if std::ptr::eq(node, root) || patch.skips(node) => false,
            Self::Skip(node) => {
                patch.skip(node);
                true
            }
        }
    }
}

/// The problems of one document so far.
struct Report<'t> {
    document: &'t Document,
    /// The value that is decoded: the document's root or a part of it.
    node: &'t Node,
    problems: Vec<Problem>,
    /// The known names that unknown fields were taken to mean, with their maps.
    meant: Vec<(*const Node, &'static str)>,
}

impl<'t> Report<'t> {
    /// Reports a fault unless it follows from an earlier one, and says how to get past it.
    fn take(&mut self, fault: &Located<'t>, patch: &Patch) -> Next<'t> {
        match (fault.place, &fault.kind) {
            (Place::Hole(map), _) => Next::Skip(map),
            (Place::Key(entry), _) => {
                self.at_key(entry, &fault.kind);
                Next::Skip(&entry.value)
            }
            (Place::Value(map), Kind::MissingField(field)) => {
                self.missing(map, field, patch);
                Next::Fill(map, field)
            }
            (Place::Value(node), kind) => {
                if !patch.touches(node) && !self.document.is_broken(node) {
                    let problem = self.at_value(node, kind);
                    self.problems.push(problem);
                }
                Next::Skip(node)
            }
        }
    }

    fn at_key(&mut self, entry: &'t Entry, kind: &Kind) {
        let map = parent_of(self.document.root(), &entry.value).unwrap_or(self.node);
        if let Kind::UnknownField { field, known } = kind
            && let Some(meant) = suggest::nearest(field, known)
        {
            self.meant.push((map, meant));
        }
        let found = Found::Scalar(crate::tree::Value::String(entry.key.clone()));
        let (code, message, hint) = describe(kind, None, &found, &entry.key);
        let problem = self.document.text().problem(entry.key_span, code, message, hint);
        let path = path_of(self.document.root(), map).unwrap_or_default();
        self.problems.push(Problem { path, ..problem });
    }

    fn missing(&mut self, map: &'t Node, field: &'static str, patch: &Patch) {
        let left_out = map.get(field).is_some_and(|value| patch.skips(value));
        let misspelt = self.meant.contains(&(std::ptr::from_ref(map), field));
        if left_out || misspelt {
            return;
        }
        let path = path_of(self.document.root(), map).unwrap_or_default();
        let entry = entry_of(self.document.root(), map);
        let map = Followed { node: map, entry, complete: true };
        self.problems.push(missing_field(self.document, map, path, field));
    }

    fn at_value(&self, node: &'t Node, kind: &Kind) -> Problem {
        let text = self.document.text();
        let source = text.slice(node.span);
        let (code, message, hint) = describe(kind, Some(node), &Found::of(node), source);
        let span = self.document.span_of(node, entry_of(self.document.root(), node));
        let path = path_of(self.document.root(), node).unwrap_or_default();
        Problem { path, ..text.problem(span, code, message, hint) }
    }
}

/// Where a field is that people look for beside the one that has it.
fn within(field: &str, known: &[&'static str]) -> Option<String> {
    let outer = match field {
        "timeout" => "retry",
        _ => return None,
    };
    known.contains(&outer).then(|| format!("write it within {}", wording::quoted(outer)))
}

/// The code, the message and the hint for a fault at a value that was written as `source`.
fn describe(
    kind: &Kind,
    node: Option<&Node>,
    here: &Found,
    source: &str,
) -> (&'static str, String, Option<String>) {
    match kind {
        Kind::WrongType { found, expected } => {
            mismatch(code::WRONG_TYPE, found, expected, node, here, source)
        }
        Kind::InvalidValue { found, expected } => {
            mismatch(code::INVALID_VALUE, found, expected, node, here, source)
        }
        Kind::InvalidLength { length, expected } => {
            let message = format!("expected {}, found {length}", wording::expected(expected));
            (code::INVALID_VALUE, message, None)
        }
        Kind::UnknownField { field, known } => {
            let hint = within(field, known).or_else(|| {
                wording::hint_for_name(suggest::nearest(field, known), known, "known fields:")
            });
            (code::UNKNOWN_FIELD, format!("unknown field {}", wording::quoted(field)), hint)
        }
        Kind::UnknownVariant { variant, known } => {
            let hint =
                wording::hint_for_name(suggest::nearest(variant, known), known, "use one of");
            (code::UNKNOWN_VARIANT, format!("unknown value {}", wording::quoted(variant)), hint)
        }
        Kind::MissingField(field) => {
            (code::MISSING_FIELD, format!("missing field {}", wording::quoted(field)), None)
        }
        Kind::DuplicateField(field) => {
            let hint = Some("keep one of the two".to_owned());
            (
                code::DUPLICATE_KEY,
                format!("the field {} is set twice", wording::quoted(field)),
                hint,
            )
        }
        Kind::Custom(message) => (code::INVALID_VALUE, wording::custom(message, node), None),
    }
}

fn mismatch(
    code: &'static str,
    found: &Found,
    expected: &str,
    node: Option<&Node>,
    here: &Found,
    source: &str,
) -> (&'static str, String, Option<String>) {
    // Only the value that is meant is known as it was written.
    let source = if found == here { source } else { "" };
    let expected = wording::expected(expected);
    let message = format!("expected {expected}, found {}", wording::found(found, source));
    let hint = node.filter(|_| found == here);
    let hint = hint.and_then(|node| wording::hint_for_type(&expected, node, source));
    (code, message, hint)
}

/// The list or map that holds a value.
fn parent_of<'t>(root: &'t Node, child: &Node) -> Option<&'t Node> {
    if root.children().any(|node| std::ptr::eq(node, child)) {
        return Some(root);
    }
    root.children().find_map(|node| parent_of(node, child))
}

/// The entry under whose key a value stands.
pub(crate) fn entry_of<'t>(root: &'t Node, value: &Node) -> Option<&'t Entry> {
    let entries = parent_of(root, value)?.entries();
    entries.iter().find(|entry| std::ptr::eq(&entry.value, value))
}
