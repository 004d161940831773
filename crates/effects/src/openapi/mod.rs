//! Operations of OpenAPI 3 and Swagger 2 documents, as requests.
//!
//! The one idea: both become the same [`operation::Operation`] — a method, an address, parameters
//! with a place and a style each, and what a body may be — and only that is bound to the arguments.

mod bind;
mod document;
mod operation;
mod style;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tessera_workflow::machine::{Error, Fetch, OpenApiRequest};

use crate::fetch::Fetcher;
use crate::http::Ask;
use crate::json::to_json;
use crate::settings::Limits;
use document::Document;

/// Makes requests of operations. Cheap to clone; clones share the documents that are kept.
#[derive(Clone)]
pub(crate) struct OpenApi {
    fetcher: Fetcher,
    limits: Arc<Limits>,
    kept: Arc<Mutex<Kept>>,
}

/// Documents, and until when each is used.
type Kept = HashMap<Key, (Instant, Arc<Document>)>;

/// Where a document is, and what it was asked for with: one who may not see it does not get it from
/// what another was given.
type Key = (String, [u8; 32]);

/// The request that an operation of a document comes to.
///
/// # Errors
/// What is wrong with the document or the arguments.
#[cfg(feature = "fuzzing")]
pub(crate) fn request(
    text: &str,
    operation: &str,
    arguments: &serde_json::Value,
) -> Result<Ask, Error> {
    let at = crate::fetch::Place::File("openapi.json".into());
    let document = Document::read(crate::fetch::Fetched { text: text.to_owned(), at })?;
    bind::request(&document.operation(operation)?, arguments)
}

impl OpenApi {
    pub(crate) fn new(fetcher: Fetcher, limits: &Limits) -> Self {
        Self { fetcher, limits: Arc::new(limits.clone()), kept: Arc::default() }
    }

    /// The request that calls an operation.
    ///
    /// # Errors
    /// `configuration` for a document that is none, or has no such operation; `validation` for
    /// arguments that are missing.
    pub(crate) async fn request(&self, request: &OpenApiRequest) -> Result<Ask, Error> {
        let document = self.document(&request.document).await?;
        let operation = document.operation(&request.operation_id)?;
        bind::request(&operation, &to_json(&request.parameters)?)
    }

    async fn document(&self, fetch: &Fetch) -> Result<Arc<Document>, Error> {
        let key = self.key(fetch)?;
        if let Some((until, document)) = self.kept.lock().get(&key)
            && Instant::now() < *until
        {
            return Ok(Arc::clone(document));
        }
        let fetched = self.fetcher.text(fetch).await?;
        // Reading a large document takes a while, which other runs shall not wait for.
        let reading = tokio::task::spawn_blocking(move || Document::read(fetched));
        let document = reading.await.map_err(|it| crate::fault::runtime(it.to_string()))??;
        let document = Arc::new(document);
        let mut kept = self.kept.lock();
        if kept.len() >= self.limits.kept_max {
            kept.clear();
        }
        kept.insert(key, (Instant::now() + self.limits.document_time_max, Arc::clone(&document)));
        Ok(document)
    }

    fn key(&self, fetch: &Fetch) -> Result<Key, Error> {
        let by = fetch.authorization.as_ref();
        let by = by.map(|it| format!("{:?} {}", it.scheme, it.properties)).unwrap_or_default();
        let at = format!("{:?}", self.fetcher.locate(&fetch.uri)?);
        Ok((at, Sha256::digest(by).into()))
    }
}
