//! What is wrong with an expression, and where.

use std::fmt;
use std::ops::Range;

/// Why a text is no calendar expression that a timer may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes of the expression that it is about. Empty at the end of it.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The expression with a mark under the place, over two lines.
    #[must_use]
    pub fn excerpt(&self, expression: &str) -> String {
        let before = expression[..self.span.start].chars().count();
        let width = expression[self.span.clone()].chars().count().max(1);
        format!("{expression}\n{}{}", " ".repeat(before), "^".repeat(width))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, ": {hint}"))
    }
}

impl std::error::Error for Fault {}
