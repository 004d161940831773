//! The client of the engine's API.

use std::ops::Deref;

use crate::error::Error;
use crate::generated_engine::Client;

/// Where an engine listens unless told otherwise.
pub const DEFAULT_ENGINE_URL: &str = "http://127.0.0.1:7080";

/// An engine's API. It dereferences to the generated client; [`call`](crate::call)
/// turns what that answers into a value or an [`Error`].
#[derive(Clone, Debug)]
pub struct Engine {
    generated: Client,
    url: String,
}

impl Engine {
    /// The API at `url`, such as `http://127.0.0.1:7080`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Url`] when `url` is not an `http://` address.
    pub fn new(url: &str) -> Result<Self, Error> {
        let (http, url) = crate::connect(url)?;
        Ok(Self { generated: Client::new_with_client(&url, http), url })
    }

    /// The address it was made with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for Engine {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.generated
    }
}
