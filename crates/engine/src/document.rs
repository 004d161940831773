//! Documents: from text to workflows, once for each text.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tessera_manifest::{Problem, Source};
use tessera_workflow::definition::Workflow;
use tessera_workflow::reading;

/// Documents that are kept read.
const KEPT_MAX: usize = 1024;

/// The documents that were read lately, by the hash of each.
#[derive(Default)]
pub(crate) struct Documents(Mutex<HashMap<String, Arc<Workflow>>>);

impl Documents {
    /// The workflow of a text that was read before it was stored.
    pub(crate) fn stored(&self, hash: &str, text: &str) -> Result<Arc<Workflow>, String> {
        if let Some(workflow) = self.0.lock().get(hash) {
            return Ok(Arc::clone(workflow));
        }
        let workflow = read("the stored document", text).map_err(|problems| first(&problems))?;
        self.keep(&workflow, hash);
        Ok(workflow)
    }

    /// Keeps a workflow under its hash.
    pub(crate) fn keep(&self, workflow: &Arc<Workflow>, hash: &str) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(hash.to_owned(), Arc::clone(workflow));
    }
}

/// Reads a workflow.
pub(crate) fn read(name: &str, text: &str) -> Result<Arc<Workflow>, Vec<Problem>> {
    let format = reading::format_of(name, text);
    Ok(reading::read(Source::new(name, text), format)?.workflow)
}

fn first(problems: &[Problem]) -> String {
    problems.first().map_or_else(|| "it says nothing".to_owned(), ToString::to_string)
}
