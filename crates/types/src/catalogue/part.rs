//! Part definitions: which pods a part has, what is graded, and which events it
//! listens to.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use super::selector::DefinitionSelector;
use crate::limits;
use crate::name::Name;
use crate::omitted::is_default;
use crate::time::Duration;
use crate::timed::{Lifecycle, OnFailure, OverridesPolicy, TimedStatus};
use crate::validate::{Invalid, Validate, check_len};

definition_spec! {
    /// A type of part.
    pub struct PartDefinitionSpec {
        /// How long it takes.
        pub duration: Duration,
        /// How long before its start the provisioning of its pods begins, unless a
        /// pod's definition says so itself.
        #[serde(default)]
        pub lead_time: Duration,
        /// How long after its end its teardown may take.
        #[serde(default)]
        pub teardown_buffer: Duration,
        /// Its pods.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub pods: Vec<PodRequirement>,
        /// What happens when a pod fails.
        #[serde(default)]
        pub on_pod_failure: OnFailure,
        /// What runs in which of its states. Phases that trigger on `Grading` grade
        /// it: on request, and once at its end if they have not run by then.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle: Lifecycle,
        /// How this and what the content says of a phase go together.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle_overrides_policy: OverridesPolicy,
        /// Which events do what to it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub triggers: Vec<EventTrigger>,
        /// Whether it ends when it has been graded on request, rather than going on
        /// to the end of its window.
        #[serde(default)]
        pub ends_when_graded: bool,
        /// Its report, made of the results of its jobs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub report: Option<DefinitionSelector>,
    }
}

/// A pod that a part has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PodRequirement {
    /// Its name, unique in the part.
    pub name: Name,
    /// The pod's definition.
    pub selector: DefinitionSelector,
    /// So many of them; they are numbered from 1 when it is more than one.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// What an event does to a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The event's type, such as `student.submitted`.
    pub event: String,
    /// What it does.
    pub action: TriggerAction,
}

/// What an event does to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerAction {
    /// It is graded.
    Grade,
    /// It ends before its window does.
    Finish,
}

impl Validate for PartDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        self.lifecycle.validate(&format!("{path}.lifecycle"), problems);
        if self.is_never_graded() {
            let message = "a part that is graded needs time after its window: give \
                           `teardown_buffer`, the first half of which is for the grading";
            problems.push(Invalid::new(&format!("{path}.teardown_buffer"), message));
        } else if let Some(message) = self.lifecycle.has_no_time_to_tear_down(self.teardown_buffer)
        {
            problems.push(Invalid::new(&format!("{path}.teardown_buffer"), message));
        }
        if self.duration == Duration::ZERO || self.duration > limits::WINDOW_MAX {
            let message =
                format!("a part takes longer than nothing and at most {}", limits::WINDOW_MAX);
            problems.push(Invalid::new(&format!("{path}.duration"), message));
        }
        if let Some(report) = &self.report {
            report.validate(&format!("{path}.report"), problems);
        }
        self.validate_pods(&format!("{path}.pods"), problems);
        let path = format!("{path}.triggers");
        check_len(&path, self.triggers.len(), limits::LIST_MAX, problems);
        for (i, trigger) in self.triggers.iter().enumerate() {
            if trigger.event.is_empty() || trigger.event.len() > limits::LABEL_BYTES_MAX {
                let path = format!("{path}[{i}].event");
                problems.push(Invalid::new(&path, "give the type of an event"));
            }
        }
    }
}

impl PartDefinitionSpec {
    /// Whether it has phases that grade it, but no time for them: neither after its
    /// window, nor within it on an event's request.
    fn is_never_graded(&self) -> bool {
        let is_graded = self.lifecycle.phases_in(TimedStatus::Grading).next().is_some();
        let on_request = self.triggers.iter().any(|it| it.action == TriggerAction::Grade);
        is_graded && self.teardown_buffer == Duration::ZERO && !on_request && !self.ends_when_graded
    }

    fn validate_pods(&self, path: &str, problems: &mut Vec<Invalid>) {
        let count: u64 = self.pods.iter().map(|pod| u64::from(pod.count)).sum();
        check_len(
            path,
            usize::try_from(count).unwrap_or(usize::MAX),
            limits::CHILDREN_MAX,
            problems,
        );
        let mut names = HashSet::new();
        for (i, pod) in self.pods.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if !names.insert(&pod.name) {
                let message = format!("there is a pod `{}` already: names differ", pod.name);
                problems.push(Invalid::new(&format!("{path}.name"), message));
            }
            if pod.count == 0 {
                problems.push(Invalid::new(&format!("{path}.count"), "at least one"));
            }
            pod.selector.validate(&format!("{path}.selector"), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(with: &serde_json::Value) -> Vec<String> {
        let phase = json!({
            "name": "grade",
            "engine": "workflow",
            "trigger_on_status": "Grading",
            "definition": { "type_key": "grade-exam" },
        });
        let mut spec = json!({
            "type_key": "lab",
            "version": "1.0.0",
            "duration": "10m",
            "lifecycle": { "phases": [phase] },
        });
        spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let spec: PartDefinitionSpec = serde_json::from_value(spec).unwrap();
        let mut problems = Vec::new();
        spec.validate("spec", &mut problems);
        problems.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn what_is_graded_has_time_for_it_after_its_window_or_is_graded_within() {
        assert_eq!(problems(&json!({})), ["spec.teardown_buffer"]);
        assert_eq!(problems(&json!({ "teardown_buffer": "1m" })), [""; 0]);
        assert_eq!(problems(&json!({ "ends_when_graded": true })), [""; 0]);
        let on = |action: &str| json!({ "triggers": [{ "event": "handed.in", "action": action }] });
        assert_eq!(problems(&on("grade")), [""; 0]);
        assert_eq!(problems(&on("finish")), ["spec.teardown_buffer"]);
        assert_eq!(problems(&json!({ "lifecycle": { "phases": [] } })), [""; 0]);
    }

    #[test]
    fn what_is_torn_down_by_phases_has_time_for_it_after_its_window() {
        let phase = json!({
            "name": "notify", "engine": "pipeline", "trigger_on_status": "TearingDown",
            "pipeline": { "steps": [{ "name": "tell", "job": "tell@v1" }] },
        });
        let with = |buffer: &str| {
            let lifecycle = json!({ "phases": [phase] });
            problems(&json!({ "lifecycle": lifecycle, "teardown_buffer": buffer }))
        };
        assert_eq!(with("0s"), ["spec.teardown_buffer"]);
        assert_eq!(with("1s"), [""; 0]);
    }
}
