//! The machine itself: what it is told, the work that follows from it, and what it says.
//!
//! An entry becomes work on the scopes that it concerns; work brings further work, until all that
//! is left must wait. The work is a stack, so one branch goes as far as it can before the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tessera_types::Timestamp;

use super::mailbox::Mailbox;
use super::mask::Mask;
use super::scope::{Ended, Frame, Parent, Scope, ScopeId, Timer};
use super::{
    Action, CloudEvent, Command, Effect, Entry, Error, Happening, Limits, Observation, Observed,
    Outcome, Reader, Start, Status, StepId,
};
use crate::definition::{Schema, Task, Workflow};
use crate::value::{Value, from_json, object};

/// A run of a workflow.
pub struct Machine {
    pub(super) run_id: Arc<str>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) secrets: BTreeMap<Arc<str>, Value>,
    pub(super) mask: Mask,
    pub(super) limits: Limits,
    /// `$runtime`.
    pub(super) runtime: Value,
    /// The time of the latest entry.
    pub(super) now: Timestamp,
    pub(super) scopes: BTreeMap<ScopeId, Scope>,
    pub(super) scopes_made: u64,
    pub(super) timers: BTreeSet<(Timestamp, ScopeId, Timer)>,
    pub(super) steps: BTreeMap<StepId, Awaited>,
    pub(super) mailbox: Mailbox,
    pub(super) listeners: BTreeSet<ScopeId>,
    pub(super) library: Library,
    pub(super) work: Vec<Work>,
    pub(super) outcome: Option<Outcome>,
    steps_made: u64,
    /// The first effect that this entry brought: nobody has seen it yet.
    steps_seen: u64,
    entries: u64,
    /// The tasks that began because of this entry.
    tasks_begun: u32,
    /// What has happened since the run was suspended, if it is.
    held: Option<VecDeque<Happening>>,
    outbox: BTreeMap<StepId, Effect>,
    cancels: Vec<StepId>,
    pub(super) observations: Vec<Observation>,
    pub(super) observed: u64,
}

/// The documents that were fetched, by their URIs. Each is fetched once in a run.
#[derive(Default)]
pub(super) struct Library {
    pub(super) texts: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) functions: BTreeMap<Arc<str>, Arc<Task>>,
    pub(super) schemas: BTreeMap<Arc<str>, Arc<Schema>>,
}

/// An effect whose end is awaited.
pub(super) struct Awaited {
    pub(super) scope: ScopeId,
    pub(super) purpose: Purpose,
    /// What it is, for people.
    pub(super) label: &'static str,
}

/// What the result of an effect is for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// It is what the task does.
    Body,
    /// It is the document of this URI, which the scope needs to go on.
    Text(Arc<str>),
}

/// Something that can be done at once.
pub(super) enum Work {
    Advance(ScopeId),
    Ended { parent: Parent, ended: Ended },
    Answer { scope: ScopeId, purpose: Purpose, result: Result<serde_json::Value, Error> },
    Fired { scope: ScopeId, timer: Timer },
}

impl Machine {
    /// A run that has just begun: its first effects are there to be taken.
    #[must_use]
    pub fn start(workflow: Arc<Workflow>, start: Start) -> Self {
        let text = |it: &Arc<str>| Value::utf8_str(it.to_string());
        let runtime = object([
            ("name", text(&start.runtime.name)),
            ("version", text(&start.runtime.version)),
            ("metadata", start.runtime.metadata.clone()),
        ]);
        let mut machine = Self {
            mask: Mask::new(&start.secrets),
            run_id: start.run_id,
            reader: start.reader,
            secrets: start.secrets,
            limits: start.limits,
            runtime,
            now: start.at,
            scopes: BTreeMap::new(),
            scopes_made: 0,
            timers: BTreeSet::new(),
            steps: BTreeMap::new(),
            mailbox: Mailbox::default(),
            listeners: BTreeSet::new(),
            library: Library::default(),
            work: Vec::new(),
            outcome: None,
            steps_made: 0,
            steps_seen: 0,
            entries: 0,
            tasks_begun: 0,
            held: None,
            outbox: BTreeMap::new(),
            cancels: Vec::new(),
            observations: Vec::new(),
            observed: 0,
        };
        machine.begin_run(None, workflow, start.input, 0);
        machine.settle();
        machine
    }

