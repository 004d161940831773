//! Errors of runs: problem details (RFC 7807) with the types that the specification gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The specification's types of errors.
pub mod kind {
    macro_rules! kinds {
        ($($(#[$meta:meta])* $name:ident = $word:literal),+ $(,)?) => {
            $($(#[$meta])* pub const $name: &str =
                concat!("https://open-workflow-specification.org/spec/1.0.0/errors/", $word);)+
        };
    }
    kinds! {
        /// The document or the runtime is not set up for this.
        CONFIGURATION = "configuration",
        /// Data is not what its schema says.
        VALIDATION = "validation",
        /// An expression gave no value.
        EXPRESSION = "expression",
        /// Who asks is not known.
        AUTHENTICATION = "authentication",
        /// Who asks may not.
        AUTHORIZATION = "authorization",
        /// It took too long.
        TIMEOUT = "timeout",
        /// Somebody else did not answer, or not well.
        COMMUNICATION = "communication",
        /// Anything else.
        RUNTIME = "runtime",
    }
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{}{} ({kind}, at {instance})", title.as_deref().unwrap_or_default(), if title.is_some() && detail.is_some() { ": " } else { "" }, detail.as_deref().unwrap_or_default())]
pub struct Error {
    /// A URI that identifies the sort of error; see [`kind`].
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The status, of HTTP's.
    pub status: u16,
    /// A summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// What happened, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Arc<str>>,
    /// Where in the document, as a JSON pointer; the machine fills it in.
    #[serde(default)]
    pub instance: Arc<str>,
}

impl Error {
    /// An error of the specification's types.
    #[must_use]
    pub fn new(kind: &str, status: u16, title: &str, detail: impl Into<Arc<str>>) -> Self {
        let (title, detail) = (Some(title.into()), Some(detail.into()));
        Self { kind: kind.into(), status, title, detail, instance: Arc::default() }
    }
}
