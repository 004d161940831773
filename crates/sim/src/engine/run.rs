//! A run in the memory of the simulated engine: the real machine, and its effects under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tessera_reconciler::JobNews;
use tessera_types::engine::{JobStatus, Progress};
use tessera_types::{Duration, Timestamp};
use tessera_workflow::journaled::{Journaled, Tracker};
use tessera_workflow::machine::{
    CloudEvent, Command, Effect, Entry, Happening, Limits, Listening, Machine, Outcome, Runtime,
    Start, Status, StepId,
};
use tessera_workflow::reading::Documents;
use tessera_workflow::value::{from_json, to_json};

use super::outside::{self, shown};
use super::{Job, Moment};

/// No document of the simulation waits longer for a time.
const WAITS_MAX: Duration = Duration::from_secs(3);

/// Events about progress are at least so far apart, as the real engine's are.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The true time, which nobody knows, and what the engine's two clocks show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) truth: Timestamp,
    pub(super) wall: Timestamp,
    pub(super) passed: std::time::Duration,
}

/// An effect that was begun.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) key: Arc<str>,
    /// The task and what it is, with all that it is given.
    what: String,
    ends_at: Timestamp,
    result: outside::Result,
}

/// What a run says of itself. One that is replayed says what was said before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Says {
    status: Status,
    waiting_for: Option<String>,
    wakes_at: Option<Timestamp>,
    listens: Vec<Listening>,
    progress: Progress,
    at: Timestamp,
    entries: u64,
}

/// A run.
pub(super) struct Run {
    pub(super) journaled: Journaled,
    /// When something was done with it.
    touched_at: Timestamp,
    tracker: Tracker,
    progress_sent: (u32, Timestamp),
    pub(super) under_way: BTreeMap<StepId, UnderWay>,
}

/// A job's machine before anything has happened.
pub(super) fn machine(job: &Job, at: Timestamp) -> Machine {
    let name = if job.is_steady { "well" } else { &job.id };
    let start = Start {
        run_id: job.id.as_str().into(),
        input: from_json(json!({"job": name, "given": job.input})),
        at,
        secrets: BTreeMap::new(),
        runtime: Runtime { name: "tessera-engine".into(), ..Runtime::default() },
        limits: Limits::default(),
        reader: Arc::new(Documents),
    };
    Machine::start(job.scenario.workflow(), start)
}

impl Run {
    /// A run that begins at this time.
    pub(super) fn begin(job: &Job, at: Timestamp) -> Self {
        let mut run = Self {
            journaled: Journaled::new(machine(job, at), 0, at),
            tracker: Tracker::new(job.id.as_str().into(), &job.scenario.workflow()),
            touched_at: at,
            progress_sent: (0, at),
            under_way: BTreeMap::new(),
        };
        run.observe();
        run
    }

