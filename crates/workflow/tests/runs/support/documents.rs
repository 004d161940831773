//! Documents for runs under test, read as all documents are.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tessera_manifest::Source;
use tessera_workflow::definition::Workflow;
use tessera_workflow::reading;

use super::gherkin::yaml;

/// A workflow's document, or the tasks of one, with the header that it lacks.
pub(crate) fn complete(text: &str) -> String {
    let mut document = match yaml(text) {
        tasks @ Json::Array(_) => json!({ "do": tasks }),
        document => document,
    };
    if document.get("document").is_none() {
        document["document"] =
            json!({"dsl": "1.0.3", "namespace": "test", "name": "example", "version": "1.0.0"});
    }
    document.to_string()
}

/// The workflow of a document, or of its tasks, with or without a header.
pub(crate) fn short(text: &str) -> Arc<Workflow> {
    workflow(&complete(text))
}

/// The workflow of a document.
pub(crate) fn workflow(text: &str) -> Arc<Workflow> {
    let source = Source::new("test", text);
    let read = reading::read(source, reading::format_of("test", text));
    let said = |problems: Vec<tessera_manifest::Problem>| -> String {
        problems.iter().map(|it| format!("{it}\n")).collect()
    };
    read.unwrap_or_else(|problems| panic!("{}{text}", said(problems))).workflow
}
