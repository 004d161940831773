//! Errors of runs: problem details (RFC 7807) with the types that the specification gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{Value, object};

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

    /// The types that the specification gives.
    const ALL: [&str; 8] = [
        CONFIGURATION,
        VALIDATION,
        EXPRESSION,
        AUTHENTICATION,
        AUTHORIZATION,
        TIMEOUT,
        COMMUNICATION,
        RUNTIME,
    ];

    /// Where the types stood before the specification was renamed, in 2026, and where its examples
    /// and its conformance kit still have them.
    const OTHERS: [&str; 3] = [
        "https://serverlessworkflow.io/spec/1.0.0/errors/",
        "https://serverlessworkflow.io/dsl/errors/types/",
        "https://open-workflow-specification.org/dsl/errors/types/",
    ];

    /// Whether two types are the same: the specification's own have several names.
    pub(crate) fn same(one: &str, other: &str) -> bool {
        current(one) == current(other)
    }

    fn current(kind: &str) -> &str {
        let word = OTHERS.iter().find_map(|it| kind.strip_prefix(it));
        let known = word.and_then(|word| ALL.iter().find(|it| it.rsplit('/').next() == Some(word)));
        known.copied().unwrap_or(kind)
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

    pub(super) fn configuration(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::CONFIGURATION, 400, "Wrong configuration", detail)
    }

    pub(super) fn validation(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::VALIDATION, 400, "Invalid data", detail)
    }

    pub(super) fn expression(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::EXPRESSION, 400, "An expression failed", detail)
    }

    pub(super) fn authorization(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::AUTHORIZATION, 403, "Not allowed", detail)
    }

    pub(super) fn timeout(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::TIMEOUT, 408, "Timed out", detail)
    }

    pub(super) fn runtime(detail: impl Into<Arc<str>>) -> Self {
        Self::new(kind::RUNTIME, 500, "The run cannot go on", detail)
    }

    /// The same, at this place unless it has one.
    pub(super) fn at(mut self, instance: &str) -> Self {
        if self.instance.is_empty() {
            self.instance = instance.into();
        }
        self
    }

    /// As `$error`.
    pub(super) fn to_value(&self) -> Value {
        let text = |it: &Arc<str>| Value::utf8_str(it.to_string());
        let mut fields = vec![
            ("type", text(&self.kind)),
            ("status", Value::from(usize::from(self.status))),
            ("instance", text(&self.instance)),
        ];
        fields.extend(self.title.as_ref().map(|it| ("title", text(it))));
        fields.extend(self.detail.as_ref().map(|it| ("detail", text(it))));
        object(fields)
    }
}
