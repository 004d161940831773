//! How calls are authenticated.

use std::sync::Arc;

use crate::expression::Template;

/// A scheme and what it needs.
#[derive(Debug)]
pub struct Authentication {
    /// The scheme.
    pub scheme: Scheme,
    /// Its properties.
    pub credentials: Credentials,
}

/// The schemes of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the scheme of that name")]
pub enum Scheme {
    Basic,
    Bearer,
    Digest,
    OAuth2,
    Oidc,
}

/// Where the properties of a scheme come from.
#[derive(Debug)]
pub enum Credentials {
    /// An object in the document.
    Inline(Template),
    /// A secret that is such an object.
    Secret(Arc<str>),
}
