//! What reads the bodies and queries of requests, for fuzzing.

use serde_json::Value;
use tessera_api::{ApiError, ListQuery};
use tessera_reconciler::World;
use tessera_types::api::List;
use tessera_types::sync::{LogChunk, Registration, ReportRequest, SyncRequest};
use tessera_types::{Kind, KindName, Manifest, Name, Problem};

use crate::{agent_limits, decode, handlers};

/// The kind that a manifest names.
///
/// # Errors
/// It names none.
pub fn kind(json: Value) -> Result<KindName, Problem> {
    decode::kind(json)
}

/// A manifest that can be declared.
///
/// # Errors
/// All that is wrong with it.
pub fn manifest<K: Kind>(json: Value) -> Result<Manifest<K>, Problem> {
    decode::any_manifest(json)
}

/// A page of a list.
///
/// # Errors
/// What is wrong with the query.
pub fn list<K: Kind>(world: &World, query: &ListQuery) -> Result<List<K>, ApiError> {
    handlers::list_page(world, query)
}

/// Whether an agent's introduction is within its limits.
///
/// # Errors
/// It is not.
pub fn registration(node: &Name, body: &Registration) -> Result<(), Problem> {
    agent_limits::check_registration(node, body)
}

/// The same of a heartbeat.
///
/// # Errors
/// It is not.
pub fn sync(node: &Name, body: &SyncRequest) -> Result<(), Problem> {
    agent_limits::check_sync(node, body)
}

/// The same of a part of a log.
///
/// # Errors
/// It is not.
pub fn log_chunk(node: &Name, body: &LogChunk) -> Result<(), Problem> {
    agent_limits::check_log_chunk(node, body)
}

/// The same of each report.
#[must_use]
pub fn reports(body: &ReportRequest) -> Vec<Result<(), String>> {
    body.reports.iter().map(agent_limits::check_report).collect()
}
