//! HTTP: a client whose every step is bounded, and the effect `http`.
//!
//! The one idea: [`Http::send`] brings one whole answer or one error. Redirects are followed here and
//! nowhere else, so what goes to which host is decided in one place.
//!
//! It stands on hyper itself: the limits of an answer's head, the address and port that a host is
//! sent to, and the certificates are all ours to decide, and the TLS features of the client that the
//! other crates share stay as they are.

mod answer;
mod body;
mod call;
mod connector;
mod redirect;
mod tls;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tessera_workflow::machine::Error;
use url::Url;

pub(crate) use answer::{Answer, shape};
pub(crate) use body::{Form, encoded, form};

use crate::fault;
use crate::settings::{Limits, Settings, SettingsError};
use connector::Connector;

const USER_AGENT: &str = concat!("tessera/", env!("CARGO_PKG_VERSION"));
const IDLE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) uri: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What becomes of redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// They are the answer.
    Answer,
    /// They are followed.
    Follow,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
    limits: Arc<Limits>,
}

impl Ask {
    pub(crate) fn new(method: Method, uri: Url) -> Self {
        Self { method, uri, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Sets a header that the caller made.
    pub(crate) fn set(&mut self, name: header::HeaderName, value: &str) -> Result<(), Error> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| fault::validation(format!("the value of `{name}` is no header")))?;
        self.headers.insert(name, value);
        Ok(())
    }
}

impl Http {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let limits = &settings.limits;
        let connector = Connector::new(settings)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(limits.head_bytes_max)
            .build(connector);
        Ok(Self { client, limits: Arc::new(limits.clone()) })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// `communication` when there is none, `timeout` when it takes too long.
    pub(crate) async fn send(&self, ask: Ask, redirects: Redirects) -> Result<Answer, Error> {
        let limit = self.limits.request_time_max;
        let shown = shown(&ask.uri);
        match tokio::time::timeout(limit, self.follow(ask, redirects)).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = limit.as_secs_f64();
                Err(fault::timeout(format!("{shown} was not done answering after {seconds} s")))
            }
        }
    }

    async fn follow(&self, mut ask: Ask, redirects: Redirects) -> Result<Answer, Error> {
        for _ in 0..=self.limits.redirects_max {
            let answer = self.exchange(&ask).await?;
            let to = match redirects {
                Redirects::Answer => None,
                Redirects::Follow => redirect::target(&answer)?,
            };
            match to {
                Some(to) => redirect::turn(&mut ask, to, answer.status),
                None => return Ok(answer),
            }
        }
        let max = self.limits.redirects_max;
        Err(fault::bad_answer(format!("more than {max} redirects, lately to {}", shown(&ask.uri))))
    }

    async fn exchange(&self, ask: &Ask) -> Result<Answer, Error> {
        let started = std::time::Instant::now();
        let answer = self.client.request(request(ask)?).await;
        let answer = answer.map_err(|error| self.fault(&ask.uri, &error))?;
        tracing::debug!(
            method = %ask.method, uri = shown(&ask.uri), status = answer.status().as_u16(),
            elapsed = ?started.elapsed(), "answered"
        );
        Answer::read(ask, answer, &self.limits).await
    }

    fn fault(&self, uri: &Url, error: &hyper_util::client::legacy::Error) -> Error {
        let why = match fault::chain(error) {
            // Hyper says only that it is too large.
            why if why.contains("too large") => {
                let max = self.limits.head_bytes_max;
                return fault::bad_answer(format!(
                    "{} answered with a head of more than {max} bytes",
                    shown(uri)
                ));
            }
            why => why,
        };
        let why = why.trim_start_matches("client error (Connect): ");
        let why = why.trim_start_matches("client error (SendRequest): ");
        match error.is_connect() {
            true => fault::unreachable(format!("{} cannot be reached: {why}", shown(uri))),
            false => fault::unreachable(format!("{} did not answer: {why}", shown(uri))),
        }
    }
}

/// The URI without what may be secret in it: its user, its query and its fragment.
pub(crate) fn shown(uri: &Url) -> String {
    let mut uri = uri.clone();
    let _none_with_a_path_only = uri.set_username("").and_then(|()| uri.set_password(None));
    uri.set_query(None);
    uri.set_fragment(None);
    uri.into()
}

/// An address that a call may go to.
///
/// # Errors
/// When it is none: `configuration` 400.
pub(crate) fn address(uri: &str) -> Result<Url, Error> {
    let url = Url::parse(uri)
        .map_err(|error| fault::configuration(format!("the URI of a call is none: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        other => Err(fault::configuration(format!("a call goes to http or https, not to {other}"))),
    }
}

fn request(ask: &Ask) -> Result<Request<Full<Bytes>>, Error> {
    let mut uri = ask.uri.clone();
    let user = (uri.username().to_owned(), uri.password().unwrap_or_default().to_owned());
    let _none_with_a_path_only = uri.set_username("").and_then(|()| uri.set_password(None));
    uri.set_fragment(None);
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(uri.as_str())
        .body(Full::new(ask.body.clone()))
        .map_err(|error| fault::configuration(format!("{}: {error}", shown(&ask.uri))))?;
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    for name in ask.headers.keys() {
        headers.remove(name);
    }
    headers.extend(ask.headers.clone());
    if !user.0.is_empty() && !headers.contains_key(header::AUTHORIZATION) {
        headers.insert(header::AUTHORIZATION, crate::auth::basic(&user.0, &user.1));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_in_a_uri_is_not_shown() {
        let uri = Url::parse("https://me:secret@example.com:8443/a?token=secret#secret").unwrap();
        assert_eq!(shown(&uri), "https://example.com:8443/a");
    }

    #[test]
    fn calls_go_to_http_and_https_only() {
        assert!(address("http://127.0.0.1:8080/a").is_ok());
        for uri in ["file:///etc/passwd", "ftp://example.com/", "/pets", "", "http://", "data:,x"] {
            assert_eq!(address(uri).unwrap_err().status, 400, "{uri}");
        }
    }
}
