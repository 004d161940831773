//! The engine's API trait, implemented. Each function says what it does by calling one
//! that does it.

use std::sync::Arc;

use dropshot::{
    Body as HttpBody, HttpResponseAccepted, HttpResponseOk, Path, Query, RequestContext, TypedBody,
    UntypedBody,
};
use http::Response;
use tessera_api::{ApiError, DeadLettersQuery, EngineApi, JobPath, JobsQuery};
use tessera_effects::Adapter;
use tessera_serving::Front;
use tessera_store::journal::JobNumber;
use tessera_types::engine::{
    AdapterInfo, AdapterList, DeadLetters, EngineJob, EngineReadiness, EventsTaken, JobList,
    JobSteps, Replay, Replayed, ScenarioList, Submission,
};
use tessera_types::problem::Code;
use tessera_types::{Problem, limits};

use crate::plane::Plane;
use crate::state::JobState;
use crate::{incoming, outbox, submit, trace};

/// Dead letters on one page, unless told otherwise: each has its whole event.
const DEAD_LETTERS_DEFAULT: usize = 100;

/// The OpenAPI document of what is below.
pub(crate) const DOCUMENT: &str = include_str!("../../../openapi/tessera-engine.json");

/// Where the trait is implemented; it has no values.
pub(crate) enum Handlers {}

type Context = RequestContext<Arc<Front<Plane>>>;
type Json<T> = Result<HttpResponseOk<T>, ApiError>;
type Accepted<T> = Result<HttpResponseAccepted<T>, ApiError>;
type Raw = Result<Response<HttpBody>, ApiError>;

impl EngineApi for Handlers {
    type Context = Arc<Front<Plane>>;

    async fn job_submit(ctx: Context, body: TypedBody<Submission>) -> Accepted<EngineJob> {
        let plane = serving(&ctx)?;
        Ok(HttpResponseAccepted(submit::submit(plane, body.into_inner(), None).await?))
    }

    async fn job_list(ctx: Context, query: Query<JobsQuery>) -> Json<JobList> {
        Ok(HttpResponseOk(list(plane(&ctx)?, &query.into_inner())?))
    }

    async fn job_get(ctx: Context, path: Path<JobPath>) -> Json<EngineJob> {
        Ok(HttpResponseOk(submit::describe(plane(&ctx)?, &path.into_inner().id).await?))
    }

    async fn job_cancel(ctx: Context, path: Path<JobPath>) -> Accepted<EngineJob> {
        let plane = serving(&ctx)?;
        Ok(HttpResponseAccepted(submit::cancel(plane, &path.into_inner().id).await?))
    }

    async fn job_retry(ctx: Context, path: Path<JobPath>) -> Accepted<EngineJob> {
        let plane = serving(&ctx)?;
        Ok(HttpResponseAccepted(submit::retry(plane, &path.into_inner().id).await?))
    }

    async fn job_steps(ctx: Context, path: Path<JobPath>) -> Json<JobSteps> {
        Ok(HttpResponseOk(trace::steps(plane(&ctx)?, &path.into_inner().id).await?))
    }

    async fn scenario_list(ctx: Context) -> Json<ScenarioList> {
        let items = plane(&ctx)?.scenarios.all().values().map(|it| it.info.clone()).collect();
        Ok(HttpResponseOk(ScenarioList { items }))
    }

    async fn adapter_list(ctx: Context) -> Json<AdapterList> {
        let adapters = plane(&ctx)?.performer.adapters();
        let info = |adapter: &Arc<dyn Adapter>| {
            let name = adapter.name().to_owned();
            let functions = adapter.functions().iter().map(|it| format!("{name}.{it}")).collect();
            AdapterInfo { name, functions }
        };
        Ok(HttpResponseOk(AdapterList {
            items: adapters.iter().filter(|it| it.can_be_called()).map(info).collect(),
        }))
    }

