//! HTTP over a unix socket: one connection for each call.
//!
//! A connection costs next to nothing there, and one that is not shared cannot be held up or broken
//! by another call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// An answer that comes in parts, for as long as the runtime has something to say.
pub(crate) type Body = Incoming;

/// Far more than any answer that is read as a whole.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why a call had no success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody listens; the call was not made.
    #[error("the container runtime cannot be reached at {}: {source}", socket.display())]
    Unreachable {
        /// Where.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The call may or may not have been carried out.
    #[error("the container runtime at {} does not answer: {detail}", socket.display())]
    NoAnswer {
        /// Where.
        socket: PathBuf,
        /// What happened instead.
        detail: String,
    },
    /// The runtime says no.
    #[error("{message}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// What it says.
        message: String,
    },
}

impl ApiError {
    /// Whether what the call was about does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the call was certainly not carried out.
    pub(crate) fn is_without_effect(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { .. })
    }
}

pub(super) type Result<T> = std::result::Result<T, ApiError>;

/// One call that is to be made.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a serde_json::Value>,
    /// How long it may take until the answer begins.
    pub(super) limit: Duration,
}

/// Makes a call and reads the whole answer, which has as long again as its beginning.
pub(super) async fn call(socket: &Path, call: Call<'_>) -> Result<Bytes> {
    let limit = call.limit;
    let body = open(socket, call).await?;
    read(socket, body, limit).await
}

/// Makes a call of which the answer comes in parts.
pub(super) async fn open(socket: &Path, call: Call<'_>) -> Result<Body> {
    let limit = call.limit;
    let answer = timeout(limit, send(socket, call)).await;
    let answer = answer.unwrap_or_else(|_| Err(no_answer(socket, late(limit))))?;
    let status = answer.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(answer.into_body());
    }
    let said = read(socket, answer.into_body(), limit).await.unwrap_or_default();
    Err(ApiError::Refused { status: status.as_u16(), message: message(status, &said) })
}

async fn send(socket: &Path, call: Call<'_>) -> Result<Response<Incoming>> {
    let unreachable = |source| ApiError::Unreachable { socket: socket.to_owned(), source };
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    let lost = |error: hyper::Error| no_answer(socket, error.to_string());
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // It ends when the answer has been read or dropped; an error is told to whoever reads.
    tokio::spawn(connection);
    let body = call.body.map(serde_json::Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| no_answer(socket, error.to_string()))?;
    sender.send_request(request).await.map_err(lost)
}

async fn read(socket: &Path, body: Body, limit: Duration) -> Result<Bytes> {
    match timeout(limit, Limited::new(body, ANSWER_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(no_answer(socket, error.to_string())),
        Err(_) => Err(no_answer(socket, late(limit))),
    }
}

pub(super) fn no_answer(socket: &Path, detail: String) -> ApiError {
    ApiError::NoAnswer { socket: socket.to_owned(), detail }
}

fn late(limit: Duration) -> String {
    format!("nothing came within {} s", limit.as_secs())
}

/// What the runtime says about a failure. Both runtimes answer with an object that has a `message`.
fn message(status: StatusCode, said: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice::<Said>(said) {
        Ok(said) => said.message.trim().to_owned(),
        Err(_) => format!("the container runtime answered with status {}", status.as_u16()),
    }
}

/// A text as part of a path or query. The slashes and colons of image names stay as they are.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b':' | b'@' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_another_path_or_query() {
        assert_eq!(encoded("localhost:5000/a/b:1"), "localhost:5000/a/b:1");
        assert_eq!(encoded("a?b=c&d#e%f g"), "a%3Fb%3Dc%26d%23e%25f%20g");
        assert_eq!(encoded("ü"), "%C3%BC");
    }

    #[test]
    fn what_the_runtime_says_is_told_and_nothing_else() {
        let said = message(StatusCode::CONFLICT, br#"{"message":"name in use\n"}"#);
        assert_eq!(said, "name in use");
        let said = message(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(said, "the container runtime answered with status 502");
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_named() {
        let request =
            Call { method: Method::GET, path: "/", body: None, limit: Duration::from_secs(1) };
        let error = call(Path::new("/nowhere/pod.sock"), request).await.unwrap_err();
        assert!(error.is_without_effect() && !error.is_missing());
        assert!(error.to_string().contains("/nowhere/pod.sock"), "{error}");
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _silent = tokio::net::UnixListener::bind(&socket).unwrap();
        let request =
            Call { method: Method::GET, path: "/", body: None, limit: Duration::from_millis(20) };
        let error = call(&socket, request).await.unwrap_err();
        assert!(!error.is_without_effect(), "{error}");
    }
}
