//! The link to the engine: the one thing outside that the control plane calls.
//!
//! The one idea: what is to be done is read from the world each time, never remembered.
//! A step that is suspended without a job's id is to be submitted, under its correlation id
//! as idempotency key, so doing that twice makes one job. One with an id is asked for now
//! and then, since events can be lost. A job that is not wanted is written down as such until
//! it is cancelled. So nothing is lost when either side dies.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use tessera_api::ApiError;
use tessera_client::{Engine, Error, call};
use tessera_reconciler::{EngineUse, JobNews, Tabled, Told, World};
use tessera_types::engine::{EngineJob, JobId, JobStatus, Submission};
use tessera_types::problem::Code;
use tessera_types::timed::{
    PipelineProgress, StepProgress, StepState, Timed, TimedObserved, UnwantedJob,
};
use tessera_types::{
    Edit, Host, Kind, KindName, Name, Object, Pod, Resource, ResourceKey, SessionPart, Timestamp,
};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

use crate::clock;
use crate::engine_news::{Suspended, news_of_job, tell};
use crate::options::Options;
use crate::plane::Plane;

/// An answer of the engine takes milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Calls that are under way at once.
const CALLS_MAX: usize = 32;
/// Jobs that run for nobody which are remembered.
const STRAYS_MAX: usize = 1000;
/// The pauses before something is tried again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The engine is asked so long before a step's deadline at the latest.
const BEFORE_DEADLINE: Duration = Duration::from_secs(1);

/// The engine's client, if there is an engine.
pub(crate) fn client(options: &Options) -> Result<Option<Engine>, String> {
    if options.no_engine {
        tracing::warn!(target: "tessera", "PIPELINES WITH JOBS DO NOT BEGIN: the control plane was started with --no-engine; those under way go on");
    }
    options.engine.as_deref().map(Engine::new).transpose().map_err(|error| error.to_string())
}

/// Whether pipelines with jobs may begin.
pub(crate) fn usable(options: &Options) -> EngineUse {
    match (options.no_engine, &options.engine) {
        (true, _) => EngineUse::Stopped,
        (false, None) => EngineUse::Missing,
        (false, Some(_)) => EngineUse::On,
    }
}

/// How many instances wait for the engine to be usable.
pub(crate) fn held(world: &World) -> usize {
    let Some(why) = world.engine().held() else { return 0 };
    fn of<K: Tabled>(world: &World, why: &str) -> usize {
        let waiting = world.table::<K>().iter().filter_map(|object| object.waiting_for.as_ref());
        waiting.filter(|waiting| waiting.message.ends_with(why)).count()
    }
    of::<Pod>(world, why) + of::<SessionPart>(world, why) + of::<Host>(world, why)
}

/// Whether a change may be one for the engine.
pub(crate) fn may_concern(resource: Option<&Resource>) -> bool {
    let timed = match resource {
        Some(Resource::Pod(pod)) => &pod.observed.timed,
        Some(Resource::SessionPart(part)) => &part.observed.timed,
        Some(Resource::Host(host)) => &host.observed.timed,
        _ => return false,
    };
    !timed.unwanted_jobs.is_empty() || suspended(timed).next().is_some()
}

fn suspended(timed: &TimedObserved) -> impl Iterator<Item = (&Name, &Name, &StepProgress)> {
    let of_phase = |(phase, progress)| {
        let progress: &PipelineProgress = progress;
        progress.iter().map(move |(step, stands)| (phase, step, stands))
    };
    let all = timed.pipeline_progress.iter().flat_map(of_phase);
    all.filter(|(_, _, stands)| stands.state == StepState::Suspended)
}

/// How the link is told that there may be something for the engine.
#[derive(Debug, Default)]
pub(crate) struct EngineBell {
    bell: Notify,
    /// Jobs that run for nobody, as their events tell: one that was submitted while its step
    /// ended, and was not found then.
    strays: Mutex<BTreeSet<JobId>>,
}

impl EngineBell {
    /// There may be something for the engine.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// A job runs for nobody.
    pub(crate) fn stray(&self, job: JobId) {
        let mut strays = self.strays.lock();
        if strays.len() < STRAYS_MAX {
            strays.insert(job);
        }
        drop(strays);
        self.ring();
    }

