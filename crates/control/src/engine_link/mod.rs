//! The link to the engine: the one thing outside that the control plane calls.
//!
//! The one idea: what is to be done is read from the world each time, never remembered.
//! A step that is suspended without a job's id is to be submitted, under its correlation id
//! as idempotency key, so doing that twice makes one job. One with an id is asked for now
//! and then, since events can be lost. A job that is not wanted is written down as such until
//! it is cancelled. So nothing is lost when either side dies. Only when to look is kept here,
//! by correlation id (see [`agenda`]).

mod agenda;
mod calls;
mod heard;
mod scenarios;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tessera_api::ApiError;
use tessera_client::{Engine, Error};
use tessera_reconciler::{EngineAway, EngineUse, Tabled, World};
use tessera_types::engine::{JobId, Submission};
use tessera_types::timed::{
    PipelineProgress, StepProgress, StepState, Timed, TimedObserved, UnwantedJob,
};
use tessera_types::{
    Host, KindName, Name, Object, Pod, Resource, ResourceKey, SessionPart, Timestamp, WaitReason,
    with_pipelined,
};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

use self::agenda::{Agenda, PAUSE_MIN, What};
use self::calls::{Call, Failed, Task};
use self::heard::Heard;
use crate::clock;
use crate::engine_news::Suspended;
use crate::options::Options;
use crate::plane::{LoopMessage, Plane};

/// Calls that are under way at once.
const CALLS_MAX: usize = 32;
/// The engine is asked so long before a step's deadline at the latest.
const BEFORE_DEADLINE: Duration = Duration::from_secs(1);
/// A job of which nothing was told yet is asked for so long after it was taken: by then it
/// waits for something, or it is a short one.
const FIRST_ASKED_AFTER: Duration = Duration::from_secs(1);
/// The engine's client, if there is an engine.
pub(crate) fn client(options: &Options) -> Result<Option<Engine>, String> {
    if options.no_engine {
        tracing::warn!(target: "tessera", "PIPELINES WITH JOBS DO NOT BEGIN: the control plane was started with --no-engine; those under way go on");
    }
    options.engine.as_deref().map(Engine::new).transpose().map_err(|error| match error {
        Error::Url { url, why } => format!("`{url}` is not the address of an engine: {why}"),
        other => other.to_string(),
    })
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
    fn of<K: Tabled>(world: &World) -> usize {
        let waiting = world.table::<K>().iter().filter_map(|object| object.waiting_for.as_ref());
        waiting.filter(|waiting| waiting.reason == WaitReason::Engine).count()
    }
    of::<Pod>(world) + of::<SessionPart>(world) + of::<Host>(world)
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
    changed: Mutex<BTreeSet<ResourceKey>>,
    /// For whoever has to ask something at once.
    client: Option<Engine>,
}

impl EngineBell {
    pub(crate) fn new(client: Option<Engine>) -> Self {
        Self { client, ..Self::default() }
    }

    /// There may be something of this one for the engine.
    pub(crate) fn ring(&self, key: ResourceKey) {
        self.changed.lock().insert(key);
        self.bell.notify_one();
    }

    /// Has a job cancelled that runs for nobody, as one of its events says. An error has the
    /// engine say so again: nothing of it is kept here.
    pub(crate) async fn end_stray(&self, job: &JobId) -> Result<(), ApiError> {
        match &self.client {
            Some(engine) => calls::end_stray(engine, job).await,
            None => Ok(()),
        }
    }
}

/// The link of a control plane to its engine.
pub(crate) struct Link {
    plane: Arc<Plane>,
    engine: Engine,
    callback: String,
    agenda: Agenda,
    calls: JoinSet<Result<(), Failed>>,
    /// Which call is about what, by the correlation id.
    about: HashMap<task::Id, String>,
    /// How the engine answers.
    heard: Heard,
}

impl Link {
    pub(crate) fn new(plane: &Arc<Plane>, engine: Engine, listen: SocketAddr) -> Self {
        let own = || format!("http://{}/v1/events", tessera_serving::reachable(listen));
        Self {
            callback: plane.options.engine_callback.clone().unwrap_or_else(own),
            plane: Arc::clone(plane),
            engine,
            agenda: Agenda::default(),
            calls: JoinSet::new(),
            about: HashMap::new(),
            heard: Heard::default(),
        }
    }

