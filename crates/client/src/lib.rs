//! The client of the HTTP API: generated from the OpenAPI document (see
//! `generated.rs`), with what a document cannot say on top: watches that resume,
//! logs as lines, and errors for people.
//!
//! The one idea: [`Api`] dereferences to the generated client, so every
//! operation of the document is there under its own name, and [`call`] turns
//! what it answers into a value or an [`Error`]. The operations that every kind
//! has are methods of [`Api`], generic over the kind.

mod engine;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[rustfmt::skip]
#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::match_same_arms,
    reason = "generated code"
)]
mod generated;
#[rustfmt::skip]
#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::match_same_arms,
    reason = "generated code"
)]
mod generated_engine;
mod kinds;
mod logs;
mod sse;
mod watch;

pub use engine::{DEFAULT_ENGINE_URL, Engine};
pub use error::{Error, call};
pub use generated::Client;
pub use generated_engine::Client as EngineClient;
pub use kinds::{DeleteOptions, HistoryOptions, ListOptions, PutOptions};
pub use logs::{LogOf, LogOptions, LogStream};
pub use watch::{Watch, WatchOptions};

use std::ops::Deref;
use std::time::Duration;

/// Where a control plane listens unless told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7070";

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A control plane's API.
#[derive(Clone, Debug)]
pub struct Api {
    generated: Client,
    url: String,
}

impl Api {
    /// The API at `url`, such as `http://127.0.0.1:7070`. Nothing is connected
    /// yet.
    ///
    /// # Errors
    /// [`Error::Url`] when `url` is not an `http://` address.
    pub fn new(url: &str) -> Result<Self, Error> {
        let (http, url) = connect(url)?;
        Ok(Self { generated: Client::new_with_client(&url, http), url })
    }

    /// A request of this version.
    fn request(&self, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
        use progenitor_client::ClientInfo;
        self.generated.client().request(method, url).header("api-version", Client::api_version())
    }

    /// The address it was made with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A connection to be made to `url`, and that without the slash at its end.
fn connect(url: &str) -> Result<(reqwest::Client, String), Error> {
    let bad = |why: &str| Error::Url { url: url.to_owned(), why: why.to_owned() };
    let parsed = reqwest::Url::parse(url).map_err(|error| bad(&error.to_string()))?;
    match parsed.scheme() {
        "http" => {}
        "https" => return Err(bad("https is not supported yet")),
        _ => return Err(bad("it must begin with http://")),
    }
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        // Proxies are for the outside; a control plane is inside.
        .no_proxy()
        .build()
        .map_err(|error| bad(&error.to_string()))?;
    let url = url.trim_end_matches('/').to_owned();
    Ok((http, url))
}

impl Deref for Api {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.generated
    }
}
