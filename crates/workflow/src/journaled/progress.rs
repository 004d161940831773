//! How far a run is: which of the document's tasks are done.

use std::collections::BTreeSet;
use std::sync::Arc;

use tessera_types::engine::Progress;

use crate::definition::{Kind, Task, Workflow};
use crate::machine::{Observation, Observed};

/// Which of a document's tasks are done, and which are under way.
pub struct Tracker {
    run: Arc<str>,
    known: u32,
    done: BTreeSet<Arc<str>>,
    /// In the order in which they began.
    current: Vec<Arc<str>>,
}

impl Tracker {
    /// Before anything has happened to this run.
    #[must_use]
    pub fn new(run: Arc<str>, workflow: &Workflow) -> Self {
        let known = workflow.tasks.iter().map(count).sum();
        Self { run, known, done: BTreeSet::new(), current: Vec::new() }
    }

    /// Takes in what was observed. Tasks of other documents do not count.
    pub fn note(&mut self, observation: &Observation) {
        let Some(task) = observation.task.as_ref().filter(|_| observation.run == self.run) else {
            return;
        };
        match observation.what {
            Observed::Started => self.current.push(Arc::clone(&task.reference)),
            Observed::Completed(_) | Observed::Skipped => {
                self.done.insert(Arc::clone(&task.reference));
                self.ended(&task.reference);
            }
            Observed::Faulted(_) | Observed::Cancelled => self.ended(&task.reference),
            _ => {}
        }
    }

    fn ended(&mut self, task: &Arc<str>) {
        if let Some(place) = self.current.iter().rposition(|it| it == task) {
            self.current.remove(place);
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let done = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let current = self.current.last().map(ToString::to_string);
        Progress { done, known: self.known.max(done), current }
    }
}

/// A task and those within it. Functions and extensions are not of the document's list.
fn count(task: &Arc<Task>) -> u32 {
    let all = |tasks: &[Arc<Task>]| tasks.iter().map(count).sum::<u32>();
    1 + match &task.kind {
        Kind::Do(tasks) => all(tasks),
        Kind::For(it) => all(&it.tasks),
        Kind::Fork(it) => all(&it.branches),
        Kind::Try(it) => all(&it.tasks) + it.catch.tasks.as_ref().map_or(0, |tasks| all(tasks)),
        _ => 0,
    }
}
