//! `GET /v1/workloads/{name}/logs`: asks the agent that has the log, and passes
//! on what it posts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dropshot::Body as HttpBody;
use http::Response;
use tessera_api::{ApiError, LogsQuery};
use tessera_store::HistoryPage;
use tessera_types::problem::Code;
use tessera_types::sync::{LogChunk, LogRequest};
use tessera_types::{KindName, Name, Problem, ResourceKey, Workload};

use crate::body;
use crate::failure;
use crate::log_broker::LogReader;
use crate::plane::Plane;

/// How long an agent may take to begin.
const FIRST_CHUNK_WITHIN: Duration = Duration::from_secs(10);

/// Begins to read a log.
pub(super) async fn read(
    plane: &Arc<Plane>,
    name: Name,
    query: LogsQuery,
) -> Result<Response<HttpBody>, ApiError> {
    let key = ResourceKey::new(KindName::Workload, query.namespace, name);
    let node = node_of(plane, &key).await?;
    let mut reader = plane.logs.open().ok_or_else(|| {
        Problem::new(Code::TooManyRequests, "too many logs are being read")
            .remedy("try again later")
    })?;
    let request = LogRequest {
        request: reader.request.clone(),
        namespace: key.namespace.clone().unwrap_or_else(Name::default_namespace),
        name: key.name.clone(),
        tail: query.tail,
        since: query.since,
        follow: query.follow.unwrap_or(false),
    };
    if !plane.agents.ask_for_log(&node, request) {
        return Err(silent(&key, &node).into());
    }
    let first = tokio::time::timeout(FIRST_CHUNK_WITHIN, reader.next())
        .await
        .ok()
        .flatten()
        .ok_or_else(|| silent(&key, &node))?;
    if let Some(error) = &first.error {
        let detail = format!("{node} cannot read the log of {key}: {error}");
        return Err(Problem::new(Code::NodeUnavailable, detail).instance(key).into());
    }
    let (sender, stream) = body::stream();
    tokio::spawn(pass_on(Arc::clone(plane), first, reader, sender));
    body::respond("application/x-ndjson", HttpBody::wrap(stream))
}

/// The node that has the log: where the workload runs, ran last, or, when it is
/// gone, where its history says that it ran.
async fn node_of(plane: &Plane, key: &ResourceKey) -> Result<Name, ApiError> {
    if let Some(workload) = plane.find::<Workload>(key) {
        let observed = &workload.observed;
        let node = observed.assigned.as_ref().map(|assigned| &assigned.node);
        return node.or(observed.last_node.as_ref()).cloned().ok_or_else(|| {
            Problem::new(Code::NotFound, format!("{key} has not run yet, so it has no log"))
                .instance(key)
                .remedy(format!("see why with `tesseractl describe workload {}`", key.name))
                .into()
        });
    }
    let page = HistoryPage { before_seq: None, limit: 100 };
    let history = plane.store.history(key, page).await.map_err(failure::of_store)?;
    let node = history.iter().find_map(|entry| entry.record.metadata.get("node")?.parse().ok());
    node.ok_or_else(|| Problem::not_found(key).into())
}

async fn pass_on(
    plane: Arc<Plane>,
    first: LogChunk,
    mut reader: LogReader,
    sender: tokio::sync::mpsc::Sender<Bytes>,
) {
    let mut chunk = Some(first);
    while let Some(current) = chunk {
        let mut text = Vec::new();
        for line in &current.lines {
            if serde_json::to_writer(&mut text, line).is_ok() {
                text.push(b'\n');
            }
        }
        if !text.is_empty() && sender.send(text.into()).await.is_err() {
            return;
        }
        if current.end {
            return;
        }
        chunk = tokio::select! {
            () = plane.stopping.cancelled() => None,
            () = sender.closed() => None,
            next = reader.next() => next,
        };
    }
}

fn silent(key: &ResourceKey, node: &Name) -> Problem {
    Problem::new(
        Code::NodeUnavailable,
        format!("the log of {key} is on {node}, whose agent does not answer"),
    )
    .instance(key)
    .remedy(format!("see `tesseractl describe node {node}`"))
}
