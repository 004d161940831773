//! The errors that effects end in, of the specification's types.

use tessera_workflow::machine::{Error, kind};

/// The document, or this machine, is not set up for what is asked.
#[must_use]
pub fn configuration(detail: impl Into<String>) -> Error {
    Error::new(kind::CONFIGURATION, 400, "Wrong configuration", detail.into())
}

/// Data is not what it must be.
pub(crate) fn validation(detail: impl Into<String>) -> Error {
    Error::new(kind::VALIDATION, 400, "Invalid data", detail.into())
}

/// Who calls could not show who it is.
pub(crate) fn authentication(detail: impl Into<String>) -> Error {
    Error::new(kind::AUTHENTICATION, 401, "Not authenticated", detail.into())
}

/// Who calls may not.
pub(crate) fn authorization(detail: impl Into<String>) -> Error {
    Error::new(kind::AUTHORIZATION, 403, "Not allowed", detail.into())
}

/// Somebody else took too long.
pub(crate) fn timeout(detail: impl Into<String>) -> Error {
    Error::new(kind::TIMEOUT, 408, "Timed out", detail.into())
}

/// The titles of errors of communication that come from here, and not from who was asked.
const UNREACHABLE: &str = "Service unavailable";
const BAD_ANSWER: &str = "Bad answer";

/// Somebody else cannot be reached.
pub(crate) fn unreachable(detail: impl Into<String>) -> Error {
    Error::new(kind::COMMUNICATION, 503, UNREACHABLE, detail.into())
}

/// Somebody else answered, and not well.
pub(crate) fn bad_answer(detail: impl Into<String>) -> Error {
    Error::new(kind::COMMUNICATION, 502, BAD_ANSWER, detail.into())
}

/// Whether an error is a status that somebody answered with, rather than that none came.
#[must_use]
pub fn is_answered(error: &Error) -> bool {
    let title = error.title.as_deref().unwrap_or_default();
    *error.kind == *kind::COMMUNICATION && !matches!(title, UNREACHABLE | BAD_ANSWER)
}

/// Anything else.
pub(crate) fn runtime(detail: impl Into<String>) -> Error {
    Error::new(kind::RUNTIME, 500, "Effect failed", detail.into())
}

/// The effect was given up because its run no longer wants it. No run is told: it has forgotten the
/// effect by then.
pub(crate) fn cancelled() -> Error {
    runtime("the run no longer wants it")
}

/// What an error says with all that it came from, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        source = error.source();
    }
    match said.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => said,
    }
}

/// What to add to the message about a name that nothing has: the nearest one that something has.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = |name: &&str| strsim::damerau_levenshtein(word, name);
    let bound = 1 + word.chars().count() / 3;
    match known.into_iter().min_by_key(near).filter(|name| near(name) <= bound) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_proposed() {
        assert_eq!(did_you_mean("findPet", ["addPet", "findPets"]), "; did you mean `findPets`?");
        assert_eq!(did_you_mean("findPet", ["somethingElse"]), "");
        assert_eq!(did_you_mean("x", []), "");
    }
}
