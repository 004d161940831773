//! Report definitions: how results become one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use crate::validate::{Invalid, Validate};

definition_spec! {
    /// A type of report.
    pub struct ReportDefinitionSpec {
        /// How the scores become one.
        #[serde(default)]
        pub aggregate: Aggregate,
        /// The score from which on it is passed; none when nothing is to be passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub pass_score: Option<f64>,
    }
}

/// How scores become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their sum, and that of the highest possible ones.
    #[default]
    Sum,
    /// Their mean, and that of the highest possible ones.
    Mean,
    /// The lowest.
    Min,
    /// The highest.
    Max,
}

impl Validate for ReportDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        if self.pass_score.is_some_and(|score| !score.is_finite()) {
            problems.push(Invalid::new(&format!("{path}.pass_score"), "give a number"));
        }
    }
}
