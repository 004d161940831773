//! What effects reach of the engine itself: events that jobs emit, and runs that jobs
//! start and do not wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tessera_effects::{Performer, Runs, Sink};
use tessera_types::engine::Submission;
use tessera_workflow::machine::{Action, CloudEvent, Effect, Error, StartRun, StepId};
use tokio_util::sync::CancellationToken;

use crate::plane::{Link, Plane};
use crate::state::JobState;
use crate::{failure, incoming, submit};

/// The pause before an event is given again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// For how long that is tried. Who has the event by then knows it if the task is tried again.
const GIVEN_WITHIN: Duration = Duration::from_secs(120);

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
            let Some(plane) = self.link.plane() else { return Ok(()) };
            let event = Arc::new(event.clone());
            let begun_at = Instant::now();
            while let Err(problem) = incoming::give(&plane, &event).await {
                if begun_at.elapsed() > GIVEN_WITHIN {
                    return Err(failure::runtime(problem.detail));
                }
                tracing::warn!(target: "tessera::engine", why = problem.detail, "an event that a job emits cannot be given to those that listen; it is tried again");
                tokio::time::sleep(AGAIN_AFTER).await;
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
            let starter = starter(&plane, key);
            let submission = Submission {
                scenario: found.info.scenario.clone(),
                input,
                pod_definition_id: None,
                callback_url: None,
                metadata: serde_json::Map::new(),
                idempotency_key: Some(key.to_owned()),
                // Whoever submits much has one turn, whatever his jobs begin.
                submitter: starter.as_ref().and_then(|it| it.head.submitter.clone()),
                cancelled: false,
            };
            let family = starter.map(|it| it.family.clone().unwrap_or_else(|| it.head.id.clone()));
            // It goes on if whoever started it is cancelled meanwhile: what is stored is to be queued.
            let submitting =
                tokio::spawn(async move { submit::submit(&plane, submission, family).await });
            match submitting.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(problem)) => Err(failure::runtime(problem.detail)),
                Err(error) => Err(failure::runtime(error.to_string())),
            }
        })
    }
}

/// The job whose run has an effect: the effect's key begins with the id of the run.
fn starter(plane: &Plane, key: &str) -> Option<Arc<JobState>> {
    let id = key.split(['/', '.']).next()?.parse().ok()?;
    plane.book.lock().find(&id).map(|(_, state)| state)
}
