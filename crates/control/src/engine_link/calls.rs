//! What is said to the engine, and what is made of its answers.

use std::sync::Arc;
use std::time::Duration;

use tessera_api::ApiError;
use tessera_client::{Engine, Error, call};
use tessera_reconciler::{JobNews, Told};
use tessera_types::engine::{EngineJob, JobId, Submission};
use tessera_types::problem::Code;
use tessera_types::timed::{Timed, UnwantedJob};
use tessera_types::{Edit, Problem, ResourceKey, with_pipelined};

use super::submitter;
use crate::engine_news::{Suspended, news_of_job, news_when_asked, tell};
use crate::plane::Plane;

/// An answer of the engine takes milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Whoever brings an event waits for this.
const STRAY_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Something to be done with the engine.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Submit(Suspended, Box<Submission>),
    Ask(Suspended, JobId),
    Cancel(ResourceKey, UnwantedJob),
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// The engine cannot be reached.
    Unreachable(String),
    /// Something answers, and it is no engine.
    NoEngine(String),
    /// The engine answers, and cannot take it now: it has too much to do, or is in trouble
    /// itself.
    Busy(String),
    /// This control plane cannot write now.
    Store(String),
    /// The engine has begun with it, and is not done.
    NotYet,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Store(error.problem().to_string())
    }
}

/// One thing that is done with the engine.
pub(super) struct Call {
    pub(super) plane: Arc<Plane>,
    pub(super) engine: Engine,
}

impl Call {
    pub(super) async fn go(&self, task: Task) -> Result<(), Failed> {
        match task {
            Task::Submit(whose, submission) => self.submit(&whose, &submission).await,
            Task::Ask(whose, job) => self.ask(&whose, &job).await,
            Task::Cancel(key, job) => self.cancel(&key, &job).await,
        }
    }

    async fn submit(&self, whose: &Suspended, submission: &Submission) -> Result<(), Failed> {
        let job = match answer(call(self.engine.job_submit(submission))).await? {
            Ok(job) => job,
            // It was submitted before, when this control plane was called otherwise.
            Err(problem) => match job_of_key(&problem) {
                Some(id) => match answer(call(self.engine.job_get(&id))).await? {
                    Ok(job) => job,
                    Err(problem) => return self.refused(whose, &problem.to_string()).await,
                },
                None => return self.refused(whose, &problem.to_string()).await,
            },
        };
        let id = &job.head.id;
        tracing::info!(target: "tessera::engine_link", instance = %whose.key, phase = %whose.phase, step = %whose.step, %id, "job submitted");
        if self.told(whose, &job).await? == Told::Stale {
            // The step has gone on while it was submitted.
            return cancel_job(&self.engine, id).await;
        }
        Ok(())
    }

    async fn refused(&self, whose: &Suspended, problem: &str) -> Result<(), Failed> {
        let news = JobNews::Refused(format!("the engine does not take it: {problem}"));
        tell(&self.plane, whose, None, None, &news).await?;
        Ok(())
    }

    async fn ask(&self, whose: &Suspended, id: &JobId) -> Result<(), Failed> {
        match answer(call(self.engine.job_get(id))).await? {
            Ok(job) => {
                let news = news_when_asked(&job);
                tell(&self.plane, whose, Some(&job.head.id), None, &news).await?;
            }
            Err(problem) if problem.code == Code::NotFound => {
                let news = JobNews::Failed("the engine does not know it any more".to_owned());
                tell(&self.plane, whose, Some(id), None, &news).await?;
            }
            Err(problem) => return Err(Failed::Busy(problem.to_string())),
        }
        Ok(())
    }

    async fn told(&self, whose: &Suspended, job: &EngineJob) -> Result<Told, Failed> {
        Ok(tell(&self.plane, whose, Some(&job.head.id), None, &news_of_job(job)).await?)
    }

