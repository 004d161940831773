//! What shapes the flow of data and of control.

use std::sync::Arc;

use super::Schema;
use crate::expression::{Expression, Template};
use tessera_types::Duration;

/// `input`, `output` or `export`: a schema and what the data becomes. Input is checked before it
/// is shaped, output and context after.
#[derive(Debug, Default)]
pub struct Shape {
    /// What the data must be.
    pub schema: Option<Schema>,
    /// `from` or `as`; the data as it is (for `export`: the context as it is) when there is none.
    pub shape: Option<Template>,
}

/// `then`: what comes after a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// The next task of the list; after the last one the list is done.
    #[default]
    Continue,
    /// The list is done.
    Exit,
    /// The run is done.
    End,
    /// The task of this name in the same list.
    Task(Arc<str>),
}

/// A length of time.
#[derive(Debug)]
pub enum Period {
    /// One that is known.
    Fixed(Duration),
    /// An expression for an ISO 8601 duration, or for an object of `days`, `hours`, `minutes`,
    /// `seconds` and `milliseconds`.
    Computed(Template),
}

/// How a `try` is tried again.
#[derive(Debug)]
pub struct Retry {
    /// Whether to, evaluated with the error's variable.
    pub when: Option<Expression>,
    /// Whether not to.
    pub except_when: Option<Expression>,
    /// The time before the first retry.
    pub delay: Option<Period>,
    /// How it grows.
    pub backoff: Backoff,
    /// The bounds of what is added to it, at random.
    pub jitter: Option<(Period, Period)>,
    /// Retries at most.
    pub attempts_max: Option<u32>,
    /// How long one attempt may take.
    pub attempt_duration: Option<Period>,
    /// How long all of them may take.
    pub duration: Option<Period>,
}

/// How the time before a retry grows with their number n, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    #[default]
    Constant,
    /// n times the first.
    Linear,
    /// 2^(n-1) times the first.
    Exponential,
}