    /// Tells it what has happened. An entry that no longer matters, such as the end of an effect
    /// that was cancelled, changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        if self.outcome.is_some() {
            return;
        }
        self.now = self.now.max(entry.at);
        self.entries += 1;
        self.steps_seen = self.steps_made;
        self.tasks_begun = 0;
        if self.entries > self.limits.entries_max {
            let max = self.limits.entries_max;
            return self
                .stop(Error::runtime(format!("the run has more than {max} journal entries")));
        }
        match &entry.what {
            Happening::Cancelled { reason } => self.cancel(reason),
            Happening::Suspended => self.suspend(),
            Happening::Resumed => self.resume(),
            what => match &mut self.held {
                Some(held) => held.push_back(what.clone()),
                None => self.take(what.clone()),
            },
        }
    }

    /// What is to be done, once: effects to stop, then those to begin, in their order.
    ///
    /// An effect whose end was told before it was taken is not among them. So after a replay these
    /// are just the effects that are under way, and those to stop may include some of long ago.
    pub fn take_effects(&mut self) -> Vec<Command> {
        let cancels = std::mem::take(&mut self.cancels).into_iter().map(Command::Cancel);
        let effects = std::mem::take(&mut self.outbox).into_values().map(Command::Do);
        cancels.chain(effects).collect()
    }

    /// What was observed since the last call.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.outcome {
            Some(Outcome::Completed(_)) => Status::Completed,
            Some(Outcome::Faulted(_)) => Status::Faulted,
            Some(Outcome::Cancelled(_)) => Status::Cancelled,
            None if self.held.is_some() => Status::Suspended,
            None if self.steps.is_empty() => Status::Waiting,
            None => Status::Running,
        }
    }

    /// When it wants to be told [`Happening::Woken`]. A suspended run does not.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let suspended = self.held.is_some();
        self.timers.first().map(|(at, ..)| *at).filter(|_| !suspended)
    }

    fn take(&mut self, what: Happening) {
        match what {
            Happening::Done { step, result } => self.answer(step, Ok(result)),
            Happening::Failed { step, error } => self.answer(step, Err(error)),
            Happening::Woken => self.fire_timers(),
            Happening::Event(event) => self.receive(event),
            Happening::Cancelled { .. } | Happening::Suspended | Happening::Resumed => {}
        }
        self.settle();
    }

    fn answer(&mut self, step: StepId, result: Result<serde_json::Value, Error>) {
        let Some(Awaited { scope, purpose, .. }) = self.steps.remove(&step) else { return };
        self.outbox.remove(&step);
        if let Some(scope) = self.scopes.get_mut(&scope) {
            scope.step = None;
        }
        self.work.push(Work::Answer { scope, purpose, result });
    }

    fn receive(&mut self, event: CloudEvent) {
        let event = from_json(serde_json::Value::Object(event));
        if self.mailbox.push(event, self.limits.events_max) {
            let note = "an event that no task listened to was dropped: too many are kept";
            self.observe_run(self.root(), Observed::Note(note.to_owned()));
        }
    }

    fn fire_timers(&mut self) {
        while let Some(&(at, scope, timer)) = self.timers.first() {
            if at > self.now || self.outcome.is_some() {
                return;
            }
            self.drop_timer(scope, timer);
            self.work.push(Work::Fired { scope, timer });
            self.settle();
        }
    }

    fn suspend(&mut self) {
        if self.held.is_some() {
            return;
        }
        self.held = Some(VecDeque::new());
        self.observe_all(&Observed::Suspended);
    }

    /// What was held happens now, in its order, and then the timers whose time has come.
    fn resume(&mut self) {
        let Some(held) = self.held.take() else { return };
        self.observe_all(&Observed::Resumed);
        for what in held {
            if self.outcome.is_some() {
                return;
            }
            self.take(what);
        }
        self.fire_timers();
    }

    fn cancel(&mut self, reason: &str) {
        let root = self.root();
        self.clear_children(root, &BTreeMap::new());
        self.observe_run(root, Observed::Cancelled);
        self.conclude(Outcome::Cancelled(self.mask.text(reason).as_ref().into()));
    }

    /// Faults the run at once; no `try` catches it.
    pub(super) fn stop(&mut self, error: Error) {
        let root = self.root();
        let error = self.mask.error(error.at("/"));
        self.clear_children(root, &BTreeMap::new());
        self.observe_run(root, Observed::Faulted(error.clone()));
        self.conclude(Outcome::Faulted(error));
    }

    pub(super) fn conclude(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.close(self.root());
        self.work.clear();
        self.mailbox = Mailbox::default();
        self.library = Library::default();
        self.held = None;
    }

    /// Does all work that can be done.
    fn settle(&mut self) {
        loop {
            while let Some(work) = self.work.pop() {
                self.perform(work);
                if self.outcome.is_some() {
                    self.work.clear();
                    return;
                }
            }
            if !self.deliver() {
                return;
            }
        }
    }

    fn perform(&mut self, work: Work) {
        let (Work::Advance(id)
        | Work::Ended { parent: Parent { id, .. }, .. }
        | Work::Answer { scope: id, .. }
        | Work::Fired { scope: id, .. }) = work;
        if !self.scopes.contains_key(&id) {
            return;
        }
        let result = match work {
            Work::Advance(id) => self.advance(id),
            Work::Ended { parent, ended } => self.child_ended(parent, ended),
            Work::Answer { scope, purpose, result } => self.answered(scope, purpose, result),
            Work::Fired { scope, timer } => self.fired(scope, timer),
        };
        if let Err(error) = result {
            self.fault(id, error);
        }
    }

    fn advance(&mut self, id: ScopeId) -> Result<(), Error> {
        match self.scope(id)?.frame {
            Frame::Run(_) => self.advance_run(id),
            Frame::List(_) => self.advance_list(id),
            Frame::Task(_) => self.advance_task(id),
        }
    }

    fn child_ended(&mut self, parent: Parent, ended: Ended) -> Result<(), Error> {
        match self.scope(parent.id)?.frame {
            Frame::Run(_) => self.run_child_ended(parent.id, ended),
            Frame::List(_) => self.list_child_ended(parent.id, ended),
            Frame::Task(_) => self.task_child_ended(parent, ended),
        }
    }

    fn answered(
        &mut self,
        id: ScopeId,
        purpose: Purpose,
        result: Result<serde_json::Value, Error>,
    ) -> Result<(), Error> {
        let result = result?;
        match purpose {
            Purpose::Body => self.effect_done(id, from_json(result)),
            Purpose::Text(uri) => {
                let serde_json::Value::String(text) = result else {
                    return Err(Error::runtime(format!("`{uri}` was fetched and is no text")));
                };
                self.library.texts.insert(uri, text.into());
                self.work.push(Work::Advance(id));
                Ok(())
            }
        }
    }

    fn fired(&mut self, id: ScopeId, timer: Timer) -> Result<(), Error> {
        match timer {
            Timer::Timeout => Err(self.timed_out(id)?),
            Timer::Attempt => self.attempt_timed_out(id),
            Timer::Retry => self.attempt(id),
            Timer::Wait => {
                let output = self.task(id)?.input().clone();
                self.produced(id, output)
            }
        }
    }

    /// Wants an effect, whose result is for the scope.
    pub(super) fn want(
        &mut self,
        id: ScopeId,
        purpose: Purpose,
        action: Action,
    ) -> Result<StepId, Error> {
        let step = StepId(self.steps_made);
        let task = self.reference(id);
        self.scope_mut(id)?.step = Some(step);
        self.steps_made += 1;
        self.steps.insert(step, Awaited { scope: id, purpose, label: action.label() });
        let idempotency_key = format!("{}/{}", self.run_id, step.0).into();
        self.outbox.insert(step, Effect { id: step, task, idempotency_key, action });
        Ok(step)
    }

    /// The id that the next effect will have.
    pub(super) const fn next_step(&self) -> StepId {
        StepId(self.steps_made)
    }

    /// No longer wants an effect. One that this same entry brought was seen by nobody.
    pub(super) fn unwant(&mut self, step: StepId) {
        if self.steps.remove(&step).is_none() {
            return;
        }
        let taken = self.outbox.remove(&step).is_none();
        if taken || step.0 < self.steps_seen {
            self.cancels.push(step);
        }
    }

    /// Counts a task that begins.
    ///
    /// False when there are too many; the run has ended then.
    pub(super) fn count_task(&mut self) -> bool {
        self.tasks_begun += 1;
        let max = self.limits.tasks_per_entry_max;
        if self.tasks_begun <= max {
            return true;
        }
        self.stop(Error::runtime(format!(
            "more than {max} tasks ran without waiting for anything: is there an endless loop?"
        )));
        false
    }
}
