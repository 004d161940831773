//! From text to documents. Each format has a reader that builds the same tree; what they share is
//! the [`Sink`], which counts what is read against the limits and collects what is wrong.

mod entries;
mod json;
mod schema;
mod toml;
mod yaml;
mod yaml_errors;

use std::sync::Arc;

use crate::document::Document;
use crate::format::Format;
use crate::limits::Limits;
use crate::problem::{Problem, code};
use crate::source::{Source, Text};
use crate::tree::{Node, Span};

/// Reads the documents of a source.
///
/// # Errors
/// All the problems with the source as text, in its order. A source without any document is a
/// problem, too.
pub fn parse(
    source: Source,
    format: Format,
    limits: &Limits,
) -> Result<Vec<Document>, Vec<Problem>> {
    read(source, format, limits, |document| Ok(document.clone()))
}

/// Reads the documents of a source and gives each to `decode`, so that one run reports the
/// problems of the text, of the types, and of whatever else `decode` checks.
///
/// # Errors
/// All the problems, in the order of the source. `decode` also sees documents of a source that has
/// problems elsewhere; its results are then dropped.
pub fn read<T>(
    source: Source,
    format: Format,
    limits: &Limits,
    mut decode: impl FnMut(&Document) -> Result<T, Vec<Problem>>,
) -> Result<Vec<T>, Vec<Problem>> {
    let (documents, mut problems) = documents(source, format, limits);
    let mut decoded = Vec::new();
    for document in &documents {
        if problems.len() >= limits.problems_max {
            break;
        }
        match decode(document) {
            Ok(value) => decoded.push(value),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        return Ok(decoded);
    }
    Problem::sort(&mut problems);
    problems.truncate(limits.problems_max.max(1));
    Err(problems)
}

fn documents(source: Source, format: Format, limits: &Limits) -> (Vec<Document>, Vec<Problem>) {
    let text = match admit(source, limits) {
        Ok(text) => Arc::new(text),
        Err(problems) => return (Vec::new(), problems),
    };
    let mut sink = Sink { text: &text, limits, problems: Vec::new(), broken: Vec::new(), nodes: 0 };
    let roots = match format {
        Format::Yaml => yaml::read(&mut sink),
        Format::Json => json::read(&mut sink),
        Format::Toml => toml::read(&mut sink),
    };
    if roots.is_empty() && sink.problems.is_empty() {
        sink.no_documents();
    }
    let Sink { problems, broken, .. } = sink;
    let broken: Arc<[usize]> = broken.into();
    let document = |(index, root)| Document::new(text.clone(), index, root, broken.clone());
    (roots.into_iter().enumerate().map(document).collect(), problems)
}

/// Indexes a source, unless it is too large to look at.
fn admit(source: Source, limits: &Limits) -> Result<Text, Vec<Problem>> {
    let bytes = source.text.len();
    if bytes <= limits.bytes_max {
        return Ok(Text::new(source));
    }
    let message = format!("the source has {bytes} bytes; at most {} are read", limits.bytes_max);
    let hint = "split it into several files".to_owned();
    let problem = Text::new(Source::new(source.name, ""));
    let problem = problem.problem(Span::default(), code::TOO_LARGE, message, Some(hint));
    Err(vec![Problem { excerpt: None, ..problem }])
}

/// Reading cannot go on; why is already among the problems.
#[derive(Debug)]
struct Stop;

/// What the readers share: the text, the limits and what is wrong so far.
struct Sink<'a> {
    text: &'a Text,
    limits: &'a Limits,
    problems: Vec<Problem>,
    /// Where the problems are, as bytes of the source.
    broken: Vec<usize>,
    nodes: usize,
}

impl<'a> Sink<'a> {
    fn source(&self) -> &'a str {
        self.text.as_str()
    }

    fn report(&mut self, span: Span, code: &'static str, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.problems.push(self.text.problem(span, code, message, hint));
        self.broken.push(span.start);
    }

    /// Admits one more value at this depth (the root's is 1).
    fn enter(&mut self, span: Span, depth: usize) -> Result<(), Stop> {
        self.admit_depth(span, depth)?;
        self.admit_nodes(span, 1)?;
        self.go_on()
    }

    fn admit_depth(&mut self, span: Span, depth: usize) -> Result<(), Stop> {
        if depth <= self.limits.depth_allowed() {
            return Ok(());
        }
        self.too_deep(span);
        Err(Stop)
    }

    fn too_deep(&mut self, span: Span) {
        let message =
            format!("lists and maps are nested more than {} deep", self.limits.depth_allowed());
        self.report(
            Span::new(span.start, span.start),
            code::TOO_DEEP,
            message,
            "flatten the structure",
        );
    }

    fn admit_nodes(&mut self, span: Span, more: usize) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= self.limits.nodes_max {
            return Ok(());
        }
        let message = format!("the source holds more than {} values", self.limits.nodes_max);
        self.report(span, code::TOO_LARGE, message, "split it into several files");
        Err(Stop)
    }

    /// Admits a document to those that were read.
    fn push(&mut self, roots: &mut Vec<Node>, root: Node) -> Result<(), Stop> {
        if roots.len() < self.limits.documents_max {
            roots.push(root);
            return Ok(());
        }
        let message = format!("the source holds more than {} documents", self.limits.documents_max);
        let span = Span::new(root.span.start, root.span.start);
        self.report(span, code::TOO_LARGE, message, "split it into several files");
        Err(Stop)
    }

    /// Stops a reader once there are more problems than anybody reads.
    fn go_on(&self) -> Result<(), Stop> {
        if self.problems.len() < self.limits.problems_max.max(1) { Ok(()) } else { Err(Stop) }
    }

    fn no_documents(&mut self) {
        let message = format!("no documents in {}", self.text.name);
        let hint = "the source is empty or holds only comments";
        self.report(Span::default(), code::NO_DOCUMENTS, message, hint);
    }
}
