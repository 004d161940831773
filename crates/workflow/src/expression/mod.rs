//! Runtime expressions: jq, compiled once, and templates: values with expressions in them.
//!
//! The one idea: an expression is checked when its document is read (its syntax, the functions and
//! variables that it names), so that a run can only meet errors of data.
//!
//! An expression that gives no value gives null; one that gives several gives the list of them.
//!
//! The language is jq 1.7, by jaq's parser and evaluator. What is between them is ours: the text is
//! looked through first (`scan`, `surrogates`) and parsed (`syntax`), its tree is rewritten so that it counts
//! what it does (`instrument`), and compiled with the functions that it needs (`prelude`,
//! `natives`). The values of the evaluation (`item`) behave as jq's, and take what they cost
//! from an `account`. docs/reference/expressions.md is the page for authors.

mod account;
mod arithmetic;
mod assign;
mod cache;
mod compiled;
mod instrument;
mod item;
mod limits;
mod measure;
mod natives;
mod order;
mod prelude;
mod scan;
mod shape;
mod slice;
mod surrogates;
mod syntax;
mod template;
mod text;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::value::Value;

pub(crate) use account::{Allowance, allowed, charge, charge_walk, is_overdrawn};
pub(crate) use template::is_expression;
pub use template::{Mistakes, Mode, Piece, Template};

/// Values of variables, by their names without `$`.
pub type Variables = BTreeMap<Arc<str>, Value>;

/// The name of the variable that holds what `now` gives: seconds since 1970. `now` exists where
/// this is among the names; an expression cannot write the name itself.
pub const NOW: &str = "!now";

/// A compiled expression.
#[derive(Clone)]
pub struct Expression(Arc<compiled::Compiled>);

/// Why text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The bytes of the text that are.
    pub at: Range<usize>,
}

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub String);

impl Expression {
    /// Compiles an expression, without the `${ }` around it, that may use the variables `names`.
    ///
    /// # Errors
    /// Every mistake that can be told from the others.
    pub fn compile(source: &str, names: &[Arc<str>]) -> Result<Self, Vec<SyntaxError>> {
        cache::compiled(source, names).map(Self)
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// Its value for an input. A variable that `variables` lacks is null.
    ///
    /// # Errors
    /// What jq says is wrong with the data, or that a limit is passed.
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        self.0.evaluate(input, variables)
    }

    /// Whether it holds: its value is neither false nor null.
    ///
    /// # Errors
    /// As for [`Expression::evaluate`].
    pub fn holds(&self, input: &Value, variables: &Variables) -> Result<bool, EvaluationError> {
        let value = self.evaluate(input, variables)?;
        Ok(!matches!(value, Value::Null | Value::Bool(false)))
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${{ {} }}", self.source())
    }
}
