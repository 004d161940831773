//! What reads the documents and answers of services, for fuzzing.

use http::HeaderMap;
use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use url::Url;

use crate::{auth, openapi};

/// Where an operation of an OpenAPI document is called with these arguments.
///
/// # Errors
/// What is wrong with the document or the arguments.
pub fn operation(text: &str, id: &str, arguments: &Json) -> Result<Url, Error> {
    openapi::request(text, id, arguments).map(|ask| ask.uri)
}

/// The answers to the challenges of the scheme Digest in these headers.
#[must_use]
pub fn digest(headers: &HeaderMap) -> Vec<String> {
    auth::answers(headers)
}

/// The claims of a token.
#[must_use]
pub fn claims(token: &str) -> Option<Json> {
    auth::claims(token)
}
