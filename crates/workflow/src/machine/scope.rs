//! The tree of what is active in a run: nested runs, lists of tasks, and tasks.
//!
//! It is an arena: a scope knows its parent and its children by id, and an id is never used again.
//! So work that was meant for a scope that has gone finds nothing and does nothing, and removing a
//! tree needs no recursion.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tessera_types::Timestamp;

use super::listen::ListenState;
use super::{Error, StepId};
use crate::definition::{Flow, Task, TaskList, Workflow};
use crate::expression::Variables;
use crate::value::Value;

/// A scope, in the order in which they came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ScopeId(pub(super) u64);

/// A scope of any kind.
pub(super) struct Scope {
    /// What waits for its end, and as what.
    pub(super) parent: Option<Parent>,
    pub(super) children: BTreeSet<ScopeId>,
    pub(super) timers: Vec<(Timestamp, Timer)>,
    /// The effect that it waits for.
    pub(super) step: Option<StepId>,
    pub(super) env: Env,
    pub(super) frame: Frame,
}

/// What waits for the end of a scope.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) id: ScopeId,
    /// Which of its children this is: the branch, the extension.
    pub(super) slot: usize,
}

/// What a scope inherits.
#[derive(Clone)]
pub(super) struct Env {
    /// The run that it belongs to, which may be one within another.
    pub(super) run: ScopeId,
    /// The variables of the loops and catches around it.
    pub(super) locals: Arc<Variables>,
    /// The round of the innermost loop.
    pub(super) iteration: Option<u64>,
    /// Whether it belongs to an extension, and is not extended itself.
    pub(super) extension: bool,
    /// How many workflows and functions it is within.
    pub(super) depth: u32,
}

pub(super) enum Frame {
    Run(Box<RunFrame>),
    List(ListFrame),
    Task(Box<TaskFrame>),
}

/// A run of a workflow: the whole, or one within it.
pub(super) struct RunFrame {
    pub(super) workflow: Arc<Workflow>,
    /// Its id.
    pub(super) id: Arc<str>,
    /// The tasks that it is part of, the outermost first.
    pub(super) within: Arc<[Arc<str>]>,
    pub(super) raw: Value,
    pub(super) context: Value,
    /// `$secrets`.
    pub(super) secrets: Value,
    /// `$workflow`.
    pub(super) descriptor: Value,
    pub(super) stage: RunStage,
}

#[derive(Clone)]
pub(super) enum RunStage {
    Input,
    Body,
    Output(Value),
}

/// Tasks one after the other.
pub(super) struct ListFrame {
    pub(super) tasks: TaskList,
    /// The one that runs, or is next.
    pub(super) index: usize,
    /// What goes into it.
    pub(super) data: Value,
}

/// A task.
pub(super) struct TaskFrame {
    pub(super) task: Arc<Task>,
    pub(super) started_at: Timestamp,
    pub(super) stage: Stage,
    pub(super) raw: Value,
    /// The transformed input, once it is known.
    pub(super) input: Option<Value>,
    /// The raw output, once it is known.
    pub(super) output: Option<Value>,
    /// The transformed output, once it is known.
    pub(super) result: Option<Value>,
    /// `$authorization`.
    pub(super) authorization: Option<Value>,
    /// What comes next instead of what the task says.
    pub(super) then: Option<Flow>,
    /// The extensions around it, by their index in the workflow.
    pub(super) extensions: Vec<usize>,
    pub(super) body: Body,
}

/// Where a task stands in its data flow. A stage that must wait for something is entered again.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Begin,
    /// The tasks before it, of this extension.
    Before(usize),
    Input,
    Body,
    Output,
    /// The tasks after it; so many extensions are left.
    After(usize),
}

/// What a task that is under way knows.
pub(super) enum Body {
    Idle,
    For(ForState),
    Fork(ForkState),
    Listen(Box<ListenState>),
    Try(TryState),
    Emitted(Value),
}

pub(super) struct ForState {
    pub(super) items: VecDeque<Value>,
    pub(super) index: u64,
    /// The output of the last round.
    pub(super) data: Value,
}

pub(super) struct ForkState {
    pub(super) outputs: Vec<Value>,
    pub(super) open: usize,
    pub(super) error: Option<Error>,
}

pub(super) struct TryState {
    /// Retries that were begun.
    pub(super) attempt: u32,
    pub(super) since: Timestamp,
    pub(super) catching: bool,
}

/// What a scope is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    Timeout,
    Attempt,
    Retry,
    Wait,
}

/// How a scope ended.
pub(super) enum Ended {
    Completed {
        output: Value,
        /// What comes next. A list says `exit` when one of its tasks did.
        flow: Flow,
    },
    Faulted(Error),
}

impl TaskFrame {
    pub(super) fn new(task: Arc<Task>, raw: Value, at: Timestamp) -> Self {
        Self {
            task,
            started_at: at,
            stage: Stage::Begin,
            raw,
            input: None,
            output: None,
            result: None,
            authorization: None,
            then: None,
            extensions: Vec::new(),
            body: Body::Idle,
        }
    }

    /// What the definition of the task is evaluated on.
    pub(super) fn input(&self) -> &Value {
        self.input.as_ref().unwrap_or(&self.raw)
    }
}

impl Env {
    /// The same with further variables, in this round.
    pub(super) fn with(
        &self,
        variables: impl IntoIterator<Item = (Arc<str>, Value)>,
        iteration: Option<u64>,
    ) -> Self {
        let mut locals = (*self.locals).clone();
        locals.extend(variables);
        let iteration = iteration.or(self.iteration);
        Self { locals: Arc::new(locals), iteration, ..self.clone() }
    }
}
