//! The exit codes: what a script may rely on. `docs/reference/exit-codes.md` is
//! their reference.

use std::process::ExitCode;

use tessera_client::Error;
use tessera_types::problem::Code;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It did not.
    Failed = 1,
    /// The command line or a manifest is wrong; nothing was sent.
    Usage = 2,
    /// There is no such resource.
    NotFound = 3,
    /// The resource changed meanwhile, or is in a state that forbids it.
    Conflict = 4,
    /// No control plane answers at that address.
    Unreachable = 5,
    /// Ctrl-C ended it, as shells count it: 128 and the signal's number.
    Interrupted = 130,
}

impl Exit {
    /// The exit of a call that failed.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Url { .. } => Self::Usage,
            Error::Unreachable(_) | Error::Protocol(_) => Self::Unreachable,
            Error::Refused(problem) => Self::of_code(problem.code),
        }
    }

    /// The exit of a request that was refused with `code`.
    #[must_use]
    pub fn of_code(code: Code) -> Self {
        match code {
            Code::NotFound => Self::NotFound,
            Code::Conflict
            | Code::AlreadyExists
            | Code::BeingDeleted
            | Code::NodeNameTaken
            | Code::DoesNotFit
            | Code::NotNow
            | Code::Superseded => Self::Conflict,
            Code::Unavailable => Self::Unreachable,
            Code::InvalidRequest
            | Code::InvalidSpec
            | Code::TooLarge
            | Code::NoSuchRoute
            | Code::WrongHost
            | Code::SourceNotAllowed
            | Code::CrossSite
            | Code::IdempotencyKeyReused
            | Code::Compacted
            | Code::NotRegistered
            | Code::NodeUnavailable
            | Code::StorageFull
            | Code::StorageFailed
            | Code::TooManyRequests
            | Code::Internal => Self::Failed,
        }
    }

    /// The exit of a command of which several parts may have failed: their
    /// common one, or [`Exit::Failed`] when they differ.
    #[must_use]
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut failures = parts.into_iter().filter(|part| *part != Self::Done);
        let Some(first) = failures.next() else { return Self::Done };
        if failures.all(|other| other == first) { first } else { Self::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Problem;

    #[test]
    fn errors_have_the_documented_codes() {
        let refused = |code| Error::Refused(Box::new(Problem::new(code, "")));
        for (error, code) in [
            (refused(Code::NotFound), 3),
            (refused(Code::Conflict), 4),
            (refused(Code::BeingDeleted), 4),
            (refused(Code::Internal), 1),
            (refused(Code::InvalidSpec), 1),
            (refused(Code::Unavailable), 5),
            (Error::Unreachable(String::new()), 5),
            (Error::Protocol(String::new()), 5),
            (Error::Url { url: String::new(), why: String::new() }, 2),
        ] {
            assert_eq!(Exit::of(&error) as u8, code, "{error:?}");
        }
    }

    #[test]
    fn a_common_cause_keeps_its_code() {
        use Exit::{Conflict, Done, Failed, NotFound};
        for (parts, whole) in [
            (vec![], Done),
            (vec![Done, Done], Done),
            (vec![Done, Conflict, Conflict], Conflict),
            (vec![Conflict, NotFound], Failed),
        ] {
            assert_eq!(Exit::of_all(parts.clone()), whole, "{parts:?}");
        }
    }
}
