//! Where redirects may lead, and what goes along.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use tessera_workflow::machine::Error;
use url::Url;

use super::{Answer, Ask, shown};
use crate::fault;

/// What goes to another origin; anything else may be a credential.
const HARMLESS: [header::HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::RANGE,
    header::IF_NONE_MATCH,
    header::HeaderName::from_static("idempotency-key"),
];

/// Where an answer sends the request, if it is a redirect that can be followed.
///
/// # Errors
/// `communication` when it leads where no redirect may.
pub(super) fn target(answer: &Answer) -> Result<Option<Url>, Error> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers.get(header::LOCATION) else { return Ok(None) };
    let from = shown(&answer.uri);
    let to = location.to_str().ok().and_then(|to| answer.uri.join(to).ok());
    let Some(to) = to else {
        return Err(fault::bad_answer(format!("{from} redirects to what is no URI")));
    };
    match (answer.uri.scheme(), to.scheme()) {
        ("https", "http") => Err(fault::bad_answer(format!(
            "{from} redirects from https to http ({}), which is not followed",
            shown(&to)
        ))),
        (_, "http" | "https") => Ok(Some(to)),
        (_, other) => Err(fault::bad_answer(format!(
            "{from} redirects to {other}:, and only http and https are followed"
        ))),
    }
}

/// Makes the request the one that follows the redirect.
pub(super) fn turn(ask: &mut Ask, to: Url, status: StatusCode) {
    let is_get = match status.as_u16() {
        303 => ask.method != Method::HEAD,
        301 | 302 => ask.method == Method::POST,
        _ => false,
    };
    if is_get {
        ask.method = Method::GET;
        ask.body = Bytes::new();
        ask.headers.remove(header::CONTENT_TYPE);
    }
    if ask.uri.origin() != to.origin() {
        let kept = ask.headers.drain().filter_map(|(name, value)| Some((name?, value)));
        let kept: Vec<_> = kept.filter(|(name, _)| HARMLESS.contains(name)).collect();
        ask.headers.extend(kept);
    }
    // A server may send a user to itself, and not to others.
    ask.uri = to;
    let _none_with_a_path_only = ask.uri.set_username("").and_then(|()| ask.uri.set_password(None));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn answer(from: &str, status: u16, to: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static(to));
        let uri = Url::parse(from).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let asked = (Method::GET, HeaderMap::new());
        Answer { asked, uri, status, reason: String::new(), headers, body: Bytes::new() }
    }

    fn ask(method: Method) -> Ask {
        let mut ask = Ask::new(method, Url::parse("https://a.example/x").unwrap());
        for name in ["authorization", "x-api-key", "cookie", "content-type", "idempotency-key"] {
            ask.headers.insert(name, HeaderValue::from_static("v"));
        }
        ask.body = Bytes::from_static(b"{}");
        ask
    }

    #[test]
    fn redirects_lead_to_http_and_never_down_from_https() {
        let to = |from, to| target(&answer(from, 302, to)).map(|it| it.map(String::from));
        assert_eq!(to("http://a/b/c", "../d").unwrap().unwrap(), "http://a/d");
        assert_eq!(to("http://a/", "https://b/").unwrap().unwrap(), "https://b/");
        for bad in ["file:///etc/passwd", "ftp://b/", "data:,x", "javascript:x", "http://b/"] {
            assert_eq!(to("https://a/", bad).unwrap_err().status, 502, "{bad}");
        }
        assert_eq!(target(&answer("http://a/", 304, "/b")).unwrap(), None);
    }

    #[test]
    fn nothing_that_may_be_secret_goes_to_another_origin() {
        for other in ["https://b.example/", "http://a.example/", "https://a.example:444/"] {
            let mut ask = ask(Method::PUT);
            turn(&mut ask, Url::parse(other).unwrap(), StatusCode::TEMPORARY_REDIRECT);
            let names: Vec<_> = ask.headers.keys().map(header::HeaderName::as_str).collect();
            assert_eq!(names, ["content-type", "idempotency-key"], "{other}");
        }
        let mut ask = ask(Method::PUT);
        turn(&mut ask, Url::parse("https://a.example/y").unwrap(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!((ask.headers.len(), &*ask.body), (5, &b"{}"[..]));
    }

    #[test]
    fn the_method_becomes_get_where_browsers_make_it_so() {
        for (method, status, becomes) in [
            (Method::POST, 301, Method::GET),
            (Method::POST, 307, Method::POST),
            (Method::PUT, 302, Method::PUT),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
        ] {
            let mut ask = ask(method);
            turn(
                &mut ask,
                Url::parse("https://a.example/y").unwrap(),
                StatusCode::from_u16(status).unwrap(),
            );
            assert_eq!(ask.method, becomes);
            assert_eq!(ask.body.is_empty(), becomes == Method::GET);
        }
    }
}
