//! The engine's HTTP API: jobs, scenarios, and events that could not be delivered.

use dropshot::{
    Body as HttpBody, HttpResponseAccepted, HttpResponseOk, Path, Query, RequestContext, TypedBody,
    UntypedBody,
};
use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tessera_types::engine::{
    AdapterList, DeadLetters, EngineJob, EngineReadiness, EventsTaken, JobId, JobList, JobStatus,
    JobSteps, Replay, Replayed, ScenarioList, ScenarioName, Submission,
};

use crate::{ApiError, VERSION};

/// The identity of a job.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobPath {
    /// The job.
    pub id: JobId,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct JobsQuery {
    /// Only those of this status.
    pub status: Option<JobStatus>,
    /// Only those of this scenario.
    pub scenario: Option<ScenarioName>,
    /// Only those of this submitter.
    pub submitter: Option<String>,
    /// At most so many; 500 unless given, and never more than 1000.
    pub limit: Option<usize>,
    /// The page after the one that answered with this `next_page`.
    pub page: Option<String>,
}

/// Which dead letters to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeadLettersQuery {
    /// Only those about this job.
    pub job: Option<JobId>,
    /// At most so many; 100 unless given, and never more than 1000.
    pub limit: Option<usize>,
}

/// The engine's HTTP API.
#[dropshot::api_description]
pub trait EngineApi {
    /// What the handlers share.
    type Context;

    /// Submit a job. With an idempotency key that a job has, and the same submission,
    /// the answer is that job.
    #[endpoint { method = POST, path = "/api/v1/jobs", tags = ["jobs"] }]
    async fn job_submit(
        ctx: RequestContext<Self::Context>,
        body: TypedBody<Submission>,
    ) -> Result<HttpResponseAccepted<EngineJob>, ApiError>;

    /// Jobs, newest first.
    #[endpoint { method = GET, path = "/api/v1/jobs", tags = ["jobs"] }]
    async fn job_list(
        ctx: RequestContext<Self::Context>,
        query: Query<JobsQuery>,
    ) -> Result<HttpResponseOk<JobList>, ApiError>;

    /// A job.
    #[endpoint { method = GET, path = "/api/v1/jobs/{id}", tags = ["jobs"] }]
    async fn job_get(
        ctx: RequestContext<Self::Context>,
        path: Path<JobPath>,
    ) -> Result<HttpResponseOk<EngineJob>, ApiError>;

    /// Cancel a job: what it has under way is ended.
    #[endpoint { method = DELETE, path = "/api/v1/jobs/{id}", tags = ["jobs"] }]
    async fn job_cancel(
        ctx: RequestContext<Self::Context>,
        path: Path<JobPath>,
    ) -> Result<HttpResponseAccepted<EngineJob>, ApiError>;

    /// Have a job that is over tried again: it begins anew, with the document that it
    /// had.
    #[endpoint { method = POST, path = "/api/v1/jobs/{id}/retry", tags = ["jobs"] }]
    async fn job_retry(
        ctx: RequestContext<Self::Context>,
        path: Path<JobPath>,
    ) -> Result<HttpResponseAccepted<EngineJob>, ApiError>;

    /// What a job has done, task by task.
    #[endpoint { method = GET, path = "/api/v1/jobs/{id}/steps", tags = ["jobs"] }]
    async fn job_steps(
        ctx: RequestContext<Self::Context>,
        path: Path<JobPath>,
    ) -> Result<HttpResponseOk<JobSteps>, ApiError>;

    /// The scenarios that jobs can be submitted for.
    #[endpoint { method = GET, path = "/api/v1/scenarios", tags = ["scenarios"] }]
    async fn scenario_list(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<ScenarioList>, ApiError>;

    /// The adapters whose functions documents can call.
    #[endpoint { method = GET, path = "/api/v1/adapters", tags = ["scenarios"] }]
    async fn adapter_list(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<AdapterList>, ApiError>;

    /// Events about jobs that nobody took, and that are not sent any more.
    #[endpoint { method = GET, path = "/api/v1/dead-letters", tags = ["events"] }]
    async fn dead_letter_list(
        ctx: RequestContext<Self::Context>,
        query: Query<DeadLettersQuery>,
    ) -> Result<HttpResponseOk<DeadLetters>, ApiError>;

    /// Send dead letters again.
    #[endpoint { method = POST, path = "/api/v1/dead-letters/replay", tags = ["events"] }]
    async fn dead_letter_replay(
        ctx: RequestContext<Self::Context>,
        body: TypedBody<Replay>,
    ) -> Result<HttpResponseAccepted<Replayed>, ApiError>;

    /// CloudEvents 1.0 for jobs that listen, in the structured, binary or batched
    /// content mode of the HTTP binding.
    #[endpoint { method = POST, path = "/api/v1/events", tags = ["events"] }]
    async fn events(
        ctx: RequestContext<Self::Context>,
        body: UntypedBody,
    ) -> Result<HttpResponseAccepted<EventsTaken>, ApiError>;

    /// Whether the process lives.
    #[endpoint { method = GET, path = "/healthz", tags = ["self"] }]
    async fn healthz(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<EngineReadiness>, ApiError>;

    /// Whether it serves: the journal is open and writable.
    #[endpoint { method = GET, path = "/readyz", tags = ["self"] }]
    async fn readyz(
        ctx: RequestContext<Self::Context>,
    ) -> Result<HttpResponseOk<EngineReadiness>, ApiError>;

    /// Metrics in the Prometheus text format.
    #[endpoint { method = GET, path = "/metrics", tags = ["self"] }]
    async fn metrics(ctx: RequestContext<Self::Context>) -> Result<Response<HttpBody>, ApiError>;

    /// This document.
    #[endpoint { method = GET, path = "/openapi.json", tags = ["self"] }]
    async fn openapi(ctx: RequestContext<Self::Context>) -> Result<Response<HttpBody>, ApiError>;
}

/// The engine's OpenAPI document, as it is checked in under `openapi/`.
#[must_use]
pub fn engine_openapi_document() -> String {
    let description = engine_api_mod::stub_api_description()
        .expect("the trait above is a valid description: a test builds the document");
    let version = VERSION.parse().expect("cargo checks that a crate's version is semantic");
    let document = description
        .openapi("Tessera engine", version)
        .description("Runs scenarios as durable jobs, and tells who submitted them.")
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
        let document = super::engine_openapi_document();
        for path in ["/api/v1/jobs/{id}/steps", "/api/v1/dead-letters/replay", "/healthz"] {
            assert!(document.contains(path), "{path}");
        }
    }
}
