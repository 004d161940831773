//! The API trait, implemented. Each function says what it does by calling one
//! that does it; the modules below are by subject.

mod agent;
mod approve;
mod batch;
mod calendar;
mod events;
mod list;
mod logs;
mod node;
mod once;
mod plan;
mod report;
mod seed;
mod session;
mod tenant;
mod watch;

#[cfg(feature = "fuzzing")]
pub(crate) use list::page as list_page;
pub(crate) use seed::{refuse_deletion_of_seeded, seed};

use std::sync::Arc;

use dropshot::{
    Body as HttpBody, Header, HttpResponseAccepted, HttpResponseOk, Path, Query, RequestContext,
    TypedBody, UntypedBody,
};
use http::Response;
use tessera_api::{
    ApiError, ApplyQuery, CalendarQuery, DeleteQuery, HistoryQuery, IdempotencyHeader, KindApi,
    Later, ListQuery, LogsQuery, NamePath, NamespaceQuery, NodeLogPath, TenantLogsQuery,
    TesseraApi, WatchQuery,
};
use tessera_reconciler::admission::{Effort, Stretch};
use tessera_serving::Front;
use tessera_store::HistoryPage;
use tessera_types::api::{
    Applied, ApplyRequest, ApplyResponse, Body, History, List, Readiness, RunTenantRequest, Top,
};
use tessera_types::booking::{
    Approved, EventsAnswer, HostCalendar, PartRequest, PlanResponse, SeedRequest, SeedResponse,
    StretchRequest,
};
use tessera_types::node::DesiredNodeStatus;
use tessera_types::problem::Code;
use tessera_types::sync::{
    LogChunk, LogChunkAnswer, Registered, Registration, ReportRequest, ReportResponse, SyncRequest,
    SyncResponse,
};
use tessera_types::tenant::TenantRun;
use tessera_types::{
    Fingerprint, Host, Kind, KindName, Manifest, Node, Object, Pod, Problem, ResourceKey, Session,
    limits,
};

use crate::agent_limits;
use crate::body;
use crate::declare::{idempotency, key_of};
use crate::decode;
use crate::failure;
use crate::missing::missing;
use crate::plane::{LoopMessage, Plane};
use once::Asked;

/// The OpenAPI document of what is below.
pub(crate) const DOCUMENT: &str = include_str!("../../../../openapi/tessera.json");

/// Where the trait is implemented; it has no values.
pub(crate) enum Handlers {}

type Context = RequestContext<Arc<Front<Plane>>>;
type Json<T> = Result<HttpResponseOk<T>, ApiError>;
type Accepted<T> = Result<HttpResponseAccepted<T>, ApiError>;
type Raw = Result<Response<HttpBody>, ApiError>;

impl TesseraApi for Handlers {
    type Context = Arc<Front<Plane>>;

    async fn workload_logs(ctx: Context, path: Path<NamePath>, query: Query<LogsQuery>) -> Raw {
        logs::read_workload(plane(&ctx)?, path.into_inner().name, query.into_inner()).await
    }

    async fn node_cordon(ctx: Context, path: Path<NamePath>) -> Accepted<Object<Node>> {
        node::desire(plane(&ctx)?, path.into_inner().name, DesiredNodeStatus::Cordoned).await
    }

    async fn node_uncordon(ctx: Context, path: Path<NamePath>) -> Accepted<Object<Node>> {
        node::desire(plane(&ctx)?, path.into_inner().name, DesiredNodeStatus::Ready).await
    }

    async fn node_drain(ctx: Context, path: Path<NamePath>) -> Accepted<Object<Node>> {
        node::desire(plane(&ctx)?, path.into_inner().name, DesiredNodeStatus::Drained).await
    }

    async fn session_extend(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<StretchRequest>,
    ) -> Accepted<Object<Session>> {
        let body = body.into_inner();
        let asked = Asked::of(KindName::Session, "extend", path, query, header, &body);
        let StretchRequest { by, part } = body;
        session::stretch(plane(&ctx)?, &asked, part.as_ref(), Stretch::Extend(by)).await
    }

    async fn session_shrink(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<StretchRequest>,
    ) -> Accepted<Object<Session>> {
        let body = body.into_inner();
        let asked = Asked::of(KindName::Session, "shrink", path, query, header, &body);
        let StretchRequest { by, part } = body;
        session::stretch(plane(&ctx)?, &asked, part.as_ref(), Stretch::Shrink(by)).await
    }

    async fn tenant_run(
        ctx: Context,
        path: Path<NamePath>,
        body: TypedBody<RunTenantRequest>,
    ) -> Accepted<TenantRun> {
        tenant::run(plane(&ctx)?, path.into_inner().name, body.into_inner()).await
    }

    async fn tenant_logs(ctx: Context, path: Path<NamePath>, query: Query<TenantLogsQuery>) -> Raw {
        logs::read_tenant(plane(&ctx)?, path.into_inner().name, query.into_inner()).await
    }