    /// Runs until the control plane stops.
    pub(crate) async fn run(mut self) {
        let plane = Arc::clone(&self.plane);
        self.begin();
        loop {
            let now = Instant::now();
            self.look_at_changed(now);
            self.start_due(now);
            // What is due can be kept waiting by too many calls: one of those ends first.
            let next = self.agenda.next().filter(|_| self.calls.len() < CALLS_MAX);
            tokio::select! {
                () = plane.stopping.cancelled() => return self.calls.shutdown().await,
                () = plane.engine.bell.notified() => {}
                () = sleep_until(next) => {}
                Some(done) = self.calls.join_next_with_id() => {
                    let (call, result) = match done {
                        Ok((call, result)) => (call, result),
                        // A mistake of ours costs this call only.
                        Err(error) => (error.id(), Err(Failed::Store(error.to_string()))),
                    };
                    if let Some(id) = self.about.remove(&call) {
                        self.ended(&id, result);
                    }
                }
            }
        }
    }

    /// All that was there before. What has a job may have ended while nobody listened, so it
    /// is asked for at once.
    fn begin(&mut self) {
        let plane = Arc::clone(&self.plane);
        let (world, now) = (plane.world.read(), Instant::now());
        let all = world.all().filter(|resource| may_concern(Some(resource)));
        for key in all.map(|resource| resource.key()) {
            for (id, what, _) in to_do(&world, &key) {
                self.agenda.note(&id, &key, what, now);
            }
        }
    }

    fn look_at_changed(&mut self, now: Instant) {
        let changed = std::mem::take(&mut *self.plane.engine.changed.lock());
        for key in changed {
            self.look_at(&key, now);
        }
    }

    /// Notes what there is to do of one instance.
    fn look_at(&mut self, key: &ResourceKey, now: Instant) {
        let every = self.plane.options.engine_check_every.as_std();
        for (id, what, known) in to_do(&self.plane.world.read(), key) {
            let due = match what {
                What::Ask => now + known.until_asked(every),
                What::Submit | What::Cancel => now,
            };
            self.agenda.note(&id, key, what, due);
        }
    }

    fn start_due(&mut self, now: Instant) {
        while self.calls.len() < CALLS_MAX {
            let Some((id, key)) = self.agenda.take(now) else { return };
            let Some(task) = self.task(&key, &id) else {
                self.agenda.done(&id);
                self.heard.is_over(&id);
                continue;
            };
            let call = Call { plane: Arc::clone(&self.plane), engine: self.engine.clone() };
            let spawned = self.calls.spawn(async move { call.go(task).await });
            self.about.insert(spawned.id(), id);
        }
    }

    fn ended(&mut self, id: &str, result: Result<(), Failed>) {
        let now = Instant::now();
        self.hear(id, &result, now);
        match result {
            Ok(()) => {
                // There may be something else to do about it now.
                let Some(key) = self.agenda.done(id) else { return };
                self.look_at(&key, now + PAUSE_MIN);
            }
            Err(failed) => {
                if let Failed::Store(error) = &failed {
                    tracing::warn!(target: "tessera::engine_link", correlation_id = id, error, "what the engine says cannot be written; it is tried again");
                }
                self.agenda.failed(id, now);
            }
        }
    }

    /// Whether the engine answers is known by each call. What changes is said in what waits for
    /// it.
    fn hear(&mut self, id: &str, result: &Result<(), Failed>, now: Instant) {
        let url = self.engine.url();
        let trouble = self.heard.hear(url, id, result, now);
        self.plane.metrics.engine_answered(!self.heard.is_away());
        let Some(trouble) = trouble else { return };
        let since = trouble.since;
        let away = trouble.away.map(|is_other| EngineAway { url: url.into(), since, is_other });
        let busy = trouble.busy.map(|why| format!("the engine at {url} takes nothing now: {why}"));
        {
            let mut world = self.plane.world.write();
            world.engine_is_away(away);
            world.engine_is_busy(busy);
        }
        self.wake_owners();
    }

