//! Parts of sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validate_env;
use crate::catalogue::{DefinitionSelector, Gate, PartDefinitionSpec, Pinned};
use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::name::Name;
use crate::omitted::is_default;
use crate::state::Actor;
use crate::time::Timestamp;
use crate::timed::{
    DeclaredTimeslot, DesiredTimedStatus, OnFailure, TimedObserved, TimedStatus, timed_kind,
};
use crate::validate::{Invalid, Validate};

/// The kind of parts of sessions.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct SessionPart;

impl Kind for SessionPart {
    const KIND: KindName = KindName::SessionPart;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = SessionPartSpec;
    type Status = TimedStatus;
    type Desired = DesiredTimedStatus;
    type Observed = SessionPartObserved;

    fn settle(spec: &mut Arc<SessionPartSpec>, existing: Option<&SessionPartSpec>, now: Timestamp) {
        let spec = Arc::make_mut(spec);
        spec.timeslot.settle(existing.map(|one| &one.timeslot), now);
    }
}

timed_kind!(SessionPart);

/// What a session's admission says of one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionPartSpec {
    /// Its type.
    pub definition: DefinitionSelector,
    /// When it takes place.
    pub timeslot: DeclaredTimeslot,
    /// Its name in the session.
    pub part: Name,
    /// Its place among the parts of the session; 0 is the first.
    pub order: u32,
    /// What must hold of it before the next part begins.
    #[serde(default)]
    pub gate: Gate,
    /// What its session does when it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Facts for its workloads and jobs, as environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Validate for SessionPartSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
        self.timeslot.validate(&format!("{path}.timeslot"), problems);
        validate_env(&format!("{path}.env"), &self.env, problems);
    }
}

/// What Tessera knows of a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionPartObserved {
    /// What it has in common with all timed resources.
    #[serde(flatten)]
    pub timed: TimedObserved,
    /// Its definition as it was when the session was admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<PartDefinitionSpec>>,
    /// The last events that asked something of it, as hashes of source and id: one
    /// that comes again is recognised.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// How often a grading of it has begun.
    #[serde(skip_serializing_if = "is_default")]
    pub gradings: u32,
    /// When it was graded, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graded_at: Option<Timestamp>,
    /// Who opened its gate, where that takes somebody's approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Actor>,
    /// The score of its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Whether its report is passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
}
