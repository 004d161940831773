//! One document of a source: its tree, and the way from a path in it to a place in the file.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::decode;
use crate::path::{Found, follow, path_of};
use crate::problem::Problem;
use crate::source::{Position, Text};
use crate::tree::{Entry, Node, Span};

/// A document that was read, and is not yet of any type.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<Text>,
    index: usize,
    root: Node,
    /// Where reading found problems, as bytes of the source.
    broken: Arc<[usize]>,
}

impl Document {
    pub(crate) fn new(text: Arc<Text>, index: usize, root: Node, broken: Arc<[usize]>) -> Self {
        Self { text, index, root, broken }
    }

    /// The name of the source.
    pub fn source_name(&self) -> &str {
        &self.text.name
    }

    /// The document's number in its source, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The document's value.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Decodes the document into a type.
    ///
    /// # Errors
    /// Every mistake that can be told from the others, in the order of the source and at most
    /// twenty. A mistake that only follows from another is left out; inside [`crate::read`] that can
    /// leave none, where what is wrong is known from reading.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        decode::decode(self, &self.root)
    }

    /// Decodes the value at `path` into a type, as [`Document::decode`] does for the whole.
    ///
    /// # Errors
    /// As for [`Document::decode`]; a path that does not exist is a missing field.
    pub fn decode_at<T: DeserializeOwned>(&self, path: &str) -> Result<T, Vec<Problem>> {
        match follow(&self.root, path) {
            Found { node, complete: true, .. } => decode::decode(self, node),
            _ => Err(vec![decode::missing(self, path)]),
        }
    }

    /// Where the value at `path` (such as `spec.ports[2].name`) stands, if it exists.
    pub fn lookup(&self, path: &str) -> Option<Span> {
        let found = follow(&self.root, path);
        found.complete.then_some(found.node.span)
    }

    /// The line and column at which a span starts.
    pub fn position(&self, span: Span) -> Position {
        self.text.position(span.start)
    }

    /// A problem with the value at `path`, for validation that runs after decoding. If the path
    /// does not exist (a field that should be there), the problem stands at the key of the
    /// innermost value on the way that does.
    pub fn problem(
        &self,
        path: &str,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let found = follow(&self.root, path);
        let span = match (found.complete, found.entry) {
            (false, Some(entry)) => entry.key_span,
            (_, entry) => self.span_of(found.node, entry),
        };
        let problem = self.text.problem(span, code, message, hint);
        Problem { path: path.to_owned(), ..problem }
    }

    /// A problem with a value of this document, for decoders of their own. It stands at `span`, such
    /// as that of a key or of a part of a text; at the value when there is none.
    pub fn problem_at(
        &self,
        node: &Node,
        span: Option<Span>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let entry = decode::entry_of(&self.root, node);
        let span = span.unwrap_or_else(|| self.span_of(node, entry));
        let problem = self.text.problem(span, code, message, hint);
        Problem { path: path_of(&self.root, node).unwrap_or_default(), ..problem }
    }

    /// Where the key stands under which a value is; none for elements of lists and for the root.
    pub fn key_span(&self, node: &Node) -> Option<Span> {
        decode::entry_of(&self.root, node).map(|entry| entry.key_span)
    }

    /// What a value is, in the words of a message: "the number 5", "a list".
    pub fn found(&self, node: &Node) -> String {
        decode::wording::found(&decode::fault::Found::of(node), self.source_of(node))
    }

    /// A value as it was written.
    pub fn source_of(&self, node: &Node) -> &str {
        self.text.slice(node.span)
    }

    /// What a problem with a value points at: the value, but the key of one that is empty, and of
    /// the whole document only the start.
    pub(crate) fn span_of(&self, node: &Node, entry: Option<&Entry>) -> Span {
        match entry {
            Some(entry) if node.span.start == node.span.end => entry.key_span,
            _ if std::ptr::eq(node, &self.root) => Span::new(node.span.start, node.span.start),
            _ => node.span,
        }
    }

    /// Whether reading found a problem in a value, so that what it looks like now says nothing.
    pub fn is_broken(&self, node: &Node) -> bool {
        let Span { start, end } = node.span;
        self.broken.iter().any(|&at| at == start || (start..end).contains(&at))
    }

    pub(crate) fn text(&self) -> &Text {
        &self.text
    }
}
