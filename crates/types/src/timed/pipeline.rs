//! Pipelines: the steps of a phase, as a directed graph.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::lifecycle::{OnFailure, RetryPolicy};
use crate::engine::ScenarioName;
use crate::limits;
use crate::name::Name;
use crate::omitted::is_default;
use crate::time::{Duration, Timestamp};
use crate::validate::{Invalid, Validate, check_len};

/// What a definition says of the pipeline of one of its phases.
///
/// The steps come from the first of these that has any: the content of the pod,
/// `steps`, the template that `extends` names, and the built-in template of the
/// phase. The other fields change what came of that, in this order: `remove`,
/// `overrides`, `insert_before`, `insert_after`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineSpec {
    /// The steps themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "some_steps")]
    pub steps: Vec<StepSpec>,
    /// A template: `standard-provision` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// Steps that are left out. What needs one needs what that needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Name>,
    /// Fields of steps that are different, by the step's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<Name, StepOverride>,
    /// Steps before a step: it needs the last of them, and the first needs what
    /// it needed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub insert_before: BTreeMap<Name, Vec<StepSpec>>,
    /// Steps after a step: the first of them needs it, and what needed it needs
    /// the last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub insert_after: BTreeMap<Name, Vec<StepSpec>>,
}

/// Steps, where they are said: none would count as not said, and those of a template would run.
fn some_steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StepSpec>, D::Error> {
    let steps = Vec::deserialize(deserializer)?;
    match steps.is_empty() {
        false => Ok(steps),
        true => Err(D::Error::custom(
            "a pipeline has at least one step: give one, or leave `steps` out for those of the template",
        )),
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// Its name, unique in the pipeline.
    pub name: Name,
    /// The steps that are over before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Name>,
    /// What it does, if Tessera does it itself: `create_workloads` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// What it does, if the engine does it: the job's scenario, `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Its arguments. Text that is `${ … }` as a whole is a jq expression over
    /// `{inputs, outputs, instance}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, serde_json::Value>,
    /// A jq expression over the same; where it holds, the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_when: Option<String>,
    /// How it is tried again, and how long one try may take.
    #[serde(default = "StepSpec::retry_default", skip_serializing_if = "is_retry_default")]
    pub retry: RetryPolicy,
    /// What of its result goes into `outputs` under its name, by name: jq
    /// expressions over the result. All of the result when none is given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// What its failure means for the pipeline.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
}

impl StepSpec {
    fn retry_default() -> RetryPolicy {
        RetryPolicy { attempts_max: 1, ..RetryPolicy::default() }
    }
}

fn is_retry_default(retry: &RetryPolicy) -> bool {
    *retry == StepSpec::retry_default()
}

/// What is different about a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of a step")]
pub struct StepOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Arguments that are added or replaced; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_when: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// How the steps of a pipeline stand: what has begun, by the step's name.
pub type PipelineProgress = BTreeMap<Name, StepProgress>;

/// How a step stands that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepProgress {
    /// How.
    pub state: StepState,
    /// Which try this is; 1 is the first.
    pub attempt: u32,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When this try has failed at the latest, or when the next one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// For a job: what its events and the engine know this try by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The engine's id of the job, once it has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// For a job: its scenario, `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// For a job: what it is given.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub input: serde_json::Value,
    /// For a job: the number of the last of its events that was taken in. Older ones
    /// that come later change nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub event_sequence: u64,
    /// For a job: what that waits for itself, as the engine said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// For a job: when the engine said last how far it is and what it waits for. What it
    /// says again is not written again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// What it gave, when it is done.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub output: serde_json::Value,
    /// What went wrong the last time, or why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// It has failed in a way that another try would only repeat: neither the step nor its
    /// phase is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_final: bool,
}

/// The states of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepState {
    /// Tessera does it.
    Running,
    /// The engine does it: the step goes on when its job's last event comes.
    Suspended,
    /// It waits for the next try.
    BackingOff,
    /// It is done.
    Completed,
    /// It was not needed.
    Skipped,
    /// It has failed as often as it may.
    Failed,
    /// It is not wanted any more: another step has failed.
    Cancelled,
}