    async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// Something to be done with the engine.
#[derive(Clone, Debug)]
enum Task {
    Submit(Suspended, Box<Submission>),
    Ask(Suspended, JobId),
    Cancel(ResourceKey, UnwantedJob),
    End(JobId),
}

impl Task {
    /// What it is about: the correlation id, if it has one.
    fn id(&self) -> &str {
        match self {
            Self::Submit(whose, _) | Self::Ask(whose, _) => &whose.correlation_id,
            Self::Cancel(_, job) => &job.correlation_id,
            Self::End(job) => job.as_str(),
        }
    }
}

/// Why something was not done.
enum Failed {
    /// The engine cannot be reached, or has too much to do.
    Unreachable(String),
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

/// When something is tried again.
struct Pause {
    until: Instant,
    length: Duration,
}

/// The link of a control plane to its engine.
pub(crate) struct Link {
    plane: Arc<Plane>,
    engine: Engine,
    callback: String,
    /// What is under way, by the correlation id: one thing at a time for each.
    busy: HashSet<String>,
    pauses: HashMap<String, Pause>,
    /// When the engine is asked for a job next.
    ask_at: HashMap<String, Instant>,
    calls: JoinSet<Result<(), Failed>>,
    /// Which call is about what, by the correlation id.
    about: HashMap<task::Id, String>,
    is_first: bool,
    is_reachable: bool,
}

impl Link {
    pub(crate) fn new(plane: &Arc<Plane>, engine: Engine, listen: SocketAddr) -> Self {
        let own = || format!("http://{listen}/v1/events");
        Self {
            callback: plane.options.engine_callback.clone().unwrap_or_else(own),
            plane: Arc::clone(plane),
            engine,
            busy: HashSet::new(),
            pauses: HashMap::new(),
            ask_at: HashMap::new(),
            calls: JoinSet::new(),
            about: HashMap::new(),
            is_first: true,
            is_reachable: true,
        }
    }

    /// Runs until the control plane stops.
    pub(crate) async fn run(mut self) {
        let plane = Arc::clone(&self.plane);
        loop {
            let next = self.begin();
            tokio::select! {
                () = plane.stopping.cancelled() => return self.calls.shutdown().await,
                () = plane.engine.rung() => {}
                () = tokio::time::sleep(next) => {}
                Some(done) = self.calls.join_next_with_id() => {
                    let (call, result) = match done {
                        Ok((call, result)) => (call, result),
                        // A mistake of ours costs this call only.
                        Err(error) => (error.id(), Err(Failed::Store(error.to_string()))),
                    };
                    if let Some(id) = self.about.remove(&call) {
                        self.ended(id, result);
                    }
                }
            }
        }
    }

    /// Begins what is to be done now. Returns when to look again at the latest.
    fn begin(&mut self) -> Duration {
        let (now, every) = (Instant::now(), self.plane.options.engine_check_every.as_std());
        let tasks = self.tasks(now, every);
        let wanted: HashSet<&str> = tasks.iter().map(|(task, _)| task.id()).collect();
        self.ask_at.retain(|id, _| wanted.contains(id.as_str()));
        self.pauses.retain(|id, _| wanted.contains(id.as_str()));
        let mut next = every;
        for (task, due) in &tasks {
            let id = task.id();
            let paused = self.pauses.get(id).map(|pause| pause.until);
            let due = paused.map_or(*due, |until| until.max(*due));
            if due > now {
                next = next.min(due - now);
            } else if self.calls.len() < CALLS_MAX && self.busy.insert(id.to_owned()) {
                self.ask_at.remove(id);
                let id = id.to_owned();
                let call = Call { plane: Arc::clone(&self.plane), engine: self.engine.clone() };
                let task = task.clone();
                let spawned = self.calls.spawn(async move { call.go(task).await });
                self.about.insert(spawned.id(), id);
            }
        }
        self.is_first = false;
        next
    }

    fn ended(&mut self, id: String, result: Result<(), Failed>) {
        self.busy.remove(&id);
        let answered = !matches!(result, Err(Failed::Unreachable(_)));
        self.plane.metrics.engine_answered(answered);
        if answered != self.is_reachable {
            self.is_reachable = answered;
            match &result {
                Err(Failed::Unreachable(error)) => {
                    tracing::warn!(target: "tessera::engine_link", engine = self.engine.url(), error, "the engine does not answer; it is tried again");
                }
                _ => {
                    tracing::info!(target: "tessera::engine_link", engine = self.engine.url(), "the engine answers again");
                }
            }
        }
        let Err(failed) = result else {
            self.pauses.remove(&id);
            return;
        };
        if let Failed::Store(error) = &failed {
            tracing::warn!(target: "tessera::engine_link", correlation_id = id, error, "what the engine says cannot be written; it is tried again");
        }
        let before = self.pauses.get(&id).map_or(PAUSE_MIN / 2, |pause| pause.length);
        let length = (before * 2).min(PAUSE_MAX);
        self.pauses.insert(id, Pause { until: Instant::now() + length, length });
    }

