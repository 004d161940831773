//! How a run ended, and which exit code says so.
//!
//! The one idea: an exit code means the same for every tenant. 0 is done, 1 is failed, 2 is a wrong
//! command line, 125 and up are podman's and the signals'; so a run may choose 3 to 124 only, and
//! whatever else it gives has failed.

use std::fmt::Display;

/// The exit code of a command line that is not understood.
pub(crate) const USAGE: u8 = 2;
/// The exit code of a failure that has no other.
pub(crate) const FAILED: u8 = 1;
/// The codes that a run may give by itself, besides 0 and 1.
const OWN_CODES: std::ops::RangeInclusive<i64> = 3..=124;

/// The work is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    rows: Option<u64>,
}

impl Done {
    /// Done; how many rows were written is not known, or was told by
    /// [`Context::rows`](crate::Context::rows).
    pub const fn new() -> Self {
        Self { rows: None }
    }

    /// Done, with so many rows written.
    pub const fn with_rows(rows: u64) -> Self {
        Self { rows: Some(rows) }
    }
}

/// The work failed, with an exit code of its own: `Err(Failure::new(7, "the source is empty"))`.
///
/// It is no [`std::error::Error`], so that `?` makes one, with code 1, of any that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: i64,
    message: String,
}

impl Failure {
    /// A failure with this exit code, 3 to 124, and what is said of it on standard error.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: FAILED.into(), message: error.to_string() }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(crate) exit_code: u8,
    pub(crate) rows: Option<u64>,
    /// What standard error is told.
    pub(crate) message: Option<String>,
}

impl Outcome {
    /// The outcome of a run that gave this code.
    pub fn of_code(code: i64) -> Self {
        let (exit_code, message) = match u8::try_from(code) {
            Ok(own @ (0 | 1)) => (own, None),
            Ok(own) if OWN_CODES.contains(&code) => (own, None),
            _ => (
                FAILED,
                Some(format!(
                    "the run gave the exit code {code}, but may only give 0, 1 and 3 to 124: ended with 1"
                )),
            ),
        };
        Self { exit_code, rows: None, message }
    }

    /// The outcome of a run that failed without a code.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit_code: FAILED, rows: None, message: Some(message.into()) }
    }

    /// The exit code that says how it ended.
    pub const fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Whether the work is done.
    pub const fn is_success(&self) -> bool {
        self.exit_code == 0
    }
}

/// What a run may return: nothing, [`Done`], an exit code, or a result of these.
pub trait IntoOutcome {
    /// How the run ended.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::of_code(0)
    }
}

impl IntoOutcome for Done {
    fn into_outcome(self) -> Outcome {
        Outcome { rows: self.rows, ..Outcome::of_code(0) }
    }
}

impl IntoOutcome for u8 {
    fn into_outcome(self) -> Outcome {
        Outcome::of_code(self.into())
    }
}

impl IntoOutcome for i32 {
    fn into_outcome(self) -> Outcome {
        Outcome::of_code(self.into())
    }
}

impl<T: IntoOutcome, E: IntoFailure> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(done) => done.into_outcome(),
            Err(error) => error.into_failure().into_outcome(),
        }
    }
}

impl IntoOutcome for Failure {
    /// A failure stays one, whatever its code says.
    fn into_outcome(self) -> Outcome {
        let told = Outcome::of_code(self.code);
        let message = match told.message {
            Some(ruling) => format!("{}\n{ruling}", self.message),
            None => self.message,
        };
        Outcome { exit_code: told.exit_code.max(FAILED), rows: None, message: Some(message) }
    }
}

/// What a run may fail with: a [`Failure`], or anything that can be printed.
pub trait IntoFailure {
    /// The failure with its exit code.
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

impl<E: Display> IntoFailure for E {
    /// Printed in the alternate form, in which some errors add their causes.
    fn into_failure(self) -> Failure {
        Failure { code: FAILED.into(), message: format!("{self:#}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_run_may_return() {
        assert_eq!(().into_outcome().exit_code, 0);
        assert_eq!(Done::with_rows(4).into_outcome().rows, Some(4));
        assert_eq!(Ok::<_, String>(9u8).into_outcome().exit_code, 9);
        let io = Err::<Done, _>(std::io::Error::other("no such table")).into_outcome();
        assert_eq!((io.exit_code, io.message.as_deref()), (1, Some("no such table")));
        let own = Err::<(), _>(Failure::new(7, "empty")).into_outcome();
        assert_eq!((own.exit_code, own.message.as_deref()), (7, Some("empty")));
    }

    #[test]
    fn a_failure_never_looks_done() {
        assert_eq!(Err::<(), _>(Failure::new(0, "x")).into_outcome().exit_code, 1);
    }

    #[test]
    fn errors_become_failures_by_the_question_mark() {
        fn run() -> Result<Done, Failure> {
            "x".parse::<u8>()?;
            Err(Failure::new(7, "not reached"))
        }
        assert_eq!(run().into_outcome().exit_code, 1);
    }

    proptest! {
        #[test]
        fn codes_of_others_are_never_given(code in any::<i32>()) {
            let outcome = code.into_outcome();
            let own = matches!(code, 0 | 1 | 3..=124);
            prop_assert_eq!(i32::from(outcome.exit_code), if own { code } else { 1 });
            prop_assert_eq!(outcome.message.is_none(), own);
        }
    }
}
