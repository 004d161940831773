//! The machine itself: what it is told, the work that follows from it, and what it says.
//!
//! An entry becomes work on the scopes that it concerns; work brings further work, until all that
//! is left must wait. The work is a stack, so one branch goes as far as it can before the next. It
//! can be done in slices, so that a run whose expressions take their time delays no other; and all
//! work that one entry brings is paid from one allowance, so that it ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::Timestamp;
use tessera_types::limits::clip;

use super::census::{UNCOUNTED_BYTES_MAX, action_bytes, happening_bytes};
use super::mailbox::Mailbox;
use super::mask::Mask;
use super::scope::{Parent, Scope, ScopeId, Timer};
use super::work::{Purpose, Work};
use super::{
    Action, CloudEvent, Command, Effect, Entry, Error, Happening, Limits, Observation, Observed,
    Outcome, Reader, Start, Status, StepId,
};
use crate::definition::{Schema, Task, Workflow};
use crate::expression::{Allowance, Watch, allowed, charge, is_overdrawn, is_stopped, watched};
use crate::value::{Value, from_json, object};

/// Steps of expressions that are evaluated before others get their turn. One evaluation may take
/// twice as many.
const SLICE_STEPS: u64 = 100_000;

const STOPPED: &str =
    "what it calculated took too long, or is not wanted any more, and was stopped";

/// What a piece of work costs besides its expressions.
const STEPS_PER_WORK: u64 = 4;

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
    /// What the work that this entry brings may still cost.
    allowance: Allowance,
    /// Whether a watch has stopped its work.
    stopped: bool,
    /// Bytes of values that were made since they were counted last.
    pub(super) bytes_made: usize,
    /// What it held when that was counted last, and the bytes made since.
    pub(super) bytes_counted: usize,
    pub(super) bytes_uncounted: usize,
    journal_bytes: usize,
    /// Whether the timers whose time has come are still to be fired.
    firing: bool,
    /// What has happened since the run was suspended, if it is.
    held: Option<VecDeque<Happening>>,
    /// What happened while it was suspended and is still to be taken in.
    resumed: VecDeque<Happening>,
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

/// Bytes of what an effect is called.
const LABEL_BYTES_MAX: usize = 100;

/// An effect whose end is awaited.
pub(super) struct Awaited {
    pub(super) scope: ScopeId,
    pub(super) purpose: Purpose,
    /// What it is, for people.
    pub(super) label: Box<str>,
    /// About what it holds in memory.
    pub(super) bytes: usize,
}

impl Machine {
    /// A run that has just begun: its first effects are there to be taken.
    #[must_use]
    pub fn start(workflow: Arc<Workflow>, start: Start) -> Self {
        let mut machine = Self::begin(workflow, start);
        machine.settle();
        machine
    }

    /// A run that has just begun and is still to [`proceed`](Self::proceed).
    #[must_use]
    pub fn begin(workflow: Arc<Workflow>, start: Start) -> Self {
        let text = |it: &Arc<str>| Value::utf8_str(it.to_string());
        let metadata = match &start.runtime.metadata {
            Value::Null => Value::Obj(Arc::default()),
            given => given.clone(),
        };
        let runtime = object([
            ("name", text(&start.runtime.name)),
            ("version", text(&start.runtime.version)),
            ("metadata", metadata),
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
            allowance: Allowance::of_steps(start.limits.steps_per_entry_max),
            stopped: false,
            bytes_made: 0,
            bytes_counted: 0,
            bytes_uncounted: UNCOUNTED_BYTES_MAX,
            journal_bytes: 0,
            firing: false,
            held: None,
            resumed: VecDeque::new(),
            outbox: BTreeMap::new(),
            cancels: Vec::new(),
            observations: Vec::new(),
            observed: 0,
        };
        machine.begin_run(None, workflow, start.input, 0);
        machine
    }

    /// Tells it what has happened, and does all that follows. An entry that no longer matters, such
    /// as the end of an effect that was cancelled, changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        self.tell(entry);
        self.settle();
    }

