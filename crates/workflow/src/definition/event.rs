//! Events that are emitted and listened to.

use std::sync::Arc;

use super::TaskList;
use crate::expression::{Expression, Template};

/// `emit`: an event.
#[derive(Debug)]
pub struct Emit {
    /// `event.with`: an object of its attributes.
    pub event: Template,
}

/// `listen`: waits for events. Its output is the list of those that it consumed.
#[derive(Debug)]
pub struct Listen {
    /// Which ones.
    pub to: Consumption,
    /// What of each is read.
    pub read: ReadAs,
    /// What is done for each, in their order.
    pub each: Option<ForEach>,
}

/// `foreach`: tasks for each event. The next one waits until they are done.
#[derive(Debug)]
pub struct ForEach {
    /// The variable of the event.
    pub item: Arc<str>,
    /// The variable of its index, from 0.
    pub at: Arc<str>,
    /// The tasks.
    pub tasks: Option<TaskList>,
    /// What of the event goes into the output.
    pub output: super::Shape,
    /// What the context becomes.
    pub export: super::Shape,
}

/// Which events complete a `listen`.
#[derive(Debug)]
pub enum Consumption {
    /// One that passes the filter.
    One(EventFilter),
    /// One for each filter.
    All(Vec<EventFilter>),
    /// Those that pass any of the filters, or all when there is none.
    Any {
        /// The filters.
        filters: Vec<EventFilter>,
        /// How long; the first one is enough when not given.
        until: Option<Until>,
    },
}

/// When a `listen` to any event ends.
#[derive(Debug)]
pub enum Until {
    /// When this holds of what was consumed, evaluated after each.
    Condition(Expression),
    /// When these were consumed. They do not count as output.
    Consumed(Box<Consumption>),
}

/// What an event must be.
#[derive(Debug)]
pub struct EventFilter {
    /// `with`: for each attribute an expression that holds of it, or text that it equals or, as a
    /// regular expression, matches as a whole.
    pub with: Vec<(Arc<str>, Template)>,
    /// Values that must agree, by name.
    pub correlate: Vec<(Arc<str>, Correlation)>,
}

/// A value of an event that must agree with another.
#[derive(Debug)]
pub struct Correlation {
    /// The value, evaluated on the event.
    pub from: Expression,
    /// What it must be; that of the first event when not given.
    pub expect: Option<Template>,
}

/// What of an event is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAs {
    /// Its data.
    #[default]
    Data,
    /// All of it.
    Envelope,
    /// Its data as it came: text, or base64 of what is none.
    Raw,
}