    /// All that is to be done, each with its time.
    fn tasks(&mut self, now: Instant, every: Duration) -> Vec<(Task, Instant)> {
        let plane = Arc::clone(&self.plane);
        let world = plane.world.read();
        let mut tasks = Vec::new();
        self.tasks_of::<Pod>(&world, now, every, &mut tasks);
        self.tasks_of::<SessionPart>(&world, now, every, &mut tasks);
        self.tasks_of::<Host>(&world, now, every, &mut tasks);
        let strays = plane.engine.strays.lock();
        tasks.extend(strays.iter().map(|job| (Task::End(job.clone()), now)));
        tasks
    }

    fn tasks_of<K: Timed + Tabled>(
        &mut self,
        world: &World,
        now: Instant,
        every: Duration,
        tasks: &mut Vec<(Task, Instant)>,
    ) {
        for object in world.table::<K>().iter() {
            let timed = K::timed(object);
            for job in &timed.unwanted_jobs {
                tasks.push((Task::Cancel(object.key(), job.clone()), now));
            }
            for (phase, step, stands) in suspended(timed) {
                tasks.extend(self.task(object, phase, step, stands, now, every));
            }
        }
    }

    fn task<K: Timed>(
        &mut self,
        object: &Object<K>,
        phase: &Name,
        step: &Name,
        stands: &StepProgress,
        now: Instant,
        every: Duration,
    ) -> Option<(Task, Instant)> {
        let correlation_id = stands.correlation_id.clone()?;
        let (phase, step) = (phase.clone(), step.clone());
        let whose = Suspended { key: object.key(), phase, step, correlation_id };
        if let Some(job) = stands.job_id.as_ref().and_then(|id| id.parse().ok()) {
            // What was there at the start may have ended while nobody listened.
            let pause =
                if self.is_first { Duration::ZERO } else { until_asked(every, stands.deadline) };
            let due = *self.ask_at.entry(whose.correlation_id.clone()).or_insert(now + pause);
            return Some((Task::Ask(whose, job), due));
        }
        let submission = Submission {
            scenario: stands.scenario.as_ref()?.parse().ok()?,
            input: stands.input.clone(),
            pod_definition_id: pod_definition(object),
            callback_url: Some(self.callback.clone()),
            metadata: whose.metadata(),
            idempotency_key: Some(whose.correlation_id.clone()),
            submitter: Some(submitter(&whose.key)),
        };
        Some((Task::Submit(whose, Box::new(submission)), now))
    }
}

/// How long until the engine is asked for a job: a little before its step's deadline at the
/// latest, so that what came in time counts.
fn until_asked(every: Duration, deadline: Option<Timestamp>) -> Duration {
    let left = deadline.map(|at| at.since(clock::now()));
    let before = left.map(|left| left.as_std().saturating_sub(BEFORE_DEADLINE));
    before.filter(|before| !before.is_zero()).map_or(every, |before| before.min(every))
}

/// The definition of the pod that a job is about.
fn pod_definition<K: Timed>(object: &Object<K>) -> Option<String> {
    let resource = K::wrap(Arc::new(object.clone()));
    let pinned = Pod::unwrap(&resource)?.observed.definition.as_ref()?;
    Some(pinned.to_string())
}

/// On whose behalf a job runs: each instance gets its turn.
fn submitter(key: &ResourceKey) -> String {
    key.to_string()
}

/// One thing that is done with the engine.
struct Call {
    plane: Arc<Plane>,
    engine: Engine,
}

impl Call {
    async fn go(&self, task: Task) -> Result<(), Failed> {
        match task {
            Task::Submit(whose, submission) => self.submit(&whose, &submission).await,
            Task::Ask(whose, job) => self.ask(&whose, &job).await,
            Task::Cancel(key, job) => self.cancel(&key, &job).await,
            Task::End(job) => {
                self.cancel_job(&job).await?;
                self.plane.engine.strays.lock().remove(&job);
                Ok(())
            }
        }
    }

