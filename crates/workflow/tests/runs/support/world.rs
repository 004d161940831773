//! A world for a run: it answers effects after simulated time, keeps the journal, and can crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tessera_types::{Duration, Timestamp};
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::*;
use tessera_workflow::value::{Value, from_json};

use tessera_workflow::reading::Documents;

/// What an effect leads to, and after how long.
pub(crate) struct Answer {
    pub(crate) after: Duration,
    pub(crate) result: Result<Json, Error>,
}

pub(crate) type Answers = Arc<dyn Fn(&Effect) -> Answer + Send + Sync>;

/// What there is before a run begins.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) input: Json,
    pub(crate) secrets: BTreeMap<Arc<str>, Value>,
    pub(crate) limits: Limits,
    pub(crate) answers: Answers,
    /// What happens from outside, and when: milliseconds after the start.
    pub(crate) outside: Vec<(u64, Happening)>,
}

/// A run in its world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) machine: Machine,
    pub(crate) journal: Vec<Entry>,
    pub(crate) now: Timestamp,
    /// What is to come: the time, an order for what is at the same time, and what.
    coming: BTreeMap<(Timestamp, u64), Happening>,
    order: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) cancelled: BTreeSet<StepId>,
    pub(crate) observations: Vec<Observation>,
    /// Keys of effects whose end is in the journal.
    pub(crate) ended: BTreeSet<StepId>,
    /// How often each effect was begun.
    pub(crate) begun: BTreeMap<StepId, u32>,
}

pub(crate) fn start_of_time() -> Timestamp {
    "2026-05-01T08:00:00Z".parse().unwrap()
}

pub(crate) fn done(result: Json) -> Answer {
    after(0, result)
}

pub(crate) fn after(ms: u64, result: Json) -> Answer {
    Answer { after: Duration::from_millis(ms), result: Ok(result) }
}

pub(crate) fn failed(kind: &str, status: u16) -> Answer {
    let error = Error::new(kind, status, "It failed", "as planned");
    Answer { after: Duration::ZERO, result: Err(error) }
}

/// An event of this type, with data.
pub(crate) fn event(kind: &str, data: &Json) -> Happening {
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "/test", "type": kind, "data": data});
    let Json::Object(event) = event else { unreachable!("it is an object") };
    Happening::Event(event)
}

/// A plan in which every effect succeeds at once with null.
pub(crate) fn plan(workflow: Arc<Workflow>, input: Json) -> Plan {
    Plan {
        workflow,
        input,
        secrets: BTreeMap::new(),
        limits: Limits::default(),
        answers: Arc::new(|_| done(Json::Null)),
        outside: Vec::new(),
    }
}

impl Plan {
    pub(crate) fn answers(
        mut self,
        answers: impl Fn(&Effect) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.answers = Arc::new(answers);
        self
    }

    pub(crate) fn outside(mut self, ms: u64, what: Happening) -> Self {
        self.outside.push((ms, what));
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: Json) -> Self {
        self.secrets.insert(name.into(), from_json(value));
        self
    }

    pub(crate) fn machine(&self) -> Machine {
        let mut machine = self.begin_machine();
        while !machine.proceed() {}
        machine
    }

    pub(crate) fn begin_machine(&self) -> Machine {
        let start = Start {
            run_id: "run-1".into(),
            input: from_json(self.input.clone()),
            at: start_of_time(),
            secrets: self.secrets.clone(),
            runtime: Runtime { name: "tessera".into(), version: "0".into(), metadata: Value::Null },
            limits: self.limits,
            reader: Arc::new(Documents),
        };
        Machine::begin(self.workflow.clone(), start)
    }

    pub(crate) fn begin(self) -> World {
        let machine = self.machine();
        let start = start_of_time();
        let mut world = World {
            machine,
            journal: Vec::new(),
            now: start,
            coming: BTreeMap::new(),
            order: 0,
            effects: Vec::new(),
            cancelled: BTreeSet::new(),
            observations: Vec::new(),
            ended: BTreeSet::new(),
            begun: BTreeMap::new(),
            plan: self,
        };
        for (ms, what) in world.plan.outside.clone() {
            world.expect(start.plus(Duration::from_millis(ms)), what);
        }
        world.take();
        world
    }

