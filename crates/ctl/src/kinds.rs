//! The calls that every kind has, so that commands are written once for all.
//!
//! Every call has a bound: a control plane that takes a connection and never
//! answers counts as unreachable.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::manifests::Declaration;
use tessera_client::{Api, Error, call};
use tessera_types::api::{Applied, ApplyOutcome, FieldChange, History, List, PlannedPlacement};
use tessera_types::{
    Kind, KindName, Manifest, Name, Node, Object, Resource, ResourceKey, Revision, Uid, Workload,
    limits, with_kind,
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

/// Which resources to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions<'a> {
    pub(crate) namespace: Option<&'a Name>,
    pub(crate) selector: Option<&'a str>,
    pub(crate) page: Option<String>,
    pub(crate) limit: Option<u32>,
}

/// The calls of the generated client by kind.
pub(crate) trait Calls: Kind {
    async fn list(api: &Api, options: &ListOptions<'_>) -> Result<List<Self>, Error>;
    async fn get(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error>;
    async fn dry_run(api: &Api, manifest: &Manifest<Self>) -> Result<Applied<Self>, Error>;
    async fn delete(api: &Api, key: &ResourceKey, id: Option<&Uid>) -> Result<Object<Self>, Error>;
    async fn reconcile(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error>;
    async fn history(
        api: &Api,
        key: &ResourceKey,
        before_seq: Option<u64>,
        limit: u32,
    ) -> Result<History, Error>;
}

impl Calls for Workload {
    async fn list(api: &Api, options: &ListOptions<'_>) -> Result<List<Self>, Error> {
        let ListOptions { namespace, selector, page, limit } = options;
        let list = api.workload_list(*limit, *namespace, page.as_deref(), *selector);
        bounded("workload_list", call(list)).await
    }

    async fn get(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error> {
        let get = api.workload_get(&key.name, key.namespace.as_ref());
        bounded("workload_get", call(get)).await
    }

    async fn dry_run(api: &Api, manifest: &Manifest<Self>) -> Result<Applied<Self>, Error> {
        let namespace = manifest.namespace.as_ref();
        let put = api.workload_put(&manifest.name, Some(true), namespace, None, manifest);
        bounded("workload_put", call(put)).await
    }

    async fn delete(api: &Api, key: &ResourceKey, id: Option<&Uid>) -> Result<Object<Self>, Error> {
        let delete = api.workload_delete(&key.name, id, key.namespace.as_ref(), None);
        bounded("workload_delete", call(delete)).await
    }

    async fn reconcile(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error> {
        let reconcile = api.workload_reconcile(&key.name, key.namespace.as_ref());
        bounded("workload_reconcile", call(reconcile)).await
    }

    async fn history(
        api: &Api,
        key: &ResourceKey,
        before_seq: Option<u64>,
        limit: u32,
    ) -> Result<History, Error> {
        let namespace = key.namespace.as_ref();
        let history = api.workload_history(&key.name, before_seq, Some(limit), namespace);
        bounded("workload_history", call(history)).await
    }
}

impl Calls for Node {
    async fn list(api: &Api, options: &ListOptions<'_>) -> Result<List<Self>, Error> {
        let list = api.node_list(options.limit, None, options.page.as_deref(), options.selector);
        bounded("node_list", call(list)).await
    }

    async fn get(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error> {
        bounded("node_get", call(api.node_get(&key.name))).await
    }

    async fn dry_run(api: &Api, manifest: &Manifest<Self>) -> Result<Applied<Self>, Error> {
        let put = api.node_put(&manifest.name, Some(true), None, None, manifest);
        bounded("node_put", call(put)).await
    }

    async fn delete(api: &Api, key: &ResourceKey, id: Option<&Uid>) -> Result<Object<Self>, Error> {
        bounded("node_delete", call(api.node_delete(&key.name, id, None, None))).await
    }

    async fn reconcile(api: &Api, key: &ResourceKey) -> Result<Object<Self>, Error> {
        bounded("node_reconcile", call(api.node_reconcile(&key.name))).await
    }

    async fn history(
        api: &Api,
        key: &ResourceKey,
        before_seq: Option<u64>,
        limit: u32,
    ) -> Result<History, Error> {
        let history = api.node_history(&key.name, before_seq, Some(limit), None);
        bounded("node_history", call(history)).await
    }
}

/// All resources of a kind that match, and the revision they were listed at: that
/// of the first page, from which a watch misses nothing.
pub(crate) async fn list_all(
    api: &Api,
    kind: KindName,
    mut options: ListOptions<'_>,
) -> Result<(Vec<Resource>, Revision), Error> {
    options.limit = Some(limits::PAGE_MAX as u32);
    with_kind!(kind, K => {
        let (mut resources, mut revision) = (Vec::new(), None);
        loop {
            let page = K::list(api, &options).await?;
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
    with_kind!(kind, K => K::list(api, &options).await.map(|page| page.revision))
}

/// One resource.
pub(crate) async fn get(api: &Api, key: &ResourceKey) -> Result<Resource, Error> {
    with_kind!(key.kind, K => K::get(api, key).await.map(|object| K::wrap(Arc::new(object))))
}

/// Asks for the deletion of a resource, which must have the identity `id` if one
/// is given. Returns it as it is now.
pub(crate) async fn delete(
    api: &Api,
    key: &ResourceKey,
    id: Option<&Uid>,
) -> Result<Resource, Error> {
    with_kind!(key.kind, K => K::delete(api, key, id).await.map(|object| K::wrap(Arc::new(object))))
}

/// Has a resource looked at now. Returns it as it is.
pub(crate) async fn reconcile(api: &Api, key: &ResourceKey) -> Result<Resource, Error> {
    with_kind!(key.kind, K => K::reconcile(api, key).await.map(|object| K::wrap(Arc::new(object))))
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
        let Applied { outcome, diff, placement, .. } = K::dry_run(api, &manifest).await?;
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
    with_kind!(key.kind, K => K::history(api, key, before_seq, limit).await)
}
