//! Session definitions: which parts a session has, and how they follow each
//! other.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use super::selector::DefinitionSelector;
use crate::limits;
use crate::name::Name;
use crate::omitted::is_default;
use crate::time::Duration;
use crate::timed::{Lifecycle, OnFailure, OnLate, OverridesPolicy};
use crate::validate::{Invalid, Validate, check_len};

definition_spec! {
    /// A type of session.
    pub struct SessionDefinitionSpec {
        /// How its parts follow each other.
        #[serde(default)]
        pub part_execution: PartExecution,
        /// Its parts, in order.
        pub parts: Vec<PartRequirement>,
        /// The report of the whole session, made of those of its parts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub report: Option<DefinitionSelector>,
        /// What happens when it is late, unless the session says so itself.
        #[serde(default)]
        pub on_late: OnLate,
        /// What runs in which of its states.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle: Lifecycle,
        /// How this and what the content says of a phase go together.
        #[serde(default, skip_serializing_if = "is_default")]
        pub lifecycle_overrides_policy: OverridesPolicy,
    }
}

/// How the parts of a session follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartExecution {
    /// One after the other, or all at once.
    pub order: PartOrder,
    /// What happens when a part fails or its gate stays shut.
    pub on_failure: OnFailure,
}

/// Whether parts take place one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartOrder {
    /// One after the other; a gate stands between two.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
}

/// A part that a session has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartRequirement {
    /// Its name, unique in the session.
    pub name: Name,
    /// The part's definition.
    pub selector: DefinitionSelector,
    /// When it starts, counted from the start of the session. When not given: in
    /// sequence after the part before it, in parallel with the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Duration>,
    /// How long it takes, instead of what its definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// What must hold of it before the next part begins.
    #[serde(default)]
    pub gate: Gate,
    /// What happens when it fails or its gate stays shut, instead of what the
    /// session says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// What must hold of a part before the next begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing: the next begins at its time.
    #[default]
    None,
    /// It took place and did not fail.
    Completed,
    /// Its report has at least this score.
    Passed {
        /// The score, in the unit of the report.
        min_score: f64,
    },
    /// Somebody approves.
    Approval,
}

impl Validate for SessionDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        if !self.lifecycle.phases.is_empty() {
            let message =
                "a session has no phases of its own: it runs its parts, and the phases are theirs";
            problems.push(Invalid::new(&format!("{path}.lifecycle.phases"), message));
        }
        if let Some(report) = &self.report {
            report.validate(&format!("{path}.report"), problems);
        }
        let path = format!("{path}.parts");
        check_len(&path, self.parts.len(), limits::CHILDREN_MAX, problems);
        if self.parts.is_empty() {
            problems.push(Invalid::new(&path, "a session has at least one part"));
        }
        let mut names = HashSet::new();
        for (i, part) in self.parts.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if !names.insert(&part.name) {
                let message = format!("there is a part `{}` already: names differ", part.name);
                problems.push(Invalid::new(&format!("{path}.name"), message));
            }
            part.validate(&path, problems);
        }
    }
}

impl Validate for PartRequirement {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.selector.validate(&format!("{path}.selector"), problems);
        if self.duration == Some(Duration::ZERO) {
            problems.push(Invalid::new(
                &format!("{path}.duration"),
                "a part takes longer than nothing",
            ));
        }
        if let Gate::Passed { min_score } = self.gate
            && !min_score.is_finite()
        {
            problems.push(Invalid::new(&format!("{path}.gate.passed.min_score"), "give a number"));
        }
    }
}