impl StepState {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped | Self::Failed | Self::Cancelled)
    }
}

impl Validate for PipelineSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        let inserted = self.insert_before.values().chain(self.insert_after.values());
        let count = self.steps.len() + inserted.map(Vec::len).sum::<usize>();
        check_len(&format!("{path}.steps"), count, limits::STEPS_MAX, problems);
        let lists = [("insert_before", &self.insert_before), ("insert_after", &self.insert_after)];
        for (index, step) in self.steps.iter().enumerate() {
            step.validate(&format!("{path}.steps[{index}]"), problems);
        }
        for (field, lists) in lists {
            for (name, steps) in lists {
                for (index, step) in steps.iter().enumerate() {
                    step.validate(&format!("{path}.{field}.{name}[{index}]"), problems);
                }
            }
        }
        for (name, changes) in &self.overrides {
            changes.validate(&format!("{path}.overrides.{name}"), problems);
        }
        if self.extends.is_some() && !self.steps.is_empty() {
            problems.push(Invalid::new(
                &format!("{path}.extends"),
                "`steps` says all: remove `extends`, or say with `insert_after` and the like what differs",
            ));
        }
    }
}

impl Validate for StepSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.handler.is_some() == self.job.is_some() {
            let message = "a step has either a `handler` or a `job`";
            problems.push(Invalid::new(path, message));
        }
        validate_job(self.job.as_ref(), path, problems);
        self.retry.validate(&format!("{path}.retry"), problems);
    }
}

impl Validate for StepOverride {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.handler.is_some() && self.job.is_some() {
            let message = "a step has either a `handler` or a `job`";
            problems.push(Invalid::new(path, message));
        }
        validate_job(self.job.as_ref(), path, problems);
        if let Some(retry) = &self.retry {
            retry.validate(&format!("{path}.retry"), problems);
        }
    }
}

fn validate_job(job: Option<&String>, path: &str, problems: &mut Vec<Invalid>) {
    if let Some(Err(error)) = job.map(|job| job.parse::<ScenarioName>()) {
        let message = format!("a scenario is named with its version: {error}");
        problems.push(Invalid::new(&format!("{path}.job"), message));
    }
}

impl StepProgress {
    /// A try that begins at `now` and may take `timeout`.
    #[must_use]
    pub fn begin(state: StepState, attempt: u32, now: Timestamp, timeout: Duration) -> Self {
        Self {
            state,
            attempt,
            since: now,
            deadline: Some(now.plus(timeout)),
            correlation_id: None,
            job_id: None,
            scenario: None,
            input: serde_json::Value::Null,
            event_sequence: 0,
            waiting_for: None,
            told_at: None,
            output: serde_json::Value::Null,
            message: None,
            is_final: false,
        }
    }
}

/// Runs `$body` with `$K` bound to the kind that `$name` names, of those whose phases can be
/// pipelines. None for any other kind.
#[macro_export]
macro_rules! with_pipelined {
    ($name:expr, $K:ident => $body:expr) => {
        match $name {
            $crate::KindName::Pod => {
                type $K = $crate::Pod;
                Some($body)
            }
            $crate::KindName::SessionPart => {
                type $K = $crate::SessionPart;
                Some($body)
            }
            $crate::KindName::Host => {
                type $K = $crate::Host;
                Some($body)
            }
            _ => None,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn steps_that_are_none_are_refused_and_steps_that_are_not_said_are_those_of_the_template() {
        let read = |value: Value| serde_json::from_value::<PipelineSpec>(value);
        let error = read(json!({"steps": []})).unwrap_err().to_string();
        assert!(error.starts_with("a pipeline has at least one step"), "{error}");
        assert_eq!(read(json!({})).unwrap(), PipelineSpec::default());
        assert_eq!(read(json!({"steps": [{"name": "a", "job": "a@v1"}]})).unwrap().steps.len(), 1);
    }
}