    async fn session_approve(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<PartRequest>,
    ) -> Accepted<Approved> {
        let body = body.into_inner();
        let asked = Asked::of(KindName::Session, "approve", path, query, header, &body);
        approve::approve(plane(&ctx)?, &asked, body.part.as_ref()).await
    }

    async fn session_retry(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<PartRequest>,
    ) -> Accepted<Object<Session>> {
        let body = body.into_inner();
        let asked = Asked::of(KindName::Session, "retry", path, query, header, &body);
        session::retry(plane(&ctx)?, &asked, body.part.as_ref()).await
    }

    async fn session_cancel(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
    ) -> Accepted<Object<Session>> {
        let asked = Asked::of(KindName::Session, "cancel", path, query, header, &());
        session::cancel(plane(&ctx)?, &asked).await
    }

    async fn pod_retry(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
        header: Header<IdempotencyHeader>,
    ) -> Accepted<Object<Pod>> {
        let asked = Asked::of(KindName::Pod, "retry", path, query, header, &());
        session::retry_pod(plane(&ctx)?, &asked).await
    }

    async fn host_retry(
        ctx: Context,
        path: Path<NamePath>,
        header: Header<IdempotencyHeader>,
    ) -> Accepted<Object<Host>> {
        let asked = Asked::of_key(
            key_of(KindName::Host, None, path.into_inner().name),
            "retry",
            header,
            &(),
        );
        session::retry_host(plane(&ctx)?, &asked).await
    }

    async fn host_calendar(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<CalendarQuery>,
    ) -> Json<HostCalendar> {
        let plane = plane(&ctx)?;
        let calendar = calendar::of(plane, &path.into_inner().name, &query.into_inner())?;
        Ok(HttpResponseOk(calendar))
    }

    async fn plan(ctx: Context, body: TypedBody<ApplyRequest>) -> Json<PlanResponse> {
        Ok(HttpResponseOk(plan::plan(plane(&ctx)?, body.into_inner()).await?))
    }

    async fn seed(ctx: Context, body: TypedBody<SeedRequest>) -> Json<SeedResponse> {
        Ok(HttpResponseOk(seed::seed_and_warn(plane(&ctx)?, body.into_inner()).await?))
    }

    async fn events(ctx: Context, body: UntypedBody) -> Accepted<EventsAnswer> {
        let headers = ctx.request.headers().clone();
        let answer = events::take(plane(&ctx)?, &headers, body.as_bytes()).await?;
        Ok(HttpResponseAccepted(answer))
    }

    async fn apply(
        ctx: Context,
        header: Header<IdempotencyHeader>,
        body: TypedBody<ApplyRequest>,
    ) -> Json<ApplyResponse> {
        let key = header.into_inner().idempotency_key;
        Ok(HttpResponseOk(batch::apply(plane(&ctx)?, key, body.into_inner()).await?))
    }

    async fn watch(ctx: Context, query: Query<WatchQuery>) -> Raw {
        let last_event = ctx.request.headers().get("last-event-id").cloned();
        watch::open(plane(&ctx)?, query.into_inner(), last_event.as_ref())
    }

    async fn top(ctx: Context) -> Json<Top> {
        Ok(HttpResponseOk(node::top(plane(&ctx)?)))
    }

    async fn agent_register(
        ctx: Context,
        path: Path<NamePath>,
        body: TypedBody<Registration>,
    ) -> Json<Registered> {
        let plane = plane(&ctx)?;
        let (name, body) = (path.into_inner().name, body.into_inner());
        agent_limits::check_registration(&name, &body)?;
        Ok(HttpResponseOk(agent::register(plane, &name, &body).await?))
    }

    async fn agent_sync(
        ctx: Context,
        path: Path<NamePath>,
        body: TypedBody<SyncRequest>,
    ) -> Result<Later<SyncResponse>, ApiError> {
        let plane = plane(&ctx)?;
        let (name, body) = (path.into_inner().name, body.into_inner());
        agent_limits::check_sync(&name, &body)?;
        agent::sync(plane, name, body).await
    }

    async fn agent_report(
        ctx: Context,
        path: Path<NamePath>,
        body: TypedBody<ReportRequest>,
    ) -> Json<ReportResponse> {
        let plane = plane(&ctx)?;
        let (name, body) = (path.into_inner().name, body.into_inner());
        Ok(HttpResponseOk(report::report(plane, &name, body).await?))
    }

    async fn agent_logs(
        ctx: Context,
        path: Path<NodeLogPath>,
        body: TypedBody<LogChunk>,
    ) -> Json<LogChunkAnswer> {
        let (plane, path) = (plane(&ctx)?, path.into_inner());
        let (name, request) = (path.name, path.request);
        Ok(HttpResponseOk(agent::log_chunk(plane, &name, &request, body.into_inner()).await?))
    }

    async fn healthz(ctx: Context) -> Json<Readiness> {
        Ok(HttpResponseOk(readiness(plane(&ctx)?)))
    }