    async fn submit(&self, whose: &Suspended, submission: &Submission) -> Result<(), Failed> {
        let job = match answer(call(self.engine.job_submit(submission))).await? {
            Ok(job) => job,
            Err(problem) if problem.code == Code::IdempotencyKeyReused => {
                // It was submitted before, when this control plane was called otherwise.
                let id = problem.instance.as_deref().and_then(|it| it.strip_prefix("job "));
                let Some(id) = id.and_then(|id| id.parse().ok()) else {
                    return self.refused(whose, &problem.to_string()).await;
                };
                match answer(call(self.engine.job_get(&id))).await? {
                    Ok(job) => job,
                    Err(problem) => return self.refused(whose, &problem.to_string()).await,
                }
            }
            Err(problem) => return self.refused(whose, &problem.to_string()).await,
        };
        let id = &job.head.id;
        tracing::info!(target: "tessera::engine_link", instance = %whose.key, phase = %whose.phase, step = %whose.step, %id, "job submitted");
        if self.told(whose, &job).await? == Told::Stale {
            // The step has gone on while it was submitted.
            return self.cancel_job(id).await;
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
            Ok(job) if job.head.status.is_over() => {
                self.told(whose, &job).await?;
            }
            Ok(_) => {}
            Err(problem) if problem.code == Code::NotFound => {
                let news = JobNews::Failed("the engine does not know it any more".to_owned());
                tell(&self.plane, whose, Some(id), None, &news).await?;
            }
            Err(problem) => return Err(Failed::Unreachable(problem.to_string())),
        }
        Ok(())
    }

    async fn told(&self, whose: &Suspended, job: &EngineJob) -> Result<Told, Failed> {
        Ok(tell(&self.plane, whose, Some(&job.head.id), None, &news_of_job(job)).await?)
    }

    async fn cancel(&self, key: &ResourceKey, job: &UnwantedJob) -> Result<(), Failed> {
        match job.job_id.as_ref().and_then(|id| id.parse().ok()) {
            Some(id) => self.cancel_job(&id).await?,
            // It may have been submitted just before its step ended.
            None => self.cancel_by_correlation(key, &job.correlation_id).await?,
        }
        let id = &job.correlation_id;
        let forgotten = match key.kind {
            KindName::Pod => self.forget::<Pod>(key, id).await,
            KindName::SessionPart => self.forget::<SessionPart>(key, id).await,
            _ => self.forget::<Host>(key, id).await,
        };
        match forgotten {
            Err(error) if error.problem().code != Code::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Has a job cancelled; done once it is over.
    async fn cancel_job(&self, id: &JobId) -> Result<(), Failed> {
        match answer(call(self.engine.job_cancel(id))).await? {
            Ok(job) if !job.head.status.is_over() => Err(Failed::NotYet),
            Ok(_) => {
                tracing::info!(target: "tessera::engine_link", %id, "job cancelled: it is not wanted any more");
                Ok(())
            }
            // It is over, or was never there.
            Err(problem) if matches!(problem.code, Code::NotNow | Code::NotFound) => Ok(()),
            Err(problem) => Err(Failed::Unreachable(problem.to_string())),
        }
    }

    async fn cancel_by_correlation(&self, key: &ResourceKey, wanted: &str) -> Result<(), Failed> {
        let submitter = submitter(key);
        for status in [JobStatus::Submitted, JobStatus::Running] {
            let listed = self.engine.job_list(None, None, None, Some(&status), Some(&submitter));
            let listed = answer(call(listed)).await?;
            let listed = listed.map_err(|problem| Failed::Unreachable(problem.to_string()))?;
            for head in listed.items {
                let Ok(job) = answer(call(self.engine.job_get(&head.id))).await? else { continue };
                let id = job.metadata.get("correlation_id").and_then(Value::as_str);
                if id == Some(wanted) {
                    self.cancel_job(&head.id).await?;
                }
            }
        }
        Ok(())
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

/// What the engine answers: what was asked for or a refusal that stays one.
async fn answer<T>(
    call: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, tessera_types::Problem>, Failed> {
    let Ok(answered) = tokio::time::timeout(ANSWER_WITHIN, call).await else {
        return Err(Failed::Unreachable("no answer in time".to_owned()));
    };
    match answered {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Refused(problem)) if is_for_now(problem.code) => {
            Err(Failed::Unreachable(problem.to_string()))
        }
        Err(Error::Refused(problem)) => Ok(Err(*problem)),
        Err(other) => Err(Failed::Unreachable(other.to_string())),
    }
}

/// Whether a refusal says nothing of what was asked, only of when.
fn is_for_now(code: Code) -> bool {
    code == Code::TooManyRequests || code.status() >= 500
}
