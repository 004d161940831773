//! The log of a workload: where it is.

use std::sync::Arc;

use dropshot::Body as HttpBody;
use http::Response;
use tessera_api::{ApiError, LogsQuery};
use tessera_store::HistoryPage;
use tessera_types::problem::Code;
use tessera_types::sync::LogRequest;
use tessera_types::{KindName, Name, Object, Problem, ResourceKey, Workload};

use super::{Log, Place};
use crate::agents::WantedLog;
use crate::failure;
use crate::missing::missing;
use crate::plane::Plane;

/// Begins to read it.
pub(in crate::handlers) async fn read(
    plane: &Arc<Plane>,
    name: Name,
    query: LogsQuery,
) -> Result<Response<HttpBody>, ApiError> {
    let LogsQuery { namespace, tail, since, follow } = query;
    let key = ResourceKey::new(KindName::Workload, namespace, name);
    let node = node_of(plane, &key).await?;
    let follow = follow.unwrap_or(false);
    let namespace = key.namespace.clone().unwrap_or_else(Name::default_namespace);
    let name = key.name.clone();
    let wanted =
        |request| WantedLog::Workload(LogRequest { request, namespace, name, tail, since, follow });
    super::read(plane, Log { key, node, follow, place }, wanted).await
}

/// The node that has the log: where the workload runs, ran last, or, when it is
/// gone, where its history says that it ran.
async fn node_of(plane: &Plane, key: &ResourceKey) -> Result<Name, ApiError> {
    if let Some(workload) = plane.find::<Workload>(key) {
        return place_of(&workload).cloned().ok_or_else(|| {
            Problem::new(Code::NotFound, format!("{key} has not run yet, so it has no log"))
                .instance(key)
                .remedy(format!("see why with `tesseractl describe workload {}`", key.name))
                .into()
        });
    }
    let page = HistoryPage { before_seq: None, limit: 100 };
    let history = plane.store.history(key, page).await.map_err(failure::of_store)?;
    let node = history.iter().find_map(|entry| entry.record.metadata.get("node")?.parse().ok());
    node.ok_or_else(|| missing(&plane.world.read(), key).into())
}

/// Where the workload runs, or ran last.
fn place_of(workload: &Object<Workload>) -> Option<&Name> {
    let observed = &workload.observed;
    observed.assigned.as_ref().map(|assigned| &assigned.node).or(observed.last_node.as_ref())
}

fn place(plane: &Plane, key: &ResourceKey, node: &Name) -> Place {
    match plane.find::<Workload>(key) {
        None => Place::Nowhere,
        Some(workload) => match place_of(&workload) {
            Some(elsewhere) if elsewhere != node => Place::Elsewhere(elsewhere.clone()),
            _ => Place::Here,
        },
    }
}
