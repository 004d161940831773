//! The control plane's way to the engine in the simulation. Like the real one it reads
//! what is to be done from the world each time, and remembers only what is under way.

use std::collections::BTreeMap;

use serde_json::Value;
use tessera_reconciler::{Tabled, World};
use tessera_types::timed::{StepState, Timed};
use tessera_types::{Duration, Host, Name, Pod, ResourceKey, SessionPart, Timestamp};

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
    /// Until when an answer may come, or nothing is tried.
    busy: BTreeMap<String, Timestamp>,
    ask_at: BTreeMap<String, Timestamp>,
    /// Jobs that run for nobody.
    strays: Vec<String>,
    was_here: bool,
}

impl Link {
    /// All that is to be done, each with its time.
    fn all(&mut self, world: &World, now: Timestamp) -> Vec<(Task, Timestamp)> {
        let mut tasks = Vec::new();
        self.of_kind::<Pod>(world, now, &mut tasks);
        self.of_kind::<SessionPart>(world, now, &mut tasks);
        self.of_kind::<Host>(world, now, &mut tasks);
        tasks.extend(self.strays.iter().map(|id| (Task::End { job_id: id.clone() }, now)));
        let until = |task: &Task, due: Timestamp| {
            self.busy.get(task.id()).map_or(due, |until| due.max(*until))
        };
        tasks.into_iter().map(|(task, due)| (task.clone(), until(&task, due))).collect()
    }

    /// Takes what is to be done now; each is then under way.
    pub(crate) fn due(&mut self, world: &World, now: Timestamp) -> Vec<Task> {
        let all = self.all(world, now);
        self.ask_at.retain(|id, _| all.iter().any(|(task, _)| task.id() == id));
        self.was_here = true;
        let due = all.into_iter().filter(|(_, at)| *at <= now);
        let due: Vec<_> = due.map(|(task, _)| task).collect();
        for task in &due {
            self.busy.insert(task.id().to_owned(), now.plus(ANSWER_WITHIN));
            self.ask_at.remove(task.id());
        }
        due
    }

    /// When there is something to do, as far as is known.
    pub(crate) fn next_at(&mut self, world: &World, now: Timestamp) -> Option<Timestamp> {
        self.all(world, now).into_iter().map(|(_, at)| at).min()
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

    fn of_kind<K: Tabled + Timed>(
        &mut self,
        world: &World,
        now: Timestamp,
        tasks: &mut Vec<(Task, Timestamp)>,
    ) {
        for object in world.table::<K>().iter() {
            let timed = K::timed(object);
            for job in &timed.unwanted_jobs {
                let (correlation_id, job_id) = (job.correlation_id.clone(), job.job_id.clone());
                tasks.push((Task::Cancel { key: object.key(), correlation_id, job_id }, now));
            }
            for (of, input, job_id) in suspended::<K>(object) {
                match job_id {
                    None => tasks.push((Task::Submit { of, input }, now)),
                    Some(job_id) => {
                        // What was there at the start may have ended while nobody listened.
                        let pause = if self.was_here { ASKS_EVERY } else { Duration::ZERO };
                        let at = *self
                            .ask_at
                            .entry(of.correlation_id.clone())
                            .or_insert_with(|| now.plus(pause));
                        tasks.push((Task::Ask { of, job_id }, at));
                    }
                }
            }
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
