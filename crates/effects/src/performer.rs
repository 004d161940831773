//! What carries out effects.

use std::sync::Arc;

use http::{HeaderValue, Method, header};
use serde_json::{Value as Json, json};
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{
    Action, Authorization, CloudEvent, Effect, Error, OpenApiRequest, ProcessSpec, StartRun,
};
use tokio_util::sync::CancellationToken;

use crate::adapter::{self, Adapter, AdapterCall};
use crate::auth::{self, Auth};
use crate::fault;
use crate::fetch::Fetcher;
use crate::http::{Ask, Http, Redirects, shape};
use crate::json::to_json;
use crate::openapi::OpenApi;
use crate::process::Processes;
use crate::settings::{Events, Settings, SettingsError};

/// Carries out effects. Cheap to clone; clones share connections, tokens and documents.
#[derive(Clone)]
pub struct Performer {
    auth: Auth,
    fetcher: Fetcher,
    openapi: OpenApi,
    processes: Processes,
    settings: Arc<Settings>,
}

impl Performer {
    /// A performer with these settings.
    ///
    /// # Errors
    /// When a file of certificates cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let auth = Auth::new(Http::new(&settings)?);
        let fetcher = Fetcher::new(auth.clone(), &settings);
        let openapi = OpenApi::new(fetcher.clone(), &settings.limits);
        let processes = Processes::new(&settings);
        Ok(Self { auth, fetcher, openapi, processes, settings: Arc::new(settings) })
    }

    /// The adapters whose functions can be called.
    #[must_use]
    pub fn adapters(&self) -> &[Arc<dyn Adapter>] {
        &self.settings.adapters
    }

    /// Looks for processes that outlived an earlier program, by the keys in their environment: what
    /// a crash left behind is ended before its effect is performed again. To be called before the
    /// first effect is begun. Says how many effects' processes there are.
    pub fn look_for_leftovers(&self) -> usize {
        self.processes.look_for_leftovers()
    }

    /// Carries out an effect. Cancelling ends what is under way, and this returns once that has
    /// ended. Dropping the future ends it, too, though nobody waits for that.
    ///
    /// # Errors
    /// The error that the run is to be told, without where it happened.
    pub async fn perform(
        &self,
        effect: &Effect,
        cancelled: CancellationToken,
    ) -> Result<Json, Error> {
        if let Action::Process { spec, awaits } = &effect.action {
            return self.process(effect, spec, *awaits, &cancelled).await;
        }
        // Dropping is what ends anything else.
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(fault::cancelled()),
            result = self.act(effect, &cancelled) => result,
        }
    }

    /// Says that the result of an effect is stored, so that nobody will ask for it again: what was
    /// kept for that can go. A container that is to be removed after its end stays until then, since
    /// a second try after a crash finds it by its key.
    pub async fn settle(&self, effect: &Effect) {
        if let Action::Process { spec: ProcessSpec::Container(spec), .. } = &effect.action {
            self.processes.settle(spec, &effect.idempotency_key).await;
        }
    }

    async fn act(&self, effect: &Effect, cancelled: &CancellationToken) -> Result<Json, Error> {
        let key = &effect.idempotency_key;
        match &effect.action {
            Action::Http(request) => {
                let (authorization, output) = (request.authorization.as_ref(), request.output);
                self.call(Ask::of(request, key)?, authorization, output, request.redirect).await
            }
            Action::OpenApi(request) => self.operation(request, key).await,
            Action::Fetch(fetch) => Ok(Json::String(self.fetcher.text(fetch).await?.text)),
            Action::Adapter { name, arguments } => {
                let (adapter, function) = adapter::find(&self.settings.adapters, name)?;
                let arguments = to_json(arguments)?;
                let call = AdapterCall { function, arguments, idempotency_key: key, cancelled };
                adapter.call(call).await
            }
            Action::FindWorkflow { namespace, name, version } => {
                let Some(definitions) = &self.settings.definitions else {
                    let wanted = format!("{namespace}/{name}");
                    return Err(fault::configuration(format!(
                        "there is no workflow {wanted}: no folder of workflows is given"
                    )));
                };
                let text = definitions.find(namespace, name, version).await?;
                Ok(json!({ "definition": text }))
            }
            Action::StartRun(run) => self.start(run, key).await,
            Action::Emit(event) => self.emit(event, key).await,
            Action::Process { .. } => Err(fault::runtime("processes are no calls")),
        }
    }

    async fn call(
        &self,
        ask: Ask,
        authorization: Option<&Authorization>,
        output: OutputFormat,
        redirect: bool,
    ) -> Result<Json, Error> {
        let redirects = if redirect { Redirects::Follow } else { Redirects::Answer };
        let answer = self.auth.call(ask, authorization, redirects).await?;
        let result = shape(&answer, output, redirect);
        result.map_err(|error| auth::mask(&answer.asked.1, authorization).error(error))
    }

    async fn operation(&self, request: &OpenApiRequest, key: &str) -> Result<Json, Error> {
        let ask = self.openapi.request(request).await?.keyed(key)?;
        self.call(ask, request.authorization.as_ref(), request.output, request.redirect).await
    }

    async fn process(
        &self,
        effect: &Effect,
        spec: &ProcessSpec,
        awaits: bool,
        cancelled: &CancellationToken,
    ) -> Result<Json, Error> {
        let key = &effect.idempotency_key;
        match awaits {
            true => Ok(self.processes.run(spec, key, cancelled).await?.into_json()),
            false => {
                self.processes.start(spec, key).await?;
                Ok(Json::Null)
            }
        }
    }

    async fn start(&self, run: &StartRun, key: &str) -> Result<Json, Error> {
        let Some(runs) = &self.settings.runs else {
            return Err(fault::configuration(
                "a workflow that is not waited for cannot be started here",
            ));
        };
        runs.start(run, key).await?;
        Ok(Json::Null)
    }

    async fn emit(&self, event: &CloudEvent, key: &str) -> Result<Json, Error> {
        match &self.settings.events {
            Events::Nowhere => {}
            Events::Given(sink) => sink.publish(event).await?,
            Events::To(uri) => {
                let mut ask = Ask::new(Method::POST, uri.clone());
                let media_type = HeaderValue::from_static("application/cloudevents+json");
                ask.headers.insert(header::CONTENT_TYPE, media_type);
                let ask = ask.with_body(Some(&Json::Object(event.clone())))?.keyed(key)?;
                self.call(ask, None, OutputFormat::Raw, false).await?;
            }
        }
        Ok(Json::Null)
    }
}
