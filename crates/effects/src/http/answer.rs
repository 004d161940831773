//! Answers: read within bounds, and shaped into the result of a call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde_json::{Map, Value as Json, json};
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{Error, kind};
use url::Url;

use super::{Ask, shown};
use crate::fault;
use crate::settings::Limits;

/// Bytes of an answer that an error quotes.
const QUOTED_MAX: usize = 2048;
/// Request headers whose values nobody sees.
const SECRET: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// A whole answer.
pub(crate) struct Answer {
    /// The method and headers that it was asked with.
    pub(crate) asked: (Method, HeaderMap),
    /// What answered, after redirects.
    pub(crate) uri: Url,
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads an answer to its end.
    pub(super) async fn read(
        ask: &Ask,
        response: Response<Incoming>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let status = response.status();
        let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
        let reason = reason.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        let reason = reason.filter(|it| !it.is_empty());
        let reason =
            reason.unwrap_or_else(|| status.canonical_reason().unwrap_or("Error").to_owned());
        let headers = response.headers().clone();
        // Of what is only quoted, the beginning does.
        let is_whole = status.is_success() || status.is_redirection();
        let body = body(response.into_body(), &ask.uri, limits.answer_bytes_max, is_whole).await?;
        let asked = (ask.method.clone(), ask.headers.clone());
        Ok(Self { asked, uri: ask.uri.clone(), status, reason, headers, body })
    }

    /// The media type of the body, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> String {
        media_type(&self.headers)
    }

    /// The error that an answer of a status that is none of success stands for.
    pub(crate) fn fault(&self) -> Error {
        let quoted = self.beginning();
        let detail = match quoted.trim() {
            "" => {
                format!("{} {} was answered with {}", self.asked.0, shown(&self.uri), self.status)
            }
            quoted => quoted.to_owned(),
        };
        Error::new(kind::COMMUNICATION, self.status.as_u16(), &self.reason, detail)
    }

    /// The beginning of the body, for people.
    pub(crate) fn beginning(&self) -> String {
        if self.body.len() <= QUOTED_MAX {
            return String::from_utf8_lossy(&self.body).into_owned();
        }
        // The beginning of a secret is known by what follows it: no half of a character.
        let mut end = QUOTED_MAX;
        while end > QUOTED_MAX - 4 && self.body[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        format!("{}…", String::from_utf8_lossy(&self.body[..end]))
    }

    /// The body as JSON, whatever its type says.
    pub(crate) fn json(&self) -> Result<Json, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            fault::bad_answer(format!(
                "{} answered with what is no JSON: {error}",
                shown(&self.uri)
            ))
        })
    }

    fn content(&self) -> Result<Json, Error> {
        if self.body.is_empty() {
            return Ok(Json::Null);
        }
        let media_type = self.media_type();
        Ok(match sort(&media_type) {
            Sort::Json => self.json()?,
            Sort::Text => Json::String(self.text()),
            Sort::Unknown => match std::str::from_utf8(&self.body) {
                Ok(text) => structure(text).unwrap_or_else(|| Json::String(text.to_owned())),
                Err(_) => Json::String(BASE64.encode(&self.body)),
            },
            Sort::Bytes => Json::String(BASE64.encode(&self.body)),
        })
    }

    /// The body as text: Latin-1 where it says so, else UTF-8, in which what is none is replaced.
    fn text(&self) -> String {
        let media_type = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
        let is_latin = ["charset=iso-8859-1", "charset=\"iso-8859-1\"", "charset=latin1"];
        match is_latin.iter().any(|it| media_type.contains(it)) {
            true => self.body.iter().map(|byte| char::from(*byte)).collect(),
            false => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

/// The result of a call: the answer as the document wants it.
///
/// # Errors
/// `communication` with the answer's status when it is none of success.
pub(crate) fn shape(answer: &Answer, output: OutputFormat, redirect: bool) -> Result<Json, Error> {
    let is_fine = answer.status.is_success() || redirect && answer.status.is_redirection();
    if !is_fine {
        return Err(answer.fault());
    }
    Ok(match output {
        OutputFormat::Content => answer.content()?,
        OutputFormat::Raw => Json::String(BASE64.encode(&answer.body)),
        OutputFormat::Response => json!({
            "request": {
                // As documents write it.
                "method": answer.asked.0.as_str().to_ascii_lowercase(),
                "uri": shown_whole(&answer.uri),
                "headers": headers(&answer.asked.1),
            },
            "statusCode": answer.status.as_u16(),
            "headers": headers(&answer.headers),
            "content": answer.content()?,
        }),
    })
}

/// The object or list that a text is: those of a server that does not say what it answers.
fn structure(text: &str) -> Option<Json> {
    let json = text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text));
    json?.ok()
}

