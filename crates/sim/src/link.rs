//! The control plane's way to the engine in the simulation. Like the real one it reads
//! what is to be done from the world each time, and remembers only what is under way.

use std::collections::BTreeMap;

use serde_json::Value;
use tessera_reconciler::{Tabled, World};
use tessera_types::timed::{StepState, Timed};
use tessera_types::{Duration, Host, Name, Pod, ResourceKey, Revision, SessionPart, Timestamp};

use crate::engine::OfStep;

/// How often the engine is asked for each job.
const ASKS_EVERY: Duration = Duration::from_secs(10);
/// An answer that has not come by then does not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Something to be done with the engine.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Submit { of: OfStep, input: Value },
    Ask { of: OfStep, job_id: String },
    Cancel { key: ResourceKey, correlation_id: String, job_id: Option<String> },
    End { job_id: String },
}

impl Task {
    /// What it is about: one thing at a time for each.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Submit { of, .. } | Self::Ask { of, .. } => &of.correlation_id,
            Self::Cancel { correlation_id, .. } => correlation_id,
            Self::End { job_id } => job_id,
        }
    }
}

/// What a running control plane remembers of it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// What is to be done in the world of this revision.
    tasks: Vec<Task>,
    read_at: Option<Revision>,
    /// Until when an answer may come, or nothing is tried.
    busy: BTreeMap<String, Timestamp>,
    ask_at: BTreeMap<String, Timestamp>,
    /// Jobs that run for nobody.
    strays: Vec<String>,
}

impl Link {
    /// Reads from the world what is to be done, where it has changed.
    fn read(&mut self, world: &World, now: Timestamp) {
        if self.read_at == Some(world.revision()) {
            return;
        }
        // What was there at the start may have ended while nobody listened.
        let pause = if self.read_at.is_some() { ASKS_EVERY } else { Duration::ZERO };
        self.read_at = Some(world.revision());
        self.tasks.clear();
        self.read_kind::<Pod>(world);
        self.read_kind::<SessionPart>(world);
        self.read_kind::<Host>(world);
        let asks = self.tasks.iter().filter(|task| matches!(task, Task::Ask { .. }));
        let known = std::mem::take(&mut self.ask_at);
        let at = |id: &str| known.get(id).copied().unwrap_or_else(|| now.plus(pause));
        self.ask_at = asks.map(|task| (task.id().to_owned(), at(task.id()))).collect();
        self.busy.retain(|_, until| *until > now);
    }

    /// When this is to be done.
    fn due_at(&self, id: &str, now: Timestamp) -> Timestamp {
        let due = self.ask_at.get(id).copied().unwrap_or(now);
        self.busy.get(id).map_or(due, |until| due.max(*until))
    }

    /// Takes what is to be done now; each is then under way.
    pub(crate) fn due(&mut self, world: &World, now: Timestamp) -> Vec<Task> {
        self.read(world, now);
        let strays = self.strays.iter().map(|id| Task::End { job_id: id.clone() });
        let all = self.tasks.iter().cloned().chain(strays);
        let due: Vec<_> = all.filter(|task| self.due_at(task.id(), now) <= now).collect();
        for task in &due {
            self.busy.insert(task.id().to_owned(), now.plus(ANSWER_WITHIN));
            if let Some(at) = self.ask_at.get_mut(task.id()) {
                *at = now.plus(ASKS_EVERY);
            }
        }
        due
    }

    /// When there is something to do, as far as is known.
    pub(crate) fn next_at(&mut self, world: &World, now: Timestamp) -> Option<Timestamp> {
        self.read(world, now);
        let tasks = self.tasks.iter().map(Task::id);
        let all = tasks.chain(self.strays.iter().map(String::as_str));
        all.map(|id| self.due_at(id, now)).min()
    }

    /// Something was answered, or cannot be: it is not tried again before `until`.
    pub(crate) fn answered(&mut self, id: &str, until: Timestamp) {
        self.busy.insert(id.to_owned(), until);
    }

    pub(crate) fn stray(&mut self, job_id: &str) {
        if !self.strays.iter().any(|known| known == job_id) {
            self.strays.push(job_id.to_owned());
        }
    }

    pub(crate) fn ended(&mut self, job_id: &str) {
        self.strays.retain(|known| known != job_id);
    }

    fn read_kind<K: Tabled + Timed>(&mut self, world: &World) {
        for object in world.table::<K>().iter() {
            for job in &K::timed(object).unwanted_jobs {
                let (correlation_id, job_id) = (job.correlation_id.clone(), job.job_id.clone());
                self.tasks.push(Task::Cancel { key: object.key(), correlation_id, job_id });
            }
            self.tasks.extend(suspended::<K>(object).into_iter().map(|(of, input, job_id)| {
                match job_id {
                    None => Task::Submit { of, input },
                    Some(job_id) => Task::Ask { of, job_id },
                }
            }));
        }
    }
}

/// The steps of an instance that wait for a job, what that is given, and its id if the
/// engine has it.
pub(crate) fn suspended<K: Timed>(
    object: &tessera_types::Object<K>,
) -> Vec<(OfStep, Value, Option<String>)> {
    let mut all = Vec::new();
    for (phase, progress) in &K::timed(object).pipeline_progress {
        for (step, stands) in progress.iter().filter(|(_, it)| it.state == StepState::Suspended) {
            let correlation_id = stands.correlation_id.clone().unwrap_or_default();
            let (phase, step): (Name, Name) = (phase.clone(), step.clone());
            let of = OfStep { key: object.key(), phase, step, correlation_id };
            all.push((of, stands.input.clone(), stands.job_id.clone()));
        }
    }
    all
}
