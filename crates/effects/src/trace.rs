//! The steps of a run with their times, from what was observed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tessera_types::engine::StepStatus;
use tessera_types::{Duration, Timestamp};
use tessera_workflow::machine::{Error, Observation, Observed, TaskPoint};

/// Characters of an error.
const ERROR_CHARS_MAX: usize = 1000;

/// A task that ran, or was passed over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The run: that of a workflow within the run has another.
    pub run: String,
    /// The task's name.
    pub name: String,
    /// Where it stands in its document, as a JSON pointer.
    pub task: String,
    /// Of a task of another workflow: the tasks that run it, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// The round of the innermost loop or retry around it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
    /// How it stands.
    pub status: StepStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip)]
    pub ended_at: Option<Timestamp>,
    /// How long it took; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// How often it was tried again.
    pub retries: u32,
    /// Why it faulted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A task of a run, in one round.
type Place = (Arc<str>, Arc<str>, Option<u64>);

/// The steps in the order in which they began.
#[must_use]
pub fn steps(observations: &[Observation]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Where the step is that was begun last of each task. One may be begun again while an earlier
    // round of it is not over.
    let mut open: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for observation in observations {
        let Some(task) = &observation.task else { continue };
        let place = (Arc::clone(&observation.run), Arc::clone(&task.reference), task.iteration);
        match &observation.what {
            Observed::Started => {
                open.entry(place).or_default().push(steps.len());
                steps.push(begun(observation, task));
            }
            Observed::Skipped => {
                let skipped = begun(observation, task);
                let ended_at = Some(observation.at);
                let status = StepStatus::Skipped;
                steps.push(Step { status, ended_at, took_ms: Some(0), ..skipped });
            }
            what => {
                let Some(rounds) = open.get_mut(&place) else { continue };
                let Some(step) = rounds.last().map(|it| &mut steps[*it]) else { continue };
                if step.observe(what, observation.at) {
                    rounds.pop();
                }
            }
        }
    }
    steps
}

fn begun(observation: &Observation, task: &TaskPoint) -> Step {
    Step {
        run: observation.run.to_string(),
        name: task.name.to_string(),
        task: task.reference.to_string(),
        within: observation.within.iter().map(ToString::to_string).collect(),
        iteration: task.iteration,
        status: StepStatus::Running,
        started_at: observation.at,
        ended_at: None,
        took_ms: None,
        retries: 0,
        error: None,
    }
}

impl Step {
    /// Takes in what happened to it, and says whether it is over.
    fn observe(&mut self, what: &Observed, at: Timestamp) -> bool {
        let status = match what {
            Observed::Completed(_) => StepStatus::Completed,
            Observed::Cancelled => StepStatus::Cancelled,
            Observed::Faulted(error) => {
                self.error = Some(in_words(error));
                StepStatus::Faulted
            }
            other => {
                match other {
                    Observed::Suspended => self.status = StepStatus::Suspended,
                    Observed::Resumed => self.status = StepStatus::Running,
                    Observed::Retried { attempt, .. } => self.retries = *attempt,
                    _ => {}
                }
                return false;
            }
        };
        self.status = status;
        self.ended_at = Some(at);
        self.took_ms = Some(Duration::as_millis(at.since(self.started_at)));
        true
    }
}

/// An error that was observed has no secrets in it any more, so that it can be cut.
fn in_words(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(ERROR_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
