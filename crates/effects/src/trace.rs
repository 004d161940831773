//! The steps of a run with their times, from what was observed.

use serde::Serialize;
use tessera_types::{Duration, Timestamp};
use tessera_workflow::machine::{Observation, Observed, TaskPoint};

/// A task that ran, or was passed over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The run: that of a workflow within the run has another.
    pub run: String,
    /// The task's name.
    pub name: String,
    /// Where it stands in its document, as a JSON pointer.
    pub task: String,
    /// The round of the innermost loop or retry around it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
    /// How it stands.
    pub status: StepStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// How often it was tried again.
    pub retries: u32,
    /// Why it faulted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the specification's phase of that name")]
pub enum StepStatus {
    Running,
    Completed,
    Faulted,
    Cancelled,
    /// Its condition did not hold.
    Skipped,
}

impl StepStatus {
    /// The name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Faulted => "faulted",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// The steps in the order in which they began.
#[must_use]
pub fn steps(observations: &[Observation]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for observation in observations {
        let Some(task) = &observation.task else { continue };
        let run = &*observation.run;
        match &observation.what {
            Observed::Started => steps.push(begun(observation, task)),
            Observed::Skipped => {
                let skipped = begun(observation, task);
                steps.push(Step { status: StepStatus::Skipped, took_ms: Some(0), ..skipped });
            }
            what => {
                // A task may be begun again while an earlier round of it is not over.
                let open = steps.iter_mut().rev().find(|step| step.is_open(run, task));
                if let Some(step) = open {
                    step.observe(what, observation.at);
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
        iteration: task.iteration,
        status: StepStatus::Running,
        started_at: observation.at,
        took_ms: None,
        retries: 0,
        error: None,
    }
}

impl Step {
    fn is_open(&self, run: &str, task: &TaskPoint) -> bool {
        self.status == StepStatus::Running
            && self.run == run
            && *self.task == *task.reference
            && self.iteration == task.iteration
    }

    fn observe(&mut self, what: &Observed, at: Timestamp) {
        let status = match what {
            Observed::Completed(_) => StepStatus::Completed,
            Observed::Cancelled => StepStatus::Cancelled,
            Observed::Faulted(error) => {
                self.error = Some(error.to_string());
                StepStatus::Faulted
            }
            Observed::Retried { attempt, .. } => {
                self.retries = *attempt;
                return;
            }
            _ => return,
        };
        self.status = status;
        self.took_ms = Some(Duration::as_millis(at.since(self.started_at)));
    }
}
