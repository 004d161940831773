//! The HTTP API as a trait. The control plane implements it; the OpenAPI
//! document in `openapi/` and the client are generated from it, so neither can
//! differ from what is served. The engine's API ([`EngineApi`]) has a document and a
//! client of its own.
//!
//! Every error is an RFC 9457 problem document ([`ApiError`]); a request that
//! fails changes nothing.

mod engine;
mod error;
mod kinds;
mod later;
mod params;

pub use engine::{
    DeadLettersQuery, EngineApi, JobPath, JobsQuery, engine_api_mod, engine_openapi_document,
};
pub use error::ApiError;
pub use kinds::{AcceptedAnswer, Answer, KindApi, register_kinds};
pub use later::Later;
pub use params::{
    ApplyQuery, CalendarQuery, DeleteQuery, HistoryQuery, IdempotencyHeader, ListQuery, LogsQuery,
    NamePath, NamespaceQuery, NodeLogPath, TenantLogsQuery, WatchQuery,
};

use dropshot::{
    Body as HttpBody, Header, HttpResponseAccepted, HttpResponseOk, Path, Query, RequestContext,
    TypedBody, UntypedBody,
};
use http::Response;
use tessera_types::api::{ApplyRequest, ApplyResponse, Readiness, RunTenantRequest, Top};
use tessera_types::booking::{
    Approved, EventsAnswer, HostCalendar, PartRequest, PlanResponse, SeedRequest, SeedResponse,
    StretchRequest,
};
use tessera_types::sync::{
    LogChunk, LogChunkAnswer, Registered, Registration, ReportRequest, ReportResponse, SyncRequest,
    SyncResponse,
};
use tessera_types::tenant::TenantRun;
use tessera_types::{Host, Node, Object, Pod, Session};

/// The version of the API, which is that of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The control plane's HTTP API.
#[dropshot::api_description]
pub trait TesseraApi {
    /// What the handlers share.
    type Context;

    /// The output of a workload: one JSON `LogLine` a line. Also of one that is
    /// gone, as long as its node keeps it.
    #[endpoint { method = GET, path = "/v1/workloads/{name}/logs", tags = ["workloads"] }]
    async fn workload_logs(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<LogsQuery>,
    ) -> Result<Response<HttpBody>, ApiError>;

    /// Let a node keep what it has and take nothing new.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/cordon", tags = ["nodes"] }]
    async fn node_cordon(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
    ) -> Result<HttpResponseAccepted<Object<Node>>, ApiError>;

    /// Let a node take workloads again.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/uncordon", tags = ["nodes"] }]
    async fn node_uncordon(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
    ) -> Result<HttpResponseAccepted<Object<Node>>, ApiError>;

    /// Move everything off a node and let it take nothing new.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/drain", tags = ["nodes"] }]
    async fn node_drain(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
    ) -> Result<HttpResponseAccepted<Object<Node>>, ApiError>;

    /// Let a session end later, if its hosts have room.
    #[endpoint { method = POST, path = "/v1/sessions/{name}/extend", tags = ["sessions"] }]
    async fn session_extend(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<StretchRequest>,
    ) -> Result<HttpResponseAccepted<Object<Session>>, ApiError>;

    /// Let a session end earlier.
    #[endpoint { method = POST, path = "/v1/sessions/{name}/shrink", tags = ["sessions"] }]
    async fn session_shrink(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<StretchRequest>,
    ) -> Result<HttpResponseAccepted<Object<Session>>, ApiError>;

    /// Open the gate of a part that waits for somebody's approval. One that is open
    /// already stays so, and the answer says it.
    #[endpoint { method = POST, path = "/v1/sessions/{name}/approve", tags = ["sessions"] }]
    async fn session_approve(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<PartRequest>,
    ) -> Result<HttpResponseAccepted<Approved>, ApiError>;

    /// Try again what has failed in a part.
    #[endpoint { method = POST, path = "/v1/sessions/{name}/retry", tags = ["sessions"] }]
    async fn session_retry(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<PartRequest>,
    ) -> Result<HttpResponseAccepted<Object<Session>>, ApiError>;

    /// Give a session up: what it has is torn down.
    #[endpoint { method = POST, path = "/v1/sessions/{name}/cancel", tags = ["sessions"] }]
    async fn session_cancel(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
    ) -> Result<HttpResponseAccepted<Object<Session>>, ApiError>;

    /// Try again what has failed in a pod.
    #[endpoint { method = POST, path = "/v1/pods/{name}/retry", tags = ["pods"] }]
    async fn pod_retry(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
    ) -> Result<HttpResponseAccepted<Object<Pod>>, ApiError>;

    /// Ask for a run of a tenant's service on a node. Asking twice under one `request_id`
    /// is asking once.
    #[endpoint { method = POST, path = "/v1/tenants/{name}/runs", tags = ["tenants"] }]
    async fn tenant_run(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        body: TypedBody<RunTenantRequest>,
    ) -> Result<HttpResponseAccepted<TenantRun>, ApiError>;

    /// What a service of a tenant wrote on a node: one JSON `LogLine` a line.
    #[endpoint { method = GET, path = "/v1/tenants/{name}/logs", tags = ["tenants"] }]
    async fn tenant_logs(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<TenantLogsQuery>,
    ) -> Result<Response<HttpBody>, ApiError>;

