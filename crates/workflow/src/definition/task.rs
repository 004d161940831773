//! Tasks, and those whose meaning is which other tasks run.

use std::sync::Arc;

use super::{Call, Emit, Flow, Listen, Period, Retry, Run, Shape};
use crate::expression::{Expression, Template};
use crate::value::Value;

/// Tasks in the order of the document. Their names differ.
pub type TaskList = Arc<[Arc<Task>]>;

/// One task.
#[derive(Debug)]
pub struct Task {
    /// Its name in its list.
    pub name: Arc<str>,
    /// Where it stands in the document, as a JSON pointer: `/do/0/getPet`.
    pub reference: Arc<str>,
    /// Whether it runs, evaluated on its raw input; if not, that is its output.
    pub condition: Option<Expression>,
    /// How its input is checked and shaped.
    pub input: Shape,
    /// How its output is shaped and checked.
    pub output: Shape,
    /// How the context becomes what it is after the task.
    pub export: Shape,
    /// After how long it faults.
    pub timeout: Option<Period>,
    /// What comes next.
    pub then: Flow,
    /// What it does.
    pub kind: Kind,
    /// The task as `$task.definition`.
    pub definition: Value,
}

/// What a task does.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the task of that name")]
pub enum Kind {
    Call(Call),
    Do(TaskList),
    Emit(Emit),
    For(For),
    Fork(Fork),
    Listen(Listen),
    Raise(Raise),
    Run(Run),
    Set(Template),
    Switch(Vec<Case>),
    Try(Try),
    Wait(Period),
}

/// `for`: the same tasks for each item of a collection.
#[derive(Debug)]
pub struct For {
    /// The variable of the item.
    pub each: Arc<str>,
    /// The variable of the index, from 0.
    pub at: Arc<str>,
    /// The collection.
    pub collection: Template,
    /// Whether to go on, evaluated before each item.
    pub condition: Option<Expression>,
    /// The tasks. The output of one round is the input of the next.
    pub tasks: TaskList,
}

/// `fork`: tasks beside each other.
#[derive(Debug)]
pub struct Fork {
    /// The branches.
    pub branches: TaskList,
    /// Whether the first to complete ends the others and gives the output.
    pub compete: bool,
}

/// `raise`: an error.
#[derive(Debug)]
pub struct Raise {
    /// The error.
    pub error: Arc<ErrorSpec>,
}

/// An error as a document defines it; `instance` is where it is raised unless it is given.
#[derive(Debug)]
pub struct ErrorSpec {
    /// A URI reference.
    pub kind: Template,
    /// The status, of HTTP's.
    pub status: Template,
    /// A summary.
    pub title: Option<Template>,
    /// An explanation.
    pub detail: Option<Template>,
    /// A JSON pointer.
    pub instance: Option<Template>,
}

/// A case of `switch`. The one without a condition is last and applies when no other does.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it applies.
    pub when: Option<Expression>,
    /// What comes next when it does.
    pub then: Flow,
}

/// `try`: tasks whose errors are caught.
#[derive(Debug)]
pub struct Try {
    /// The tasks.
    pub tasks: TaskList,
    /// What happens when one faults.
    pub catch: Catch,
}

/// `catch`: which errors are caught, and what then.
#[derive(Debug)]
pub struct Catch {
    /// What an error must equal to be caught.
    pub filter: ErrorFilter,
    /// The variable of the error.
    pub variable: Arc<str>,
    /// Whether it is caught, evaluated with the error's variable.
    pub when: Option<Expression>,
    /// Whether it is not.
    pub except_when: Option<Expression>,
    /// How the tasks are tried again.
    pub retry: Option<Arc<Retry>>,
    /// Tasks that run when it is caught and not tried again (any more).
    pub tasks: Option<TaskList>,
    /// What comes next then, instead of the task's own.
    pub then: Option<Flow>,
}

/// `errors.with`: what each property must be, where it says one.
#[derive(Debug, Default)]
pub struct ErrorFilter {
    /// The type.
    pub kind: Option<Template>,
    /// The status.
    pub status: Option<Template>,
    /// Where it comes from.
    pub instance: Option<Template>,
    /// The summary.
    pub title: Option<Template>,
    /// The explanation.
    pub detail: Option<Template>,
}
