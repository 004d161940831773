//! The errors that effects end in, of the specification's types.

use tessera_workflow::machine::{Error, kind};

/// The document, or this machine, is not set up for what is asked.
#[must_use]
pub fn configuration(detail: impl Into<String>) -> Error {
    Error::new(kind::CONFIGURATION, 400, "Bad configuration", detail.into())
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
    Error::new(kind::AUTHORIZATION, 403, "Not authorized", detail.into())
}

/// Somebody else took too long.
pub(crate) fn timeout(detail: impl Into<String>) -> Error {
    Error::new(kind::TIMEOUT, 408, "Timeout", detail.into())
}

/// Somebody else cannot be reached.
pub(crate) fn unreachable(detail: impl Into<String>) -> Error {
    Error::new(kind::COMMUNICATION, 503, "Service unavailable", detail.into())
}

/// Somebody else answered, and not well.
pub(crate) fn bad_answer(detail: impl Into<String>) -> Error {
    Error::new(kind::COMMUNICATION, 502, "Bad answer", detail.into())
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