    /// A run as its journal has it.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub(super) fn replayed(job: &Job) -> Result<Self, String> {
        let mut run = Self::begin(job, job.stored.started_at);
        for (number, text) in (0_u64..).zip(&job.stored.journal) {
            let entry: Entry = serde_json::from_str(text).map_err(|error| error.to_string())?;
            run.journaled.replay(number, &entry);
            run.settle();
        }
        run.observe();
        Ok(run)
    }

    fn settle(&mut self) {
        while !self.journaled.machine.proceed() {}
    }

    fn observe(&mut self) {
        for observation in self.journaled.machine.take_observations() {
            self.tracker.note(&observation);
        }
    }

    /// What it wants done.
    pub(super) fn commands(&mut self) -> Vec<Command> {
        self.journaled.machine.take_effects()
    }

    pub(super) fn says(&self) -> Says {
        let machine = &self.journaled.machine;
        Says {
            status: machine.status(),
            waiting_for: machine.waiting_for(),
            wakes_at: machine.next_wakeup(),
            listens: machine.listens(),
            progress: self.tracker.progress(),
            at: self.journaled.at(),
            entries: self.journaled.next_entry(),
        }
    }

    /// The effects that it waits for once this is done.
    pub(super) fn waits_for(&self, commands: &[Command]) -> BTreeMap<StepId, String> {
        let under_way = self.under_way.iter();
        let mut all: BTreeMap<_, _> =
            under_way.map(|(step, it)| (*step, format!("{} {}", it.key, it.what))).collect();
        for command in commands {
            match command {
                Command::Do(it) => {
                    all.insert(it.id, format!("{} {}", it.idempotency_key, shown(it)));
                }
                Command::Cancel(step) => drop(all.remove(step)),
            }
        }
        all
    }

    /// The keys of effects that are not wanted any more, where this is wanted.
    pub(super) fn unwanted(&self, commands: &[Command], is_over: bool) -> Vec<Arc<str>> {
        let is_ended = |step: &StepId| {
            is_over || commands.iter().any(|it| matches!(it, Command::Cancel(id) if id == step))
        };
        let ended = self.under_way.iter().filter(|(step, _)| is_ended(step));
        ended.map(|(_, it)| Arc::clone(&it.key)).collect()
    }

    /// Whether nothing but time or an event brings it on.
    pub(super) fn rests(&self) -> bool {
        self.journaled.machine.status() == Status::Waiting && self.under_way.is_empty()
    }

    /// When the next of its effects ends.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.under_way.values().map(|it| it.ends_at).min()
    }

    /// How long it is until its next timer, as the clocks of this time have it.
    pub(super) fn due_in(&self, time: Time) -> Option<Duration> {
        let due = self.journaled.due.filter(|_| self.journaled.machine.next_wakeup().is_some())?;
        let left = due.left(time.wall, time.passed);
        Some(Duration::from_millis(left.as_micros().div_ceil(1000) as u64))
    }

    /// Its next timer is seen.
    pub(super) fn looks_at_clocks(&mut self, time: Time) {
        self.touched_at = time.truth;
        self.journaled.due_in(time.wall, time.passed);
    }

    /// # Errors
    /// When it waits for a time, and that has come.
    pub(super) fn is_in_time(&self, now: Timestamp) -> Result<(), String> {
        let waits = self.rests() && self.journaled.machine.next_wakeup().is_some();
        match waits && now.since(self.touched_at) > WAITS_MAX {
            true => Err(format!("a run still waits, since {}: {:?}", self.touched_at, self.says())),
            false => Ok(()),
        }
    }

    /// Begins an effect, which has this result.
    pub(super) fn begins(&mut self, effect: &Effect, result: outside::Result, ends_at: Timestamp) {
        let key = Arc::clone(&effect.idempotency_key);
        let under_way = UnderWay { key, what: shown(effect), ends_at, result };
        self.under_way.insert(effect.id, under_way);
    }

    /// What has happened by now, told to the machine: effects that have ended, events, its time.
    pub(super) fn happens(&mut self, given: Vec<(u64, CloudEvent)>, time: Time) -> Moment {
        let mut moment = Moment::default();
        while let Some((step, it)) = self.ended(time.truth) {
            let entry = self.journaled.ends(time.wall, step, it.result);
            moment.takes(entry);
            moment.settled.push(it.key);
            self.settle();
        }
        for (number, event) in given {
            let entry = self.journaled.hears(time.wall, &event);
            entry.into_iter().for_each(|entry| moment.takes(entry));
            moment.heard.push(number);
            self.settle();
        }
        let left = self.journaled.due_in(time.wall, time.passed);
        if moment.entries.is_empty() && left == Some(std::time::Duration::ZERO) {
            let entry = self.journaled.wakes(time.wall);
            moment.takes(entry);
            self.settle();
        }
        self.concludes(&mut moment);
        moment
    }

    /// Takes the next effect that has ended by now, as long as that matters.
    fn ended(&mut self, now: Timestamp) -> Option<(StepId, UnderWay)> {
        let ended = self.under_way.iter().filter(|(_, it)| it.ends_at <= now);
        let (step, _) = ended.min_by_key(|(step, it)| (it.ends_at, **step))?;
        let (step, is_over) = (*step, self.journaled.machine.outcome().is_some());
        if is_over { None } else { self.under_way.remove_entry(&step) }
    }

    /// Somebody ends it.
    pub(super) fn cancelled(&mut self, reason: &str, time: Time) -> Moment {
        let mut moment = Moment::default();
        let what = Happening::Cancelled { reason: reason.to_owned() };
        let entry = self.journaled.happens(time.wall, what);
        moment.takes(entry);
        self.settle();
        self.concludes(&mut moment);
        moment
    }

    /// What it has come to, and what is to be told of that.
    fn concludes(&mut self, moment: &mut Moment) {
        self.observe();
        let (progress, at) = (self.tracker.progress(), self.journaled.at());
        let (done, sent_at) = self.progress_sent;
        moment.ending = self.journaled.machine.outcome().map(ending);
        let is_due = at.since(sent_at) >= PROGRESS_EVERY && progress.done > done;
        if is_due && moment.ending.is_none() {
            self.progress_sent = (progress.done, at);
            let message = format!("{} of {} tasks are done", progress.done, progress.known);
            let waiting_for = self.journaled.machine.waiting_for();
            moment.news.push(JobNews::Progress { message, waiting_for });
        }
    }
}

fn ending(outcome: &Outcome) -> (JobStatus, Result<Value, String>) {
    match outcome {
        Outcome::Completed(output) => match to_json(output) {
            Ok(output) => (JobStatus::Completed, Ok(output)),
            Err(error) => (JobStatus::Failed, Err(error.to_string())),
        },
        Outcome::Faulted(error) => (JobStatus::Failed, Err(error.to_string())),
        Outcome::Cancelled(reason) => (JobStatus::Cancelled, Err(reason.to_string())),
    }
}
