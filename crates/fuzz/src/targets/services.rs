//! What services that documents call give: their OpenAPI documents, challenges and tokens.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tessera_effects::fuzzing;

use super::chosen;

/// The first byte says which: `d` challenges, one a line, `t` a token, else a document.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    match first {
        b'd' => {
            let mut headers = HeaderMap::new();
            for line in text.lines() {
                headers.extend(HeaderValue::from_str(line).ok().map(|it| (WWW_AUTHENTICATE, it)));
            }
            for answer in fuzzing::digest(&headers) {
                assert!(answer.starts_with("Digest username=") && !answer.contains("pass"));
                assert!(HeaderValue::from_str(&answer).is_ok(), "{answer:?} is no header");
            }
        }
        b't' => drop(fuzzing::claims(text)),
        _ => {
            let arguments =
                json!({"id": "a/b?c#d", "limit": 3, "tags": ["x", "y&z"], "body": {"a": 1}});
            // What comes of it is an address of HTTP, or an error.
            if let Ok(uri) = fuzzing::operation(text, "get", &arguments) {
                assert!(matches!(uri.scheme(), "http" | "https"), "{uri}");
            }
        }
    }
}
