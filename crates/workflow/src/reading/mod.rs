//! From text to a [`Workflow`] that can be run, or to everything that is wrong with it.
//!
//! The one idea: the specification is full of "this or that", and its schema can only say that
//! something is neither. So a decoder written out by hand walks the document, knows what was meant,
//! and reports each mistake at its place; the schema is asked afterwards, as a second opinion.

mod call;
mod documents;
mod endpoint;
mod errors;
mod event;
mod flow;
mod json;
mod reachable;
mod reader;
mod run;
mod schema;
mod scope;
mod task;
mod uses;
mod workflow;

use std::sync::Arc;

use tessera_manifest::{Document, Limits, Problem};

pub use tessera_manifest::{Format, Source};

use crate::definition::{Task, Workflow};
use reader::Reader;
use scope::Scope;
use task::Targets;

pub use documents::Documents;

/// The codes of problems and warnings, beside those of [`tessera_manifest::code`].
pub mod code {
    /// An expression is no jq, or uses what is not there.
    pub const EXPRESSION: &str = "expression";
    /// Valid, but not supported here. A document with nothing but such problems is a valid one.
    pub const UNSUPPORTED: &str = "unsupported";
    /// A version of the DSL that is not supported.
    pub const UNSUPPORTED_VERSION: &str = "unsupported_version";
    /// Something of `use`, or a secret, that is not there.
    pub const UNKNOWN_REFERENCE: &str = "unknown_reference";
    /// `then` names no task of its list.
    pub const UNKNOWN_TASK: &str = "unknown_task";
    /// Two tasks, cases or extensions of one list have the same name.
    pub const DUPLICATE_NAME: &str = "duplicate_name";
    /// Functions that call themselves.
    pub const RECURSION: &str = "recursion";
    /// A schema of data that is none, or that costs too much.
    pub const INVALID_SCHEMA: &str = "invalid_schema";
    /// The specification's schema finds what the decoder did not.
    pub const SCHEMA: &str = "schema";

    /// A warning: no run comes to a task.
    pub const UNREACHABLE: &str = "unreachable";
    /// A warning: text looks like an expression and is none.
    pub const LOST_EXPRESSION: &str = "lost_expression";
    /// A warning: a variable has the name of one of the specification's.
    pub const HIDDEN_VARIABLE: &str = "hidden_variable";
    /// A warning: a task has the name of a flow directive.
    pub const RESERVED_NAME: &str = "reserved_name";
}

/// What may be read of one document. A workflow is one document, written by a person.
pub const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 64,
    nodes_max: 100_000,
    // One is enough; one more, to say so of the second.
    documents_max: 2,
    alias_nodes_max: 10_000,
    alias_bytes_max: 256 << 10,
    problems_max: 100,
};

/// A document that was read.
#[derive(Debug)]
pub struct Reading {
    /// The workflow.
    pub workflow: Arc<Workflow>,
    /// What is allowed and probably not meant, in the order of the source.
    pub warnings: Vec<Problem>,
}

/// Reads a workflow.
///
/// # Errors
/// All that is wrong, in the order of the source. If the code of each is [`code::UNSUPPORTED`], the
/// document is valid and cannot be run here.
pub fn read(source: Source, format: Format) -> Result<Reading, Vec<Problem>> {
    let is_too_large = source.text.len() > LIMITS.bytes_max;
    read_one(source, format).map_err(|mut problems| {
        // Other sources can be split; a workflow is one document.
        problems.iter_mut().filter(|_| is_too_large).for_each(|it| it.hint = Some(SMALLER.into()));
        problems
    })
}

/// What to do about a document that is too large.
const SMALLER: &str =
    "give data as input, or run parts of it as other workflows: `run: { workflow }`";

fn read_one(source: Source, format: Format) -> Result<Reading, Vec<Problem>> {
    let mut count = 0;
    let mut readings = tessera_manifest::read(source, format, &LIMITS, |document| {
        count += 1;
        if count > 1 {
            return Err(vec![second_document(document)]);
        }
        let mut reader = Reader::new(document, "");
        let workflow = reader.workflow();
        if reader.is_valid() {
            reader.compare_with_schema(true);
        }
        let clean = reader.is_clean();
        let (problems, warnings) = reader.finish();
        match workflow {
            Some(workflow) if clean => Ok(Reading { workflow: Arc::new(workflow), warnings }),
            _ => Err(problems),
        }
    })?;
    Ok(readings.remove(0))
}

/// Reads a function of a catalog: one task, which knows nothing of the document that calls it.
/// `reference` is what its tasks' references begin with.
///
/// # Errors
/// All that is wrong, in the order of the source.
pub fn read_function(
    name: &str,
    reference: &str,
    source: Source,
    format: Format,
) -> Result<Arc<Task>, Vec<Problem>> {
    let mut count = 0;
    let mut tasks = tessera_manifest::read(source, format, &LIMITS, |document| {
        count += 1;
        if count > 1 {
            return Err(vec![second_document(document)]);
        }
        let mut reader = Reader::new(document, reference);
        let root = document.root();
        reader.numbers(root);
        let scope = Scope::default();
        let task = reader.task(name, root, reference.to_owned(), &scope, &Targets::Function);
        if reader.is_valid() {
            reader.compare_with_schema(false);
        }
        let clean = reader.is_clean();
        match task {
            Some(task) if clean => Ok(task),
            _ => Err(reader.finish().0),
        }
    })?;
    Ok(tasks.remove(0))
}

/// The format of a document: by the extension of its name, or else by how it begins.
#[must_use]
pub fn format_of(name: &str, text: &str) -> Format {
    let named = Format::of_path(name).filter(|format| *format != Format::Toml);
    named.unwrap_or_else(|| Format::detect(text))
}

fn second_document(document: &Document) -> Problem {
    let message = "a second workflow in one file";
    let hint = Some("write each workflow into a file of its own".to_owned());
    document.problem("", tessera_manifest::code::TOO_LARGE, message, hint)
}

/// A document as JSON, whatever it says.
pub(crate) fn plain_document(name: &str, text: &str) -> Result<serde_json::Value, String> {
    let source = Source::new(name, text);
    let format = format_of(name, text);
    let documents = tessera_manifest::parse(source, format, &LIMITS).map_err(|problems| {
        problems.first().map_or_else(|| "no document".to_owned(), ToString::to_string)
    })?;
    Ok(json::plain(documents[0].root()))
}
