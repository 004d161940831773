//! Names: DNS labels (RFC 1123), so that a name can be a host name, a folder
//! and a container name without escaping.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// The namespace of whoever names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Longest name, in bytes (RFC 1123, one label).
const NAME_BYTES_MAX: usize = 63;

/// A DNS label: 1 to 63 of `a-z`, `0-9` and `-`, with no `-` at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text is longer than 63 bytes.
    #[error("a name has at most {NAME_BYTES_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `a-z`, `0-9`, `-`, or `-` at an end.
    #[error(
        "`{0}` is not a name: use lower-case letters, digits and `-`, and begin and end with a letter or digit"
    )]
    Malformed(String),
}

impl Name {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// [`NameError`] when `text` is not a DNS label.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        match text.as_bytes() {
            [] => Err(NameError::Empty),
            bytes if bytes.len() > NAME_BYTES_MAX => Err(NameError::TooLong(bytes.len())),
            [b'-', ..] | [.., b'-'] => Err(NameError::Malformed(text.to_owned())),
            bytes if !bytes.iter().all(|&b| legal(b)) => {
                Err(NameError::Malformed(crate::limits::clip(text, NAME_BYTES_MAX)))
            }
            _ => Ok(Self(text.into())),
        }
    }

    /// The namespace of whoever names none.
    #[must_use]
    pub fn default_namespace() -> Self {
        Self(DEFAULT_NAMESPACE.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// As a plain string: a derived implementation would write a newtype, which not
// every format (a URL's query, for one) takes.
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_dns_labels_only() {
        for good in ["a", "web", "node-a", "0", "a--b", &"x".repeat(63)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }
}
