//! What a spec must satisfy beyond its shape. All problems are found in one go.

/// One thing that is wrong with a spec.
#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Invalid {
    /// Where, as a dotted path: `spec.ports[1].port`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Invalid {
    /// A problem at `path`.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Something that can say all that is wrong with it.
pub trait Validate {
    /// Adds a problem for each rule that `self`, which stands at `path`, breaks.
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>);
}

/// Adds a problem when a list has more than `max` entries.
pub(crate) fn check_len(path: &str, len: usize, max: usize, problems: &mut Vec<Invalid>) {
    if len > max {
        problems
            .push(Invalid::new(path, format!("at most {max} entries are allowed, here are {len}")));
    }
}
