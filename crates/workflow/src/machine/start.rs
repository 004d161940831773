//! What a run begins with, and the bounds that it stays within.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::Timestamp;

use crate::definition::{Schema, Task, Workflow};
use crate::value::Value;

/// What a run begins with. The same start and the same journal give the same run.
pub struct Start {
    /// The run's id: unique, and stable over restarts.
    pub run_id: Arc<str>,
    /// The workflow's raw input.
    pub input: Value,
    /// When the run begins.
    pub at: Timestamp,
    /// The secrets that this run may use. They are never part of the journal.
    pub secrets: BTreeMap<Arc<str>, Value>,
    /// What `$runtime` says.
    pub runtime: Runtime,
    /// The bounds of the run.
    pub limits: Limits,
    /// Reads the documents that a run meets on its way.
    pub reader: Arc<dyn Reader>,
}

/// What `$runtime` says.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// The runtime's name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What else there is to know of it: an object; null stands for an empty one.
    pub metadata: Value,
}

/// The bounds of a run. Passing one faults the run with an error of type `runtime`, which no `try`
/// catches; only the depth of nested workflows is an error of the task that passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks that begin because of one entry. A loop that waits for nothing passes it.
    pub tasks_per_entry_max: u32,
    /// Steps of expressions that are evaluated because of one entry, as
    /// docs/reference/expressions.md counts them; other work that grows with data counts as well.
    pub steps_per_entry_max: u64,
    /// Entries of the journal.
    pub entries_max: u64,
    /// Bytes of all entries, about.
    pub journal_bytes_max: usize,
    /// Bytes of the values that the run holds at the same time, about.
    pub memory_bytes_max: usize,
    /// Tasks, lists and nested runs that are active at the same time.
    pub scopes_max: usize,
    /// Workflows and functions within each other.
    pub nesting_max: u32,
    /// Events that are kept until a task listens to them. When it is passed, the oldest is dropped
    /// and an observation says so; the run goes on.
    pub events_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tasks_per_entry_max: 20_000,
            steps_per_entry_max: 5_000_000,
            entries_max: 100_000,
            journal_bytes_max: 128 << 20,
            memory_bytes_max: 128 << 20,
            scopes_max: 20_000,
            nesting_max: 32,
            events_max: 1_000,
        }
    }
}

/// Reads documents that are known only when a run meets them, and checks data. It must give the
/// same for the same, whenever it is asked: a replay asks again.
pub trait Reader: Send + Sync {
    /// A workflow that `run: workflow` found.
    ///
    /// # Errors
    /// What is wrong with the document.
    fn workflow(&self, text: &str) -> Result<Arc<Workflow>, String>;

    /// A function of a catalog: a task.
    ///
    /// # Errors
    /// What is wrong with the document.
    fn function(&self, text: &str) -> Result<Arc<Task>, String>;

    /// A schema that is not in the workflow's document.
    ///
    /// # Errors
    /// What is wrong with the document.
    fn schema(&self, text: &str) -> Result<Arc<Schema>, String>;

    /// Whether data is what a schema says. A schema that is still to be fetched is not given.
    ///
    /// # Errors
    /// The first few things that it is not.
    fn check(&self, schema: &Schema, data: &Value) -> Result<(), String>;
}
