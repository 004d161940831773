//! Values of a document in which text may be an expression.

use std::sync::Arc;

use super::{EvaluationError, Expression, Variables};
use crate::value::{Value, object};

/// A value with expressions in it. Only what stands in the document is ever an expression; the
/// values that they give are not looked at again.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value without expressions.
    Constant(Value),
    /// An expression.
    Expression(Expression),
    /// Text with expressions in it: `Hello ${ .name }`.
    Text(Arc<[Piece]>),
    /// A list.
    List(Arc<[Template]>),
    /// An object.
    Object(Arc<[(Arc<str>, Template)]>),
}

/// A piece of a text with expressions in it.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it is.
    Text(Arc<str>),
    /// The text of what an expression gives: a text as it is, null as nothing, the rest as JSON.
    Expression(Expression),
}

impl Template {
    /// Its value for an input.
    ///
    /// # Errors
    /// Those of the first expression that gives none.
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Expression(expression) => expression.evaluate(input, variables)?,
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces.iter() {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Expression(it) => match it.evaluate(input, variables)? {
                            Value::Null => {}
                            Value::TStr(it) => text.push_str(&String::from_utf8_lossy(&it)),
                            value => text.push_str(&value.to_string()),
                        },
                    }
                }
                Value::utf8_str(text)
            }
            Self::List(all) => {
                let all = all.iter().map(|it| it.evaluate(input, variables));
                Value::Arr(Arc::new(all.collect::<Result<_, _>>()?))
            }
            Self::Object(fields) => {
                let fields =
                    fields.iter().map(|(key, it)| Ok((&**key, it.evaluate(input, variables)?)));
                object(fields.collect::<Result<Vec<_>, _>>()?)
            }
        })
    }

    /// The value, when there is no expression in it.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}
