//! The lifecycle of a timed resource: what runs in which of its states.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pipeline::PipelineSpec;
use super::status::TimedStatus;
use crate::catalogue::DefinitionSelector;
use crate::limits;
use crate::name::Name;
use crate::time::Duration;
use crate::validate::{Invalid, Validate, check_len};
use crate::workload::Backoff;

/// The ordered phases of a timed resource. A phase runs when the resource is in
/// the state that the phase names; the phases of one state run one after the
/// other, and the state is left when all required ones are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lifecycle {
    /// The phases, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
}

impl Lifecycle {
    /// The phases that run in `status`, in order.
    pub fn phases_in(&self, status: TimedStatus) -> impl Iterator<Item = &Phase> {
        self.phases.iter().filter(move |phase| phase.trigger_on_status == status)
    }

    /// What is wrong where nothing of `teardown_buffer` is left for the phases of its
    /// teardown: they would never run.
    #[must_use]
    pub fn has_no_time_to_tear_down(&self, teardown_buffer: Duration) -> Option<String> {
        let phase = self.phases_in(TimedStatus::TearingDown).next()?;
        (teardown_buffer == Duration::ZERO).then(|| {
            format!(
                "phase {} runs when it is torn down, which needs time after the window: give a \
                 `teardown_buffer`, such as 5m",
                phase.name
            )
        })
    }
}

/// One phase of a lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, unique in the lifecycle.
    pub name: Name,
    /// What runs it.
    pub engine: Engine,
    /// The state that it runs in: `Provisioning`, `Active`, `Grading` or
    /// `TearingDown`.
    pub trigger_on_status: TimedStatus,
    /// For `workflow`: the job's definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionSelector>,
    /// For `pipeline`: its steps. When not given, those of the built-in template
    /// `standard-<name>`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineSpec>,
    /// Whether its failure is the resource's failure.
    #[serde(default = "is_required_default")]
    pub is_required: bool,
    /// How it is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
}

impl Phase {
    /// What the provisioning of a pod by its own steps is called, as a phase.
    pub const OWN: &str = "provision";
    /// What the teardown of a pod by its own steps is called, as a phase.
    pub const OWN_END: &str = "teardown";
}

fn is_required_default() -> bool {
    true
}

/// What runs a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Steps, of which Tessera does some itself and the engine others.
    Pipeline,
    /// A job.
    Workflow,
}

/// How often something is tried, and how long each try may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// At most so many tries in all.
    pub attempts_max: u32,
    /// The pause before each further try.
    pub backoff: Backoff,
    /// A try that takes longer has failed.
    pub timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 3, backoff: Backoff::default(), timeout: Duration::from_secs(15 * 60) }
    }
}

/// What a parent does when a child has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails too, and all that it has is torn down.
    #[default]
    Abort,
    /// It goes on without the child.
    Continue,
}

/// How a definition and the content of its pod go together, where both say
/// something of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverridesPolicy {
    /// The content's steps, changed as the definition says.
    #[default]
    Merge,
    /// The definition's own, where it has any; the content's only where it has none.
    Replace,
}

/// What happens to a resource whose provisioning should have begun while
/// nobody was there to begin it. Decided once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLate {
    /// It does not take place.
    Skip,
    /// It begins late and ends as declared.
    #[default]
    Shorten,
    /// It begins late and takes as long as declared, if its host is free for
    /// so long; otherwise it ends as declared.
    Shift,
}

impl Validate for Lifecycle {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        let path = format!("{path}.phases");
        check_len(&path, self.phases.len(), limits::PHASES_MAX, problems);
        let mut names = HashSet::new();
        for (i, phase) in self.phases.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if !names.insert(&phase.name) {
                let message = format!("there is a phase `{}` already: names differ", phase.name);
                problems.push(Invalid::new(&format!("{path}.name"), message));
            }
            phase.validate(&path, problems);
        }
    }
}

impl Validate for Phase {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        use TimedStatus::{Active, Grading, Provisioning, TearingDown};
        if !matches!(self.trigger_on_status, Provisioning | Active | Grading | TearingDown) {
            problems.push(Invalid::new(
                &format!("{path}.trigger_on_status"),
                format!(
                    "no phase runs in {}: use Provisioning, Active, Grading or TearingDown",
                    self.trigger_on_status
                ),
            ));
        }
        let definition = format!("{path}.definition");
        match (self.engine, &self.definition) {
            (Engine::Workflow, None) => problems.push(Invalid::new(
                &definition,
                "a workflow phase names the definition of its job",
            )),
            (Engine::Pipeline, Some(_)) => problems.push(Invalid::new(
                &definition,
                "a pipeline phase has steps, and no definition of a job: remove `definition`",
            )),
            (_, definition_of_job) => {
                if let Some(selector) = definition_of_job {
                    selector.validate(&definition, problems);
                }
            }
        }
        self.validate_pipeline(path, problems);
        self.retry.validate(&format!("{path}.retry"), problems);
    }
}

impl Phase {
    fn validate_pipeline(&self, path: &str, problems: &mut Vec<Invalid>) {
        let name = self.name.as_str();
        let own_status = match name {
            Self::OWN => Some(TimedStatus::Provisioning),
            // A job may be called so, too.
            Self::OWN_END if self.engine == Engine::Pipeline => Some(TimedStatus::TearingDown),
            _ => None,
        };
        if let Some(status) = own_status
            && (self.engine, self.trigger_on_status) != (Engine::Pipeline, status)
        {
            let message = format!(
                "`{name}` is what a pod's own steps in {status} are called: use `engine: pipeline` \
                 and `trigger_on_status: {status}`, or choose another name"
            );
            problems.push(Invalid::new(&format!("{path}.name"), message));
        }
        let Some(pipeline) = &self.pipeline else { return };
        let path = format!("{path}.pipeline");
        match self.engine {
            Engine::Pipeline => pipeline.validate(&path, problems),
            Engine::Workflow => problems.push(Invalid::new(
                &path,
                "a workflow phase runs a job and has no steps: remove `pipeline`, or use `engine: pipeline`",
            )),
        }
    }
}

impl Validate for RetryPolicy {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.attempts_max == 0 || self.attempts_max > limits::ATTEMPTS_MAX {
            problems.push(Invalid::new(
                &format!("{path}.attempts_max"),
                format!("it is between 1 and {}", limits::ATTEMPTS_MAX),
            ));
        }
        self.backoff.validate(&format!("{path}.backoff"), problems);
        if self.timeout == Duration::ZERO {
            problems
                .push(Invalid::new(&format!("{path}.timeout"), "a try takes longer than nothing"));
        }
    }
}