    /// Tells it what has happened. What follows is still to [`proceed`](Self::proceed).
    pub fn tell(&mut self, entry: &Entry) {
        self.settle();
        if self.outcome.is_some() {
            return;
        }
        self.now = self.now.max(entry.at);
        self.entries += 1;
        self.steps_seen = self.steps_made;
        self.tasks_begun = 0;
        self.allowance = Allowance::of_steps(self.limits.steps_per_entry_max);
        if self.entries > self.limits.entries_max {
            let max = self.limits.entries_max;
            return self
                .stop(Error::runtime(format!("the run has more than {max} journal entries")));
        }
        if !self.count_bytes(&entry.what) {
            return;
        }
        if let Happening::Done { step, .. } | Happening::Failed { step, .. } = &entry.what
            && !planted(Bug::EndForgotten)
        {
            // Also where the run is suspended: it has ended, so it is not to be begun again.
            self.outbox.remove(step);
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

    /// Counts an entry's bytes. False when that ended the run.
    fn count_bytes(&mut self, what: &Happening) -> bool {
        let bytes = happening_bytes(what);
        self.journal_bytes = self.journal_bytes.saturating_add(bytes);
        let max = self.limits.journal_bytes_max;
        if self.journal_bytes > max {
            let max = max >> 20;
            self.stop(Error::runtime(format!(
                "the results and events that the run was given have more than {max} MiB"
            )));
            return false;
        }
        self.hold(bytes);
        self.outcome.is_none()
    }

    fn take(&mut self, what: Happening) {
        match what {
            Happening::Done { step, result } => self.answer(step, Ok(result)),
            Happening::Failed { step, error } => self.answer(step, Err(error)),
            Happening::Woken => self.firing = true,
            Happening::Event(event) => self.receive(event),
            Happening::Cancelled { .. } | Happening::Suspended | Happening::Resumed => {}
        }
    }

    fn answer(&mut self, step: StepId, result: Result<serde_json::Value, Error>) {
        let Some(Awaited { scope, purpose, .. }) = self.steps.remove(&step) else { return };
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

    /// Fires the next timer whose time has come, if they are to be fired. False when none is.
    fn fire_next(&mut self) -> bool {
        let due = self.timers.first().copied().filter(|(at, ..)| self.firing && *at <= self.now);
        let Some((_, scope, timer)) = due else {
            self.firing = false;
            return false;
        };
        self.drop_timer(scope, timer);
        self.work.push(Work::Fired { scope, timer });
        true
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
        self.resumed = held;
        self.resumed.push_back(Happening::Woken);
    }

    /// Takes in the next of what was held. False when there is none.
    fn take_resumed(&mut self) -> bool {
        let next = self.resumed.pop_front();
        next.map(|what| self.take(what)).is_some()
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
        self.work.clear();
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
        self.resumed = VecDeque::new();
    }

    /// Does all work that can be done.
    fn settle(&mut self) {
        while !self.proceed() {}
    }

    /// Does some of the work that follows from what it was told: that of some hundredths of a
    /// second. True when nothing is left to do.
    ///
    /// Effects, observations and the outcome are there when all is done.
    pub fn proceed(&mut self) -> bool {
        let mut allowance = self.allowance;
        let done = allowance.pays(|| self.slice());
        let made = usize::try_from(allowance.take_bytes_made()).unwrap_or(usize::MAX);
        self.allowance = allowance;
        self.hold(made);
        done || self.outcome.is_some()
    }

    /// The same under a watch, which is asked several times in a thousandth of a second. When it
    /// says that the work is to stop, the run has ended in a fault that nothing catches. Where
    /// that came from is in no journal: a run that was stopped is to be ended, or dropped.
    pub fn proceed_under(&mut self, watch: &Watch) -> bool {
        let (done, stopped) = watched(watch, || self.proceed());
        if stopped {
            self.stopped = true;
            // What was made of it meanwhile is no value, wherever it got to.
            let fault = Error::runtime(STOPPED);
            match &mut self.outcome {
                None => self.stop(fault),
                Some(outcome) => *outcome = Outcome::Faulted(fault),
            }
        }
        done || stopped
    }

    /// Whether a watch has stopped it.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.stopped
    }

    fn slice(&mut self) -> bool {
        let enough = allowed().saturating_sub(SLICE_STEPS);
        while self.outcome.is_none() {
            if let Some(work) = self.work.pop() {
                self.perform(work);
            } else {
                let more = self.deliver() || self.fire_next() || self.take_resumed();
                if !(self.afford("/") && more) {
                    return true;
                }
            }
            if allowed() <= enough && self.outcome.is_none() {
                return false;
            }
        }
        self.work.clear();
        true
    }

    /// Pays for a piece of work at a scope. False when there is nothing left to pay with; the run
    /// has ended then.
    fn afford(&mut self, at: &str) -> bool {
        if !is_overdrawn() {
            return true;
        }
        let max = self.limits.steps_per_entry_max;
        let error = Error::runtime(if is_stopped() {
            STOPPED.to_owned()
        } else {
            format!(
                "the expressions took more than {max} steps without the run waiting for anything: \
                 is there an endless loop, or one over too much data?"
            )
        });
        self.stop(error.at(at));
        false
    }

    fn perform(&mut self, work: Work) {
        let (Work::Advance(id)
        | Work::Ended { parent: Parent { id, .. }, .. }
        | Work::Answer { scope: id, .. }
        | Work::Fired { scope: id, .. }) = work;
        if !self.scopes.contains_key(&id) {
            return;
        }
        charge(STEPS_PER_WORK);
        let at = self.reference(id);
        let result = match work {
            Work::Advance(id) => self.advance(id),
            Work::Ended { parent, ended } => self.child_ended(parent, ended),
            Work::Answer { scope, purpose, result } => self.answered(scope, purpose, result),
            Work::Fired { scope, timer } => self.fired(scope, timer),
        };
        if self.outcome.is_some() || !self.afford(&at) {
            return;
        }
        if let Err(error) = result {
            self.fault(id, error);
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
        let bytes = action_bytes(&action);
        let label = clip(&self.mask.text(&action.label()), LABEL_BYTES_MAX).into();
        self.steps.insert(step, Awaited { scope: id, purpose, label, bytes });
        self.bytes_made = self.bytes_made.saturating_add(bytes);
        self.bytes_uncounted = self.bytes_uncounted.saturating_add(bytes);
        let idempotency_key = match planted(Bug::KeyOfTask) {
            true => format!("{}{task}", self.run_id).into(),
            false => format!("{}/{}", self.run_id, step.0).into(),
        };
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
    pub(super) fn count_task(&mut self, id: ScopeId) -> bool {
        self.tasks_begun += 1;
        let max = self.limits.tasks_per_entry_max;
        if self.tasks_begun <= max {
            return true;
        }
        let error = Error::runtime(format!(
            "more than {max} tasks ran without waiting for anything: is there an endless loop?"
        ));
        self.stop(error.at(&self.reference(id)));
        false
    }
}
