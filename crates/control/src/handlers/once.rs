//! What is asked of a resource besides being declared or deleted, done once
//! however often the request arrives.
//!
//! Whether a key was used is asked of the store before anything is decided: what
//! was done may be what would be refused the second time.

use std::future::Future;
use std::sync::Arc;

use dropshot::{Header, Path, Query};
use serde::Serialize;
use tessera_api::{ApiError, IdempotencyHeader, NamePath, NamespaceQuery};
use tessera_store::{CommitError, IdempotencyKey, InvalidCommit};
use tessera_types::{Committed, Fingerprint, KindName, ResourceKey};

use crate::declare::{idempotency, key_of};
use crate::failure::commit_error;
use crate::plane::Plane;

/// Of which resource something is asked, and the key under which it is done once.
pub(super) struct Asked {
    pub(super) key: ResourceKey,
    pub(super) once: Option<IdempotencyKey>,
}

impl Asked {
    /// A request to do `verb`, as it came in.
    pub(super) fn of(
        kind: KindName,
        verb: &str,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: &impl Serialize,
    ) -> Self {
        let key = key_of(kind, query.into_inner().namespace, path.into_inner().name);
        Self::of_key(key, verb, header, body)
    }

    /// The same of a resource whose key is known.
    pub(super) fn of_key(
        key: ResourceKey,
        verb: &str,
        header: Header<IdempotencyHeader>,
        body: &impl Serialize,
    ) -> Self {
        let once = idempotency(header.into_inner().idempotency_key, || {
            let body = serde_json::to_string(body).unwrap_or_default();
            Fingerprint::default().text(verb).text(&key.to_string()).text(&body)
        });
        Self { key, once }
    }

    /// Does `act`, which commits under the key, unless that was done before. Says
    /// what was committed then: the resources are as they are now.
    pub(super) async fn unless_done<T>(
        &self,
        plane: &Plane,
        act: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<Done<T>, ApiError> {
        if let Some(committed) = self.done_before(plane).await? {
            return Ok(Done::Before(committed));
        }
        match act.await {
            Ok(done) => Ok(Done::Now(done)),
            // It may be refused because the same request was faster.
            Err(error) => match self.done_before(plane).await? {
                Some(committed) => Ok(Done::Before(committed)),
                None => Err(error),
            },
        }
    }

    async fn done_before(&self, plane: &Plane) -> Result<Option<Arc<Committed>>, ApiError> {
        if self.once.is_none() {
            return Ok(None);
        }
        match plane.commit_once(Vec::new(), self.once.clone()).await {
            Ok(outcome) => Ok(Some(outcome.committed)),
            // The key is not known, so that the store goes on to what there is to write.
            Err(CommitError::Invalid(InvalidCommit::Empty)) => Ok(None),
            Err(error) => Err(commit_error(error)),
        }
    }
}

/// When something was done.
pub(super) enum Done<T> {
    /// By this request.
    Now(T),
    /// By an earlier one with the same key, in this commit.
    Before(Arc<Committed>),
}