    async fn dead_letter_list(ctx: Context, query: Query<DeadLettersQuery>) -> Json<DeadLetters> {
        let DeadLettersQuery { job, limit } = query.into_inner();
        let limit = limit.unwrap_or(DEAD_LETTERS_DEFAULT).clamp(1, limits::PAGE_MAX);
        Ok(HttpResponseOk(outbox::dead_letters(plane(&ctx)?, job.as_ref(), limit).await?))
    }

    async fn dead_letter_replay(ctx: Context, body: TypedBody<Replay>) -> Accepted<Replayed> {
        let replayed = outbox::replay(serving(&ctx)?, &body.into_inner()).await?;
        Ok(HttpResponseAccepted(Replayed { replayed }))
    }

    async fn events(ctx: Context, body: UntypedBody) -> Accepted<EventsTaken> {
        let headers = ctx.request.headers().clone();
        Ok(HttpResponseAccepted(incoming::take(serving(&ctx)?, &headers, body.as_bytes()).await?))
    }

    async fn healthz(ctx: Context) -> Json<EngineReadiness> {
        Ok(HttpResponseOk(readiness(plane(&ctx)?)))
    }

    async fn readyz(ctx: Context) -> Json<EngineReadiness> {
        let plane = serving(&ctx)?;
        if let Some(trouble) = plane.trouble() {
            return Err(Problem::new(Code::Unavailable, trouble.detail()).into());
        }
        Ok(HttpResponseOk(readiness(plane)))
    }

    async fn metrics(ctx: Context) -> Raw {
        let text = plane(&ctx)?.metrics.render(plane(&ctx)?);
        respond("text/plain; version=0.0.4; charset=utf-8", text)
    }

    async fn openapi(ctx: Context) -> Raw {
        plane(&ctx)?;
        respond("application/json", DOCUMENT.to_owned())
    }
}

/// The plane, for a request that may be answered.
fn plane(ctx: &Context) -> Result<&Arc<Plane>, ApiError> {
    Ok(ctx.context().admit(ctx)?)
}

/// The same, for a request that changes something: not when everything ends.
fn serving(ctx: &Context) -> Result<&Arc<Plane>, ApiError> {
    let plane = plane(ctx)?;
    submit::refuse_when_stopping(plane)?;
    Ok(plane)
}

fn readiness(plane: &Plane) -> EngineReadiness {
    let book = plane.book.lock();
    EngineReadiness {
        ready: true,
        version: tessera_api::VERSION.to_owned(),
        queued: book.queue.len() as u64,
        running: book.running.len() as u64,
        events_pending: plane.outbox.count().0,
        waiting_for: Vec::new(),
    }
}

fn list(plane: &Plane, query: &JobsQuery) -> Result<JobList, Problem> {
    let before = query.page.as_ref().map(|page| {
        page.parse().map(JobNumber).map_err(|_| {
            Problem::new(Code::InvalidRequest, "`page` is not one that a list answered with")
        })
    });
    let before = before.transpose()?;
    let limit = query.limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_MAX);
    let is_wanted = |state: &JobState| {
        let head = &state.head;
        query.status.is_none_or(|status| status == head.status)
            && query.scenario.as_ref().is_none_or(|scenario| *scenario == head.scenario)
            && query.submitter.as_ref().is_none_or(|it| head.submitter.as_ref() == Some(it))
    };
    let book = plane.book.lock();
    let wanted = book.newest(before).filter(|(_, state)| is_wanted(state));
    let mut page: Vec<_> = wanted.take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().filter(|_| has_more).map(|(number, _)| number.to_string());
    let items = page.into_iter().map(|(_, state)| state.head.clone()).collect();
    Ok(JobList { items, next_page: last })
}

fn respond(content_type: &str, body: String) -> Raw {
    Response::builder()
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::CACHE_CONTROL, "no-store")
        .body(body.into())
        .map_err(|error| Problem::new(Code::Internal, error.to_string()).into())
}
