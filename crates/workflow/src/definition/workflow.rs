//! The document as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Period, Shape, Task, TaskList};
use crate::expression::Expression;
use crate::value::Value;

/// A document that was read and checked.
#[derive(Debug)]
pub struct Workflow {
    /// What it says of itself.
    pub header: Header,
    /// How its input is checked and shaped.
    pub input: Shape,
    /// How its output is shaped and checked.
    pub output: Shape,
    /// After how long a run of it faults.
    pub timeout: Option<Period>,
    /// Its tasks.
    pub tasks: TaskList,
    /// What happens around tasks.
    pub extensions: Vec<Extension>,
    /// The names of the secrets that it may use.
    pub secrets: Vec<Arc<str>>,
    /// The document as `$workflow.definition`.
    pub definition: Value,
    /// SHA-256 of the document's content, in hexadecimal: what a run is pinned to. Layout and
    /// comments do not count.
    pub hash: Arc<str>,
}

/// `document`: what a workflow says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the DSL.
    pub dsl: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// A title for people.
    pub title: Option<String>,
    /// A summary in Markdown.
    pub summary: Option<String>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// `use.extensions[]`: tasks around tasks.
#[derive(Debug)]
pub struct Extension {
    /// Its name.
    pub name: Arc<str>,
    /// The sort of tasks that it is around.
    pub extends: Extends,
    /// Whether it applies to a task, evaluated on the task's raw input.
    pub when: Option<Expression>,
    /// Tasks before it. One of them that says `exit` replaces the task: its output is theirs.
    pub before: TaskList,
    /// Tasks after it.
    pub after: TaskList,
}

/// The sorts of tasks that an extension may be around. Tasks of extensions are not extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the task of that name")]
pub enum Extends {
    All,
    Call,
    Composite,
    Emit,
    For,
    Listen,
    Raise,
    Run,
    Set,
    Switch,
    Try,
    Wait,
}

impl Workflow {
    /// `namespace/name@version`.
    #[must_use]
    pub fn reference(&self) -> String {
        let Header { namespace, name, version, .. } = &self.header;
        format!("{namespace}/{name}@{version}")
    }

    /// The task that a run begins with.
    #[must_use]
    pub fn first(&self) -> Option<&Arc<Task>> {
        self.tasks.first()
    }
}
