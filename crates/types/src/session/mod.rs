//! Sessions and their parts: the timed tree that owns pods.

mod part;
mod status;

pub use part::{SessionPart, SessionPartObserved, SessionPartSpec};
pub use status::SessionStatus;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{DefinitionSelector, HostRequirement, Pinned, SessionDefinitionSpec};
use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::limits;
use crate::name::Name;
use crate::omitted::is_default;
use crate::time::Timestamp;
use crate::timed::{DeclaredTimeslot, DesiredTimedStatus, OnLate, TimedObserved, timed_kind};
use crate::validate::{Invalid, Validate, check_len};

/// The kind of sessions.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Session;

impl Kind for Session {
    const KIND: KindName = KindName::Session;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = SessionSpec;
    type Status = SessionStatus;
    type Desired = DesiredTimedStatus;
    type Observed = SessionObserved;

    fn settle(spec: &mut Arc<SessionSpec>, existing: Option<&SessionSpec>, now: Timestamp) {
        let spec = Arc::make_mut(spec);
        spec.timeslot.settle(existing.map(|one| &one.timeslot), now);
        for (name, part) in &mut spec.parts {
            let existing = existing.and_then(|one| one.parts.get(name));
            part.timeslot.settle(existing.map(|one| &one.timeslot), now);
        }
    }
}

timed_kind!(Session);

/// What a person declares of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// Its type.
    pub definition: DefinitionSelector,
    /// When it takes place. Its end follows from its parts when neither `end`
    /// nor `duration` is given.
    pub timeslot: DeclaredTimeslot,
    /// Windows of single parts, by the part's name, instead of those that follow
    /// from the definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<Name, PartOverride>,
    /// What the hosts of its pods must be, besides what the pods' definitions
    /// say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host: HostRequirement,
    /// What happens when it is late, instead of what the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_late: Option<OnLate>,
    /// Facts for its workloads and jobs, as environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// What a session says of one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartOverride {
    /// When the part takes place. What is not said follows from the definition: it may
    /// have a `duration` alone.
    pub timeslot: DeclaredTimeslot,
}

impl Validate for SessionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
        self.timeslot.validate(&format!("{path}.timeslot"), problems);
        self.host.validate(&format!("{path}.host"), problems);
        check_len(&format!("{path}.parts"), self.parts.len(), limits::CHILDREN_MAX, problems);
        for (name, part) in &self.parts {
            part.timeslot.validate_override(&format!("{path}.parts.{name}.timeslot"), problems);
        }
        validate_env(&format!("{path}.env"), &self.env, problems);
    }
}

/// Checks environment variables.
pub(crate) fn validate_env(
    path: &str,
    env: &BTreeMap<String, String>,
    problems: &mut Vec<Invalid>,
) {
    check_len(path, env.len(), limits::ENV_MAX, problems);
    for name in env.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`{}` is not a name of a variable", limits::clip(name, 40));
            problems.push(Invalid::new(path, message));
        }
    }
}

/// What Tessera knows of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionObserved {
    /// What it has in common with all timed resources.
    #[serde(flatten)]
    pub timed: TimedObserved,
    /// Its definition as it was when the session was admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<SessionDefinitionSpec>>,
    /// The score of its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Whether its report is passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
}