    async fn readyz(ctx: Context) -> Json<Readiness> {
        let plane = plane(&ctx)?;
        if let Some(died) = plane.health.died() {
            return Err(Problem::new(Code::Unavailable, died.to_string()).into());
        }
        if plane.stopping.is_cancelled() {
            return Err(failure::stopping().into());
        }
        Ok(HttpResponseOk(readiness(plane)))
    }

    async fn metrics(ctx: Context) -> Raw {
        let text = plane(&ctx)?.metrics.render(plane(&ctx)?);
        body::respond("text/plain; version=0.0.4; charset=utf-8", text.into())
    }

    async fn openapi(ctx: Context) -> Raw {
        plane(&ctx)?;
        body::respond("application/json", DOCUMENT.to_owned().into())
    }
}

/// The plane, for a request that may be answered.
fn plane(ctx: &Context) -> Result<&Arc<Plane>, ApiError> {
    Ok(ctx.context().admit(ctx)?)
}

impl KindApi for Handlers {
    type Context = Arc<Front<Plane>>;

    async fn list<K: Kind>(ctx: Context, query: Query<ListQuery>) -> Json<List<K>> {
        Ok(HttpResponseOk(list::page(&plane(&ctx)?.world.read(), &query.into_inner())?))
    }

    async fn get<K: Kind>(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
    ) -> Json<Object<K>> {
        let key = key_of(K::KIND, query.into_inner().namespace, path.into_inner().name);
        Ok(HttpResponseOk((*plane(&ctx)?.get::<K>(&key)?).clone()))
    }

    async fn put<K: Kind>(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<ApplyQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<Body<Manifest<K>>>,
    ) -> Json<Applied<K>> {
        put(&ctx, path.into_inner(), query.into_inner(), header.into_inner(), body.into_inner())
            .await
    }

    async fn delete<K: Kind>(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<DeleteQuery>,
    ) -> Accepted<Object<K>> {
        delete(&ctx, path.into_inner(), &query.into_inner()).await
    }

    async fn history<K: Kind>(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<HistoryQuery>,
    ) -> Json<History> {
        history(&ctx, K::KIND, path.into_inner(), query.into_inner()).await
    }

    async fn reconcile<K: Kind>(
        ctx: Context,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
    ) -> Accepted<Object<K>> {
        let key = key_of(K::KIND, query.into_inner().namespace, path.into_inner().name);
        reconcile(plane(&ctx)?, &key)
    }
}

fn readiness(plane: &Plane) -> Readiness {
    Readiness {
        ready: true,
        version: tessera_api::VERSION.to_owned(),
        revision: plane.store.revision(),
        waiting_for: Vec::new(),
    }
}

async fn put<K: Kind>(
    ctx: &Context,
    path: NamePath,
    query: ApplyQuery,
    header: IdempotencyHeader,
    body: Body<Manifest<K>>,
) -> Json<Applied<K>> {
    let key = idempotency(header.idempotency_key, || {
        let namespace = query.namespace.as_ref().map_or("", |name| name.as_str());
        Fingerprint::default()
            .text(K::KIND.singular())
            .text(namespace)
            .text(path.name.as_str())
            .text(&body.json.to_string())
    });
    let manifest = decode::manifest::<K>(body.json, &path.name, query.namespace.as_ref())?;
    if query.dry_run.unwrap_or(false) {
        return Ok(HttpResponseOk(plane(ctx)?.dry_run(manifest).await?));
    }
    Ok(HttpResponseOk(plane(ctx)?.declare(manifest, key, &mut Effort::request()).await?))
}

async fn delete<K: Kind>(
    ctx: &Context,
    path: NamePath,
    query: &DeleteQuery,
) -> Accepted<Object<K>> {
    let key = key_of(K::KIND, query.namespace.clone(), path.name);
    Ok(HttpResponseAccepted((*plane(ctx)?.delete::<K>(&key, query).await?).clone()))
}

/// Has the loop look at a resource now.
fn reconcile<K: Kind>(plane: &Plane, key: &ResourceKey) -> Accepted<Object<K>> {
    let object = plane.get::<K>(key)?;
    plane.tell_loop(LoopMessage::Reconcile(object.id));
    Ok(HttpResponseAccepted((*object).clone()))
}

async fn history(
    ctx: &Context,
    kind: KindName,
    path: NamePath,
    query: HistoryQuery,
) -> Json<History> {
    let key = key_of(kind, query.namespace, path.name);
    let limit = query.limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_MAX);
    let page = HistoryPage { before_seq: query.before_seq, limit };
    let items = plane(ctx)?.store.history(&key, page).await.map_err(failure::of_store)?;
    if items.is_empty() && query.before_seq.is_none() {
        return Err(never_was(plane(ctx)?, &key).into());
    }
    let before_seq = items.last().filter(|_| items.len() == limit).map(|entry| entry.seq);
    Ok(HttpResponseOk(History { items, before_seq }))
}

fn never_was(plane: &Plane, key: &ResourceKey) -> Problem {
    let mut problem = missing(&plane.world.read(), key);
    problem.detail = format!("there is no {key}, and no history of one");
    problem
}
