//! Runs in this process: a machine, a performer and the clock, with the journal in memory.
//!
//! The one idea: this is the engine's loop without its store. What happens becomes an entry, the
//! machine is told, and what it then wants is begun. Nothing survives the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tessera_types::{Timestamp, limits};
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::{
    Action, CloudEvent, Command, Effect, Entry, Error, Happening, Limits, Machine, Observation,
    Outcome, Reader as _, Runtime, Start, StartRun, StepId,
};
use tessera_workflow::reading::Documents;
use tessera_workflow::value::{Value, from_json};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Performer, fault};

/// Runs workflows in this process. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    performer: Performer,
    secrets: Arc<BTreeMap<Arc<str>, Value>>,
    /// Those that nobody in a run waits for.
    started: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// How many were started.
    starts: Arc<AtomicUsize>,
}

/// How a run went.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// What was observed on the way.
    pub observations: Vec<Observation>,
}

/// An effect that has ended.
type EffectEnd = (Arc<Effect>, Result<Json, Error>);

/// A run that goes on.
struct Running {
    local: Local,
    machine: Box<Machine>,
    at: Timestamp,
    /// Effects that are under way, and what stops each.
    effects: JoinSet<EffectEnd>,
    stops: HashMap<StepId, CancellationToken>,
    /// Events that are still to come.
    events: VecDeque<CloudEvent>,
    observations: Vec<Observation>,
}

impl Local {
    /// Runs workflows with this performer and these secrets.
    #[must_use]
    pub fn new(performer: Performer, secrets: BTreeMap<Arc<str>, Value>) -> Self {
        Self {
            performer,
            secrets: Arc::new(secrets),
            started: Arc::default(),
            starts: Arc::default(),
        }
    }

    /// Runs a workflow to its end. The events come one after the other, each when a task listens. A
    /// run that waits for an event when none is left is cancelled, since none will come.
    pub async fn run(
        &self,
        workflow: Arc<Workflow>,
        input: Json,
        events: Vec<CloudEvent>,
        cancelled: &CancellationToken,
    ) -> Ended {
        let id = crate::auth::random().unwrap_or_default();
        self.go(workflow, from_json(input), format!("local-{id}"), events, cancelled).await
    }

    /// Waits for the runs that others started and did not wait for.
    pub async fn finish(&self) {
        loop {
            let started = std::mem::take(&mut *self.started.lock());
            if started.is_empty() {
                return;
            }
            futures::future::join_all(started).await;
        }
    }

    async fn go(
        &self,
        workflow: Arc<Workflow>,
        input: Value,
        run_id: String,
        events: Vec<CloudEvent>,
        cancelled: &CancellationToken,
    ) -> Ended {
        let at = now();
        let start = Start {
            run_id: run_id.into(),
            input,
            at,
            secrets: BTreeMap::clone(&self.secrets),
            runtime: Runtime {
                name: "tessera".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                metadata: Value::Null,
            },
            limits: Limits::default(),
            reader: Arc::new(Documents),
        };
        let running = Running {
            local: self.clone(),
            machine: Box::new(Machine::start(workflow, start)),
            at,
            effects: JoinSet::new(),
            stops: HashMap::new(),
            events: events.into(),
            observations: Vec::new(),
        };
        // Boxed: a machine is large, and runs start others.
        Box::pin(running.live(cancelled)).await
    }

    /// Starts a run that nobody waits for.
    async fn start(
        &self,
        run: &StartRun,
        effect: &Effect,
        cancelled: CancellationToken,
    ) -> Result<Json, Error> {
        let max = limits::STARTED_RUNS_MAX;
        if self.starts.fetch_add(1, Ordering::Relaxed) >= max {
            return Err(fault::runtime(format!("more than {max} runs were started")));
        }
        let StartRun { namespace, name, version, input } = run.clone();
        let find = Action::FindWorkflow { namespace, name, version };
        let find = Effect { action: find, ..effect.clone() };
        let found = self.performer.perform(&find, cancelled.clone()).await?;
        let text = found["definition"].as_str().unwrap_or_default();
        let workflow = Documents.workflow(text).map_err(fault::configuration)?;
        let (local, run_id) = (self.clone(), effect.idempotency_key.to_string());
        // Boxed, since a run may start one like itself.
        let going: BoxFuture<'static, ()> = async move {
            let token = CancellationToken::new();
            let ended = local.go(workflow, input, run_id, Vec::new(), &token).await;
            if let Outcome::Faulted(error) = ended.outcome {
                tracing::warn!(%error, "a run that nobody waits for faulted");
            }
        }
        .boxed();
        self.started.lock().push(tokio::spawn(going));
        Ok(Json::Null)
    }

    async fn perform(&self, effect: &Effect, cancelled: CancellationToken) -> Result<Json, Error> {
        match &effect.action {
            Action::StartRun(run) => self.start(run, effect, cancelled).await,
            _ => self.performer.perform(effect, cancelled).await,
        }
    }
}