    /// Try again what has failed in a host.
    #[endpoint { method = POST, path = "/v1/hosts/{name}/retry", tags = ["hosts"] }]
    async fn host_retry(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        header: Header<IdempotencyHeader>,
    ) -> Result<HttpResponseAccepted<Object<Host>>, ApiError>;

    /// What of a host is taken when.
    #[endpoint { method = GET, path = "/v1/hosts/{name}/calendar", tags = ["hosts"] }]
    async fn host_calendar(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<CalendarQuery>,
    ) -> Result<HttpResponseOk<HostCalendar>, ApiError>;

    /// What the sessions and pods among the manifests would come to: what would
    /// be made, where and when. Nothing changes.
    #[endpoint { method = POST, path = "/v1/plan", tags = ["resources"] }]
    async fn plan(
        ctx: RequestContext<Self::Context>,
        body: TypedBody<ApplyRequest>,
    ) -> Result<HttpResponseOk<PlanResponse>, ApiError>;

    /// Load definitions into the catalogue: all of them, or none.
    #[endpoint { method = POST, path = "/v1/seed", tags = ["catalogue"] }]
    async fn seed(
        ctx: RequestContext<Self::Context>,
        body: TypedBody<SeedRequest>,
    ) -> Result<HttpResponseOk<SeedResponse>, ApiError>;

    /// CloudEvents 1.0, in the structured, binary or batched content mode of the
    /// HTTP binding.
    #[endpoint { method = POST, path = "/v1/events", tags = ["events"] }]
    async fn events(
        ctx: RequestContext<Self::Context>,
        body: UntypedBody,
    ) -> Result<HttpResponseAccepted<EventsAnswer>, ApiError>;

    /// Declare many manifests of any kind.
    #[endpoint { method = POST, path = "/v1/apply", tags = ["resources"] }]
    async fn apply(
        ctx: RequestContext<Self::Context>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<ApplyRequest>,
    ) -> Result<HttpResponseOk<ApplyResponse>, ApiError>;

    /// Every change from a revision on, as server-sent events. Each event's
    /// data is a JSON `WatchEvent` and its id the revision.
    #[endpoint { method = GET, path = "/v1/watch", tags = ["resources"] }]
    async fn watch(
        ctx: RequestContext<Self::Context>,
        query: Query<WatchQuery>,
    ) -> Result<Response<HttpBody>, ApiError>;

    /// What nodes have, and what of it is in use.
    #[endpoint { method = GET, path = "/v1/top", tags = ["resources"] }]
    async fn top(ctx: RequestContext<Self::Context>) -> Result<HttpResponseOk<Top>, ApiError>;

    /// An agent introduces its node.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/register", tags = ["agents"] }]
    async fn agent_register(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        body: TypedBody<Registration>,
    ) -> Result<HttpResponseOk<Registered>, ApiError>;

    /// An agent's heartbeat, answered as soon as there is news for it.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/sync", tags = ["agents"] }]
    async fn agent_sync(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        body: TypedBody<SyncRequest>,
    ) -> Result<Later<SyncResponse>, ApiError>;

    /// What happened to an agent's copies.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/reports", tags = ["agents"] }]
    async fn agent_report(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        body: TypedBody<ReportRequest>,
    ) -> Result<HttpResponseOk<ReportResponse>, ApiError>;

    /// A part of a log that somebody reads.
    #[endpoint { method = POST, path = "/v1/nodes/{name}/logs/{request}", tags = ["agents"] }]
    async fn agent_logs(
        ctx: RequestContext<Self::Context>,
        path: Path<NodeLogPath>,
        body: TypedBody<LogChunk>,
    ) -> Result<HttpResponseOk<LogChunkAnswer>, ApiError>;

    /// Whether the process lives.
    #[endpoint { method = GET, path = "/healthz", tags = ["self"] }]
    async fn healthz(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<Readiness>, ApiError>;

    /// Whether it serves: the store is open and writable, the loop runs.
    #[endpoint { method = GET, path = "/readyz", tags = ["self"] }]
    async fn readyz(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<Readiness>, ApiError>;

    /// Metrics in the Prometheus text format.
    #[endpoint { method = GET, path = "/metrics", tags = ["self"] }]
    async fn metrics(ctx: RequestContext<Self::Context>) -> Result<Response<HttpBody>, ApiError>;

    /// This document.
    #[endpoint { method = GET, path = "/openapi.json", tags = ["self"] }]
    async fn openapi(ctx: RequestContext<Self::Context>) -> Result<Response<HttpBody>, ApiError>;
}

/// The OpenAPI document, as it is checked in under `openapi/`.
#[must_use]
pub fn openapi_document() -> String {
    let mut description = tessera_api_mod::stub_api_description()
        .expect("the trait above is a valid description: a test builds the document");
    register_kinds::<kinds::Undefined>(&mut description)
        .expect("no operation of a kind is in the trait above: a test builds the document");
    let version = VERSION.parse().expect("cargo checks that a crate's version is semantic");
    let document = description
        .openapi("Tessera", version)
        .description(
            "One declarative control plane: services, timed sessions, automation, tenants.",
        )
        .license_name("MPL-2.0")
        .json()
        .expect("the description has no type without a schema: a test builds the document");
    let mut text = serde_json::to_string_pretty(&document)
        .expect("a JSON value can always be written as text");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_can_be_built_and_names_every_path() {
        let document = super::openapi_document();
        for path in ["/v1/workloads/{name}", "/v1/watch", "/healthz", "/openapi.json"] {
            assert!(document.contains(path), "{path}");
        }
    }
}