enum Sort {
    Json,
    Text,
    Bytes,
    Unknown,
}

fn sort(media_type: &str) -> Sort {
    match media_type {
        "" => Sort::Unknown,
        "application/json" | "text/json" => Sort::Json,
        it if it.ends_with("+json") => Sort::Json,
        "application/xml" | "application/yaml" | "application/x-www-form-urlencoded" => Sort::Text,
        it if it.starts_with("text/") || it.ends_with("+xml") || it.ends_with("+yaml") => {
            Sort::Text
        }
        _ => Sort::Bytes,
    }
}

/// Whether a media type is JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    matches!(sort(media_type), Sort::Json)
}

/// The media type that headers name, in lower case and without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let value = value.unwrap_or_default().split(';').next().unwrap_or_default();
    value.trim().to_ascii_lowercase()
}

/// Headers as an object; one that comes several times has its values in one text.
fn headers(headers: &HeaderMap) -> Json {
    let mut fields = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values.map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
        let value = if SECRET.contains(name) { "***".to_owned() } else { values.join(", ") };
        fields.insert(name.as_str().to_owned(), Json::String(value));
    }
    Json::Object(fields)
}

/// The URI without a user's name and password.
fn shown_whole(uri: &Url) -> String {
    let mut uri = uri.clone();
    let _none_with_a_path_only = uri.set_username("").and_then(|()| uri.set_password(None));
    uri.into()
}

async fn body(
    mut body: Incoming,
    uri: &Url,
    bytes_max: usize,
    is_whole: bool,
) -> Result<Bytes, Error> {
    let too_long =
        || fault::bad_answer(format!("{} answered with more than {bytes_max} bytes", shown(uri)));
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if is_whole && announced > bytes_max {
        return Err(too_long());
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let why = fault::chain(&error);
            fault::bad_answer(format!("the answer of {} broke off: {why}", shown(uri)))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        read.extend_from_slice(&data);
        match is_whole {
            true if read.len() > bytes_max => return Err(too_long()),
            false if read.len() > QUOTED_MAX => break,
            _ => {}
        }
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(media_type: &str, body: &'static [u8]) -> Answer {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        }
        Answer {
            asked: (Method::GET, HeaderMap::new()),
            uri: Url::parse("http://a/").unwrap(),
            status: StatusCode::OK,
            reason: "OK".to_owned(),
            headers,
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn content_is_read_by_its_type() {
        for (media_type, body, content) in [
            ("application/json", &b"{\"a\": 1}"[..], json!({"a": 1})),
            ("Application/Problem+JSON; charset=utf-8", b"[1]", json!([1])),
            ("text/plain", b"hi", json!("hi")),
            ("text/plain; charset=ISO-8859-1", b"\xe9", json!("é")),
            ("text/plain", b"a\xff", json!("a\u{fffd}")),
            ("application/octet-stream", b"hi", json!("aGk=")),
            ("image/svg+xml", b"<svg/>", json!("<svg/>")),
            ("", b"hi", json!("hi")),
            ("", b"\xff\xff", json!("//8=")),
            ("", b" {\"a\": [1]}", json!({"a": [1]})),
            ("", b"{a", json!("{a")),
            ("", b"1", json!("1")),
            ("application/json", b"", json!(null)),
        ] {
            assert_eq!(answer(media_type, body).content().unwrap(), content, "{media_type}");
        }
        assert_eq!(answer("application/json", b"{").content().unwrap_err().status, 502);
        assert_eq!(answer("application/json", b"\"\xff\"").content().unwrap_err().status, 502);
    }

    #[test]
    fn an_error_quotes_the_beginning_only() {
        let mut answer = answer("text/plain", &[b'x'; 4000]);
        answer.status = StatusCode::NOT_FOUND;
        let fault = answer.fault();
        assert_eq!((fault.status, &*fault.kind), (404, kind::COMMUNICATION));
        assert_eq!(fault.detail.unwrap().chars().count(), QUOTED_MAX + 1);
    }
}