impl Running {
    async fn live(mut self, cancelled: &CancellationToken) -> Ended {
        let mut is_cancelled = false;
        loop {
            self.carry_out();
            if let Some(outcome) = self.machine.outcome().cloned() {
                return self.end(outcome).await;
            }
            let wakeup = self.machine.next_wakeup();
            if let Some(event) = self.next_event() {
                self.tell(Happening::Event(event));
                continue;
            }
            if self.effects.is_empty() && wakeup.is_none() {
                self.give_up();
                continue;
            }
            tokio::select! {
                Some(ended) = self.effects.join_next() => self.ended(ended).await,
                () = until(wakeup) => self.tell(Happening::Woken),
                () = cancelled.cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    self.tell(Happening::Cancelled { reason: "interrupted".to_owned() });
                }
            }
        }
    }

    /// Begins what the machine wants begun, and stops what it wants stopped.
    fn carry_out(&mut self) {
        self.observations.extend(self.machine.take_observations());
        for command in self.machine.take_effects() {
            match command {
                Command::Do(effect) => self.begin(effect),
                Command::Cancel(step) => {
                    if let Some(stop) = self.stops.remove(&step) {
                        stop.cancel();
                    }
                }
            }
        }
    }

    fn begin(&mut self, effect: Effect) {
        let stop = CancellationToken::new();
        self.stops.insert(effect.id, stop.clone());
        let local = self.local.clone();
        self.effects.spawn(async move {
            let result = local.perform(&effect, stop).await;
            (Arc::new(effect), result)
        });
    }

    async fn ended(&mut self, ended: Result<EffectEnd, tokio::task::JoinError>) {
        // One that panicked has said so; its run would wait forever, so it ends with it.
        let (effect, result) = ended.expect("an effect does not panic");
        if self.stops.remove(&effect.id).is_none() {
            // It was stopped, and the machine has forgotten it.
            self.local.performer.settle(&effect).await;
            return;
        }
        let step = effect.id;
        match result {
            Ok(mut result) => {
                self.machine.mask(&mut result);
                self.tell(Happening::Done { step, result });
                // What a run publishes it may listen to itself.
                if let Action::Emit(event) = &effect.action {
                    self.tell(Happening::Event(event.clone()));
                }
            }
            Err(error) => self.tell(Happening::Failed { step, error }),
        }
        self.local.performer.settle(&effect).await;
    }

    fn tell(&mut self, what: Happening) {
        // Clocks may be set back; the journal's time is not.
        self.at = self.at.max(now());
        self.machine.apply(&Entry { at: self.at, what });
    }

    /// The next event, if a task listens.
    fn next_event(&mut self) -> Option<CloudEvent> {
        if self.machine.listens().is_empty() { None } else { self.events.pop_front() }
    }

    /// Nothing is under way, and nothing will come.
    fn give_up(&mut self) {
        let what =
            self.machine.waiting_for().unwrap_or_else(|| "nothing that could come".to_owned());
        let reason = format!("it waits, and no more events come: {what}");
        self.tell(Happening::Cancelled { reason });
    }

    /// Stops what is under way, and waits until it has stopped.
    async fn end(mut self, outcome: Outcome) -> Ended {
        for (_, stop) in self.stops.drain() {
            stop.cancel();
        }
        while let Some(ended) = self.effects.join_next().await {
            if let Ok((effect, _)) = ended {
                self.local.performer.settle(&effect).await;
            }
        }
        Ended { outcome, observations: self.observations }
    }
}

async fn until(wakeup: Option<Timestamp>) {
    match wakeup {
        Some(at) => tokio::time::sleep(at.since(now()).as_std()).await,
        None => std::future::pending().await,
    }
}

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}
