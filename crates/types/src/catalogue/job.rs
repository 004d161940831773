//! Job definitions: programs that run once, such as one that grades.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Definition, definition_spec};
use crate::time::Duration;
use crate::validate::{Invalid, Validate};
use crate::workload::WorkloadSpec;

definition_spec! {
    /// A type of job.
    pub struct JobDefinitionSpec {
        /// What runs: a workload that is started once and ends.
        pub workload: WorkloadSpec,
        /// It has failed if it takes longer.
        #[serde(default = "timeout_default")]
        pub timeout: Duration,
        /// Where its result comes from.
        #[serde(default)]
        pub result: JobResultFrom,
    }
}

fn timeout_default() -> Duration {
    Duration::from_secs(15 * 60)
}

/// Where the result of a job comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobResultFrom {
    /// It has none: only whether it succeeded.
    #[default]
    Nothing,
    /// The last line that it wrote to its output is a JSON object. `score` and
    /// `max_score` in it count in reports.
    LastLine,
}

impl Validate for JobDefinitionSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        self.workload.validate(&format!("{path}.workload"), problems);
        if self.timeout == Duration::ZERO {
            problems
                .push(Invalid::new(&format!("{path}.timeout"), "a job takes longer than nothing"));
        }
        let windows =
            [("not_before", self.workload.not_before), ("not_after", self.workload.not_after)];
        for (field, value) in windows {
            if value.is_some() {
                problems.push(Invalid::new(
                    &format!("{path}.workload.{field}"),
                    "a job runs in the window of its parent: remove it",
                ));
            }
        }
    }
}
