//! The calls that every kind has, so that commands are written once for all.
//!
//! Every call has a bound: a control plane that takes a connection and never
//! answers counts as unreachable.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::manifests::Declaration;
use tessera_client::{Api, DeleteOptions, Error, HistoryOptions, PutOptions};

pub(crate) use tessera_client::ListOptions;
use tessera_types::api::{Applied, ApplyOutcome, FieldChange, History, PlannedPlacement};
use tessera_types::{
    Kind, KindName, Manifest, Resource, ResourceKey, Revision, Uid, limits, with_kind,
};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Waits for a call, but not for ever, and says with `-v` how it went.
pub(crate) async fn bounded<T>(
    operation: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let started = Instant::now();
    let late = |_| Err(Error::Unreachable(format!("no answer within {}s", ANSWER_MAX.as_secs())));
    // On the heap, as the generated calls are large and are awaited deep down.
    let result = tokio::time::timeout(ANSWER_MAX, Box::pin(call)).await.unwrap_or_else(late);
    let outcome = result.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
    tracing::debug!(target: "tessera::ctl", operation, took = ?started.elapsed(), outcome, "called");
    result
}

/// All resources of a kind that match, and the revision they were listed at: that
/// of the first page, from which a watch misses nothing.
pub(crate) async fn list_all(
    api: &Api,
    kind: KindName,
    mut options: ListOptions,
) -> Result<(Vec<Resource>, Revision), Error> {
    options.limit = Some(limits::PAGE_MAX as u32);
    with_kind!(kind, K => {
        let (mut resources, mut revision) = (Vec::new(), None);
        loop {
            let page = bounded("list", api.list::<K>(&options)).await?;
            revision.get_or_insert(page.revision);
            resources.extend(page.items.into_iter().map(K::wrap));
            options.page = page.next_page;
            if options.page.is_none() {
                return Ok((resources, revision.unwrap_or_default()));
            }
        }
    })
}

/// The revision of the store.
pub(crate) async fn revision(api: &Api, kind: KindName) -> Result<Revision, Error> {
    let options = ListOptions { limit: Some(1), ..ListOptions::default() };
    with_kind!(kind, K => {
        bounded("list", api.list::<K>(&options)).await.map(|page| page.revision)
    })
}

/// One resource.
pub(crate) async fn get(api: &Api, key: &ResourceKey) -> Result<Resource, Error> {
    with_kind!(key.kind, K => {
        let get = api.get::<K>(&key.name, key.namespace.as_ref());
        bounded("get", get).await.map(|object| K::wrap(Arc::new(object)))
    })
}

/// Asks for the deletion of a resource, which must have the identity `id` if one
/// is given. Returns it as it is now.
pub(crate) async fn delete(
    api: &Api,
    key: &ResourceKey,
    id: Option<&Uid>,
) -> Result<Resource, Error> {
    with_kind!(key.kind, K => {
        let options = DeleteOptions { id: id.copied(), revision: None };
        let delete = api.delete::<K>(&key.name, key.namespace.as_ref(), options);
        bounded("delete", delete).await.map(|object| K::wrap(Arc::new(object)))
    })
}

/// Has a resource looked at now. Returns it as it is.
pub(crate) async fn reconcile(api: &Api, key: &ResourceKey) -> Result<Resource, Error> {
    with_kind!(key.kind, K => {
        let reconcile = api.reconcile::<K>(&key.name, key.namespace.as_ref());
        bounded("reconcile", reconcile).await.map(|object| K::wrap(Arc::new(object)))
    })
}

/// What applying a manifest would come to.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) outcome: ApplyOutcome,
    pub(crate) diff: Vec<FieldChange>,
    pub(crate) placement: Option<PlannedPlacement>,
}

/// Asks what applying a declaration would come to; nothing changes.
pub(crate) async fn dry_run(api: &Api, declaration: &Declaration) -> Result<Planned, Error> {
    with_kind!(declaration.key.kind, K => {
        let manifest = serde_json::from_value::<Manifest<K>>(declaration.manifest.clone())
            .expect("a declaration is made from a manifest of its kind");
        let Applied { outcome, diff, placement, .. } = {
            let options = PutOptions { dry_run: true, idempotency_key: None };
            bounded("put", api.put(&manifest, &options)).await?
        };
        Ok(Planned { outcome, diff, placement })
    })
}

/// A page of a resource's history, newest first.
pub(crate) async fn history(
    api: &Api,
    key: &ResourceKey,
    before_seq: Option<u64>,
    limit: u32,
) -> Result<History, Error> {
    let options = HistoryOptions { limit: Some(limit), before_seq };
    bounded("history", api.history(key, options)).await
}
