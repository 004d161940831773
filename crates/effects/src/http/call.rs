//! The effect `http`.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value as Json;
use tessera_workflow::machine::{Error, HttpRequest};

use super::{Ask, address};
use crate::fault;
use crate::json::to_json;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Ask {
    /// The request that an effect with this key wants.
    ///
    /// # Errors
    /// `configuration` when it is none.
    pub(crate) fn of(request: &HttpRequest, key: &str) -> Result<Self, Error> {
        let mut uri = address(&request.uri)?;
        if !request.query.is_empty() {
            uri.query_pairs_mut().extend_pairs(request.query.iter().map(|(k, v)| (&**k, &**v)));
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            fault::configuration(format!("`{}` is no method of HTTP", request.method))
        })?;
        let mut ask = Self::new(method, uri);
        for (name, value) in &request.headers {
            ask.append(name, value)?;
        }
        let body = request.body.as_ref().map(to_json).transpose()?;
        ask.with_body(body.as_ref())?.keyed(key)
    }

    /// Adds a header that a document names.
    pub(crate) fn append(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let named = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| fault::configuration(format!("`{name}` is no name of a header")))?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| {
            fault::configuration(format!("the value of the header `{name}` has control characters"))
        })?;
        self.headers.append(named, value);
        Ok(())
    }

    /// With this body, in the encoding that the headers say.
    pub(crate) fn with_body(mut self, body: Option<&Json>) -> Result<Self, Error> {
        self.body = match body {
            Some(body) => super::body::encode(body, &mut self.headers)?,
            None => Bytes::new(),
        };
        Ok(self)
    }

    /// With the key, where a second request could do harm and the document sets none.
    pub(crate) fn keyed(mut self, key: &str) -> Result<Self, Error> {
        if !self.method.is_safe() && !self.headers.contains_key(IDEMPOTENCY_KEY) {
            self.set(IDEMPOTENCY_KEY, key)?;
        }
        Ok(self)
    }
}
