//! Bodies of requests, by their content type.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use url::form_urlencoded;

use super::answer::{is_json, media_type};
use crate::fault;
use crate::json::text;

/// Names and values, as forms and queries have them.
pub(crate) type Form = Vec<(String, String)>;

const FORM: &str = "application/x-www-form-urlencoded";

/// A body, encoded as the headers' content type says. Without one it is JSON, and the headers get
/// that type.
///
/// # Errors
/// `configuration` when it cannot be.
pub(super) fn encode(body: &Json, headers: &mut HeaderMap) -> Result<Bytes, Error> {
    let kind = media_type(headers);
    if kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(match body {
        _ if kind.is_empty() || is_json(&kind) => Bytes::from(body.to_string()),
        Json::String(text) => Bytes::from(text.clone()),
        Json::Object(fields) if kind == FORM => Bytes::from(encoded(&form(fields))),
        _ if kind == FORM || kind.starts_with("multipart/") => {
            return Err(fault::configuration(format!(
                "a body of the type {kind} is a text{}",
                if kind == FORM { " or an object" } else { "" }
            )));
        }
        other => Bytes::from(other.to_string()),
    })
}

/// An object as a form: a list gives its name several times, null nothing.
pub(crate) fn form(fields: &serde_json::Map<String, Json>) -> Form {
    let mut form = Form::new();
    for (name, value) in fields {
        match value {
            Json::Null => {}
            Json::Array(all) => form.extend(all.iter().map(|it| (name.clone(), text(it)))),
            value => form.push((name.clone(), text(value))),
        }
    }
    form
}

/// A form as text.
pub(crate) fn encoded(form: &Form) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encode_as(kind: Option<&'static str>, body: &Json) -> (String, Option<Error>) {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        match encode(body, &mut headers) {
            Ok(bytes) => (String::from_utf8(bytes.to_vec()).unwrap(), None),
            Err(error) => (String::new(), Some(error)),
        }
    }

    #[test]
    fn the_content_type_decides() {
        for (kind, body, bytes) in [
            (None, json!({"a": 1}), r#"{"a":1}"#),
            (None, json!("text"), r#""text""#),
            (Some("application/vnd.x+json"), json!("text"), r#""text""#),
            (Some("text/plain"), json!("text"), "text"),
            (Some("text/plain"), json!(1), "1"),
            (Some("application/xml"), json!("<a/>"), "<a/>"),
            (Some(FORM), json!({"a": "b c", "d": [1, 2], "e": null}), "a=b+c&d=1&d=2"),
            (Some(FORM), json!("a=b"), "a=b"),
        ] {
            assert_eq!(encode_as(kind, &body).0, bytes, "{kind:?}");
        }
        assert_eq!(encode_as(Some(FORM), &json!([1])).1.unwrap().status, 400);
        assert_eq!(encode_as(Some("multipart/form-data"), &json!({})).1.unwrap().status, 400);
    }
}