    async fn cancel(&self, key: &ResourceKey, job: &UnwantedJob) -> Result<(), Failed> {
        match job.job_id.as_ref().and_then(|id| id.parse().ok()) {
            Some(id) => cancel_job(&self.engine, &id).await?,
            None => self.cancel_key(key, job).await?,
        }
        let id = &job.correlation_id;
        match with_pipelined!(key.kind, K => self.forget::<K>(key, id).await) {
            Some(Err(error)) if error.problem().code != Code::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// It is not known whether there is such a job: its submission may have been answered to
    /// nobody, or still be on its way. So its key is used up by a job of which nothing runs;
    /// where one has the key already, that is cancelled.
    async fn cancel_key(&self, key: &ResourceKey, job: &UnwantedJob) -> Result<(), Failed> {
        // Whatever cannot be submitted was not.
        let Ok(scenario) = job.scenario.parse() else { return Ok(()) };
        let submission = Submission {
            scenario,
            input: serde_json::Value::Null,
            pod_definition_id: None,
            callback_url: None,
            metadata: serde_json::Map::new(),
            idempotency_key: Some(job.correlation_id.clone()),
            submitter: Some(submitter(key)),
            cancelled: true,
        };
        match answer(call(self.engine.job_submit(&submission))).await? {
            Ok(_) => Ok(()),
            Err(problem) => match job_of_key(&problem) {
                Some(id) => cancel_job(&self.engine, &id).await,
                // That says nothing of the key.
                None => Err(Failed::Busy(problem.to_string())),
            },
        }
    }

    async fn forget<K: Timed>(&self, key: &ResourceKey, id: &str) -> Result<(), ApiError> {
        let forget = |edit: &mut Edit<K>| {
            let unwanted = &mut K::timed_mut(&mut edit.object).unwanted_jobs;
            unwanted.retain(|job| job.correlation_id != id);
            Ok(())
        };
        self.plane.edit::<K>(key, forget).await.map(drop)
    }
}

/// The job that has the key of a submission which was refused for that.
fn job_of_key(problem: &Problem) -> Option<JobId> {
    let instance = problem.instance.as_deref();
    let instance = instance.filter(|_| problem.code == Code::IdempotencyKeyReused)?;
    instance.strip_prefix("job ")?.parse().ok()
}

/// Has a job cancelled; done once it is over.
async fn cancel_job(engine: &Engine, id: &JobId) -> Result<(), Failed> {
    match answer(call(engine.job_cancel(id))).await? {
        Ok(job) if !job.head.status.is_over() => Err(Failed::NotYet),
        Ok(_) => {
            tracing::info!(target: "tessera::engine_link", %id, "job cancelled: it is not wanted any more");
            Ok(())
        }
        // It is over, or was never there.
        Err(problem) if matches!(problem.code, Code::NotNow | Code::NotFound) => Ok(()),
        Err(problem) => Err(Failed::Busy(problem.to_string())),
    }
}

/// Has a job cancelled that runs for nobody. It is done once the engine has written that
/// down; nobody waits for its end.
pub(super) async fn end_stray(engine: &Engine, id: &JobId) -> Result<(), ApiError> {
    let ended = tokio::time::timeout(STRAY_ENDS_WITHIN, cancel_job(engine, id)).await;
    let why = match ended {
        Ok(Ok(()) | Err(Failed::NotYet)) => return Ok(()),
        Ok(Err(
            Failed::Unreachable(why)
            | Failed::NoEngine(why)
            | Failed::Busy(why)
            | Failed::Store(why),
        )) => why,
        Err(_) => "no answer in time".to_owned(),
    };
    let detail = format!("job {id} runs for nobody, and could not be cancelled: {why}");
    Err(Problem::new(Code::Unavailable, detail).remedy("send the event again").into())
}

/// What the engine answers: what was asked for or a refusal that stays one.
async fn answer<T>(
    call: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Problem>, Failed> {
    let Ok(answered) = tokio::time::timeout(ANSWER_WITHIN, call).await else {
        return Err(Failed::Unreachable("no answer in time".to_owned()));
    };
    match answered {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Refused(problem)) if is_for_now(problem.code) => {
            Err(Failed::Busy(problem.to_string()))
        }
        Err(Error::Refused(problem)) => Ok(Err(*problem)),
        Err(Error::Unreachable(why)) => Err(Failed::Unreachable(why)),
        Err(Error::Protocol(why)) => Err(Failed::NoEngine(why)),
        Err(other) => Err(Failed::Unreachable(other.to_string())),
    }
}

/// Whether a refusal says nothing of what was asked, only of when.
fn is_for_now(code: Code) -> bool {
    code == Code::TooManyRequests || code.status() >= 500
}