    /// What waits for the engine is looked at again, so that it says what it waits for.
    fn wake_owners(&self) {
        let world = self.plane.world.read();
        for resource in self.agenda.owners().into_iter().filter_map(|key| world.find(key)) {
            self.plane.tell_loop(LoopMessage::Wake(resource.id()));
        }
    }

    /// What there is to do under `id`, if there still is.
    fn task(&self, key: &ResourceKey, id: &str) -> Option<Task> {
        let world = self.plane.world.read();
        let pod = || found::<Pod>(&world, key)?.observed.definition.as_ref();
        let definition = if key.kind == KindName::Pod { pod() } else { None };
        let definition = definition.map(ToString::to_string);
        with_pipelined!(key.kind, K => self.task_of(found::<K>(&world, key)?, id, definition))
            .flatten()
    }

    fn task_of<K: Timed>(
        &self,
        object: &Object<K>,
        id: &str,
        pod_definition_id: Option<String>,
    ) -> Option<Task> {
        let timed = K::timed(object);
        if let Some(job) = timed.unwanted_jobs.iter().find(|job| job.correlation_id == id) {
            return Some(Task::Cancel(object.key(), job.clone()));
        }
        let is_it = |stands: &StepProgress| stands.correlation_id.as_deref() == Some(id);
        let (phase, step, stands) = suspended(timed).find(|(_, _, stands)| is_it(stands))?;
        let (phase, step, correlation_id) = (phase.clone(), step.clone(), id.to_owned());
        let whose = Suspended { key: object.key(), phase, step, correlation_id };
        if let Some(job) = stands.job_id.as_ref().and_then(|id| id.parse().ok()) {
            return Some(Task::Ask(whose, job));
        }
        let submission = Submission {
            scenario: stands.scenario.as_ref()?.parse().ok()?,
            input: stands.input.clone(),
            pod_definition_id,
            callback_url: Some(self.callback.clone()),
            metadata: whose.metadata(),
            idempotency_key: Some(whose.correlation_id.clone()),
            submitter: Some(submitter(&whose.key)),
            cancelled: false,
        };
        Some(Task::Submit(whose, Box::new(submission)))
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn found<'a, K: Tabled>(world: &'a World, key: &ResourceKey) -> Option<&'a Arc<Object<K>>> {
    world.table::<K>().find(key.namespace.as_ref(), &key.name)
}

/// What says when a job is asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// When its step has failed at the latest.
    deadline: Option<Timestamp>,
    /// Whether the engine has said how far it is.
    is_told: bool,
}

/// What there is to do of an instance: under which correlation id.
fn to_do(world: &World, key: &ResourceKey) -> Vec<(String, What, Known)> {
    let timed = with_pipelined!(key.kind, K => found::<K>(world, key).map(|it| K::timed(it)));
    let Some(timed) = timed.flatten() else { return Vec::new() };
    let unwanted = timed.unwanted_jobs.iter();
    let unwanted = unwanted.map(|UnwantedJob { correlation_id, .. }| {
        (correlation_id.clone(), What::Cancel, Known::default())
    });
    let wanted = suspended(timed).filter_map(|(_, _, stands)| {
        let what = if stands.job_id.is_some() { What::Ask } else { What::Submit };
        let known = Known { deadline: stands.deadline, is_told: stands.told_at.is_some() };
        Some((stands.correlation_id.clone()?, what, known))
    });
    unwanted.chain(wanted).collect()
}

impl Known {
    /// How long until the engine is asked for a job: a little before its step's deadline at
    /// the latest, so that what came in time counts.
    fn until_asked(self, every: Duration) -> Duration {
        let every = if self.is_told { every } else { every.min(FIRST_ASKED_AFTER) };
        let left = self.deadline.map(|at| at.since(clock::now()));
        let before = left.map(|left| left.as_std().saturating_sub(BEFORE_DEADLINE));
        before.filter(|before| !before.is_zero()).map_or(every, |before| before.min(every))
    }
}

/// On whose behalf a job runs: each instance gets its turn.
fn submitter(key: &ResourceKey) -> String {
    key.to_string()
}
