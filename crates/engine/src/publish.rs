//! What effects reach of the engine itself: events that jobs emit, and runs that jobs
//! start and do not wait for.

use std::sync::Arc;

use futures::future::BoxFuture;
use tessera_effects::{Performer, Runs, Sink};
use tessera_types::engine::Submission;
use tessera_workflow::machine::{Action, CloudEvent, Effect, Error, StartRun, StepId};
use tokio_util::sync::CancellationToken;

use crate::plane::Link;
use crate::{failure, incoming, submit};

/// Gives events that jobs emit to jobs that listen, and to a sink outside.
pub(crate) struct Publisher {
    pub(crate) link: Link,
    /// Sends events outside, if they are to be.
    pub(crate) outside: Option<Performer>,
}

impl Sink for Publisher {
    fn publish<'a>(&'a self, event: &'a CloudEvent) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if let Some(outside) = &self.outside {
                let id = event.get("id").and_then(|it| it.as_str()).unwrap_or_default();
                let effect = Effect {
                    id: StepId(0),
                    task: "".into(),
                    idempotency_key: id.into(),
                    action: Action::Emit(event.clone()),
                };
                outside.perform(&effect, CancellationToken::new()).await?;
            }
            if let Some(plane) = self.link.plane() {
                incoming::give(&plane, &Arc::new(event.clone())).await;
            }
            Ok(())
        })
    }
}

/// Starts jobs for `run: workflow` that is not waited for.
pub(crate) struct Starter(pub(crate) Link);

impl Runs for Starter {
    fn start<'a>(&'a self, run: &'a StartRun, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let Some(plane) = self.0.plane() else {
                return Err(failure::runtime("the engine is stopping"));
            };
            let found = plane.scenarios.by_header(&run.namespace, &run.name, &run.version)?;
            let input = serde_json::from_str(&run.input.to_string())
                .map_err(|error| failure::runtime(format!("the input is no JSON: {error}")))?;
            let submission = Submission {
                scenario: found.info.scenario.clone(),
                input,
                pod_definition_id: None,
                callback_url: None,
                metadata: serde_json::Map::new(),
                idempotency_key: Some(key.to_owned()),
                submitter: None,
                cancelled: false,
            };
            match submit::submit(&plane, submission).await {
                Ok(_) => Ok(()),
                Err(problem) => Err(failure::runtime(problem.detail)),
            }
        })
    }
}