    /// Runs until nothing more happens.
    pub(crate) fn run(self) -> World {
        let mut world = self.begin();
        while world.step() {}
        world
    }
}

impl World {
    fn expect(&mut self, at: Timestamp, what: Happening) {
        self.order += 1;
        self.coming.insert((at, self.order), what);
    }

    fn take(&mut self) {
        for command in self.machine.take_effects() {
            match command {
                Command::Cancel(step) => {
                    self.cancelled.insert(step);
                    self.coming.retain(|_, it| !matches!(it, Happening::Done { step: other, .. } | Happening::Failed { step: other, .. } if *other == step));
                }
                Command::Do(effect) => self.begin(effect),
            }
        }
        self.observations.extend(self.machine.take_observations());
    }

    fn begin(&mut self, effect: Effect) {
        let step = effect.id;
        assert!(!self.ended.contains(&step), "{effect:?} ended before");
        *self.begun.entry(step).or_default() += 1;
        let Answer { after, result } = (self.plan.answers)(&effect);
        let what = match result {
            Ok(mut result) => {
                self.machine.mask(&mut result);
                Happening::Done { step, result }
            }
            Err(error) => Happening::Failed { step, error },
        };
        self.effects.push(effect);
        self.expect(self.now.plus(after), what);
    }

    /// Lets the next thing happen. False when nothing more does.
    pub(crate) fn step(&mut self) -> bool {
        if self.machine.outcome().is_some() {
            return false;
        }
        let next = self.coming.keys().next().copied();
        let wakeup = self.machine.next_wakeup();
        let (at, what) = match (next, wakeup) {
            (None, None) => return false,
            (Some(key), wakeup) if wakeup.is_none_or(|at| key.0 <= at) => {
                (key.0, self.coming.remove(&key).unwrap())
            }
            (_, Some(at)) => (at, Happening::Woken),
            (Some(_), None) => unreachable!("it was matched before"),
        };
        self.happen(at, what);
        true
    }

    pub(crate) fn happen(&mut self, at: Timestamp, what: Happening) {
        self.now = self.now.max(at);
        if let Happening::Done { step, .. } | Happening::Failed { step, .. } = &what {
            self.ended.insert(*step);
        }
        let entry = Entry { at: self.now, what };
        self.journal.push(entry.clone());
        self.machine.apply(&entry);
        self.take();
    }

    /// Loses all but the journal, and comes up again. Effects under way are begun again.
    pub(crate) fn crash(&mut self) {
        self.machine = self.plan.machine();
        for entry in &self.journal {
            self.machine.apply(entry);
        }
        self.coming
            .retain(|_, it| !matches!(it, Happening::Done { .. } | Happening::Failed { .. }));
        self.observations.clear();
        self.take();
    }

    pub(crate) fn output(&self) -> Json {
        match self.machine.outcome() {
            Some(Outcome::Completed(output)) => serde_json::from_str(&output.to_string()).unwrap(),
            other => panic!("{other:?}; waits for {:?}", self.machine.waiting_for()),
        }
    }

    pub(crate) fn error(&self) -> Error {
        match self.machine.outcome() {
            Some(Outcome::Faulted(error)) => error.clone(),
            other => panic!("{other:?}; waits for {:?}", self.machine.waiting_for()),
        }
    }

    /// The names of the tasks that began, in their order.
    pub(crate) fn started(&self) -> Vec<&str> {
        self.observed(|what| *what == Observed::Started)
    }

    pub(crate) fn observed(&self, which: impl Fn(&Observed) -> bool) -> Vec<&str> {
        let all = self.observations.iter().filter(|it| which(&it.what));
        all.filter_map(|it| Some(&*it.task.as_ref()?.name)).collect()
    }

    /// Milliseconds since the start.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.now.since(start_of_time()).as_millis()
    }
}

/// Runs these tasks with this input.
pub(crate) fn run(tasks: &str, input: Json) -> World {
    plan(super::documents::short(tasks), input).run()
}
