//! Reports: results made into one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{DefinitionSelector, Pinned, ReportDefinitionSpec};
use crate::kind::{Kind, KindName};
use crate::state::{State, state_enum};
use crate::time::Timestamp;
use crate::validate::{Invalid, Validate};

/// The kind of reports.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct Report;

impl Kind for Report {
    const KIND: KindName = KindName::Report;
    const KEEPS_DESIRED_STATUS: bool = true;
    type Spec = ReportSpec;
    type Status = ReportStatus;
    type Desired = DesiredReportStatus;
    type Observed = ReportObserved;
}

/// What is declared of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSpec {
    /// Its type.
    pub definition: DefinitionSelector,
}

impl Validate for ReportSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.definition.validate(&format!("{path}.definition"), problems);
    }
}

state_enum! {
    /// Where a report is in its life.
    ReportStatus {
        /// What it is made of is not complete.
        Pending,
        /// It is made.
        Complete,
        /// What it is made of failed.
        Failed,
    }
}

impl State for ReportStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Pending;

    fn may_become(self, to: Self) -> bool {
        match self {
            Self::Pending => matches!(to, Self::Complete | Self::Failed),
            // It is made again when its subject is graded again.
            Self::Complete | Self::Failed => matches!(to, Self::Pending),
        }
    }
}

/// What is wanted of a report: that it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredReportStatus {
    /// It is made.
    #[default]
    Complete,
}

impl std::fmt::Display for DesiredReportStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad("Complete")
    }
}

/// What Tessera knows of a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReportObserved {
    /// Its definition as it was when the report was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Pinned<ReportDefinitionSpec>>,
    /// Whether somebody declared it; the others are those that sessions and parts
    /// make of themselves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_declared: bool,
    /// The score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The highest possible score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f64>,
    /// Whether it is passed; none when nothing is to be passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// What it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ReportItem>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
}

/// One thing that a report is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportItem {
    /// The job or report, as `job/grade-1`.
    pub of: String,
    /// Its score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The highest possible score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f64>,
}
