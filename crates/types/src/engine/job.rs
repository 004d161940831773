//! Jobs: what is submitted, and how it stands.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::ScenarioName;
use crate::limits;
use crate::omitted::is_default;
use crate::state::{Actor, State, state_enum};
use crate::time::Timestamp;
use crate::validate::Invalid;

/// The identity of a job, which no other job of any engine has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// An identity of a job that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a job: 32 hexadecimal digits in lower case")]
pub struct JobIdError(String);

impl JobId {
    /// A new one. The time comes first, so that ids are in the order of their jobs.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        use std::fmt::Write as _;
        let millis = (at.as_micros() / 1000).max(0);
        let mut text = format!("{:012x}", millis & 0xFFFF_FFFF_FFFF);
        for byte in random {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        match text.len() == 32 && text.bytes().all(is_digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(JobIdError(limits::clip(text, 60))),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = JobIdError;

    fn try_from(text: String) -> Result<Self, JobIdError> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

state_enum! {
    /// How a job stands.
    JobStatus {
        /// It waits for its turn.
        Submitted,
        /// Its scenario runs.
        Running,
        /// Its scenario came to its end.
        Completed,
        /// Its scenario could not.
        Failed,
        /// It was not wanted any more.
        Cancelled,
    }
}

impl State for JobStatus {
    const ALL: &'static [Self] = Self::VALUES;
    const INITIAL: Self = Self::Submitted;

    fn may_become(self, to: Self) -> bool {
        match self {
            Self::Submitted => matches!(to, Self::Running | Self::Failed | Self::Cancelled),
            Self::Running => matches!(to, Self::Completed | Self::Failed | Self::Cancelled),
            // A person has it tried again.
            Self::Completed | Self::Failed | Self::Cancelled => matches!(to, Self::Submitted),
        }
    }
}

impl JobStatus {
    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What is submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The scenario to run, as `name@version`.
    pub scenario: ScenarioName,
    /// What the scenario is given; an empty object unless given.
    #[serde(default = "no_input")]
    pub input: Value,
    /// The definition of the pod that it is about; the job may use what belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_definition_id: Option<String>,
    /// Where events about the job are sent; to nobody when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Facts of the submitter's, which come back in each event's `data.metadata`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// A key under which it is submitted once, however often it arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// On whose behalf. Submitters take turns where many jobs wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitter: Option<String>,
    /// Nothing of it is to run: it is Cancelled from the beginning. So a key is used up whose
    /// submission may still be on its way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cancelled: bool,
}

fn no_input() -> Value {
    Value::Object(Map::new())
}

impl Submission {
    /// Adds each rule that is broken.
    pub fn validate(&self, problems: &mut Vec<Invalid>) {
        let mut text = |path: &str, text: &Option<String>, bytes_max: usize| {
            let Some(text) = text else { return };
            if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
                let rule = format!("it has 1 to {bytes_max} bytes and no control characters");
                problems.push(Invalid::new(path, rule));
            }
        };
        text("pod_definition_id", &self.pod_definition_id, limits::JOB_TEXT_BYTES_MAX);
        text("callback_url", &self.callback_url, limits::EVENT_ATTRIBUTE_BYTES_MAX);
        text("idempotency_key", &self.idempotency_key, limits::IDEMPOTENCY_KEY_BYTES_MAX);
        text("submitter", &self.submitter, limits::JOB_TEXT_BYTES_MAX);
        let is_http = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if self.callback_url.as_ref().is_some_and(|url| !is_http(url)) {
            problems.push(Invalid::new("callback_url", "it begins with http:// or https://"));
        }
        let mut size = |path: &str, bytes: usize, bytes_max: usize| {
            if bytes > bytes_max {
                let rule = format!("it has at most {bytes_max} bytes as JSON, not {bytes}");
                problems.push(Invalid::new(path, rule));
            }
        };
        size("input", bytes_of(&self.input), limits::JOB_INPUT_BYTES_MAX);
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + bytes_of(value) + 4);
        size("metadata", metadata.sum(), limits::JOB_METADATA_BYTES_MAX);
    }
}

fn bytes_of(value: &Value) -> usize {
    value.to_string().len()
}

/// What every list says of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobHead {
    /// Its identity.
    pub id: JobId,
    /// Its scenario.
    pub scenario: ScenarioName,
    /// On whose behalf it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitter: Option<String>,
    /// How it stands.
    pub status: JobStatus,
    /// Which attempt it is at; 1 is the first.
    pub attempt: u32,
    /// How far it is.
    pub progress: Progress,
    /// What it waits for, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When its current attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its current attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Progress {
    /// Tasks that are done. A task in a loop counts once.
    pub done: u32,
    /// Tasks that the scenario has. Not every run comes by all of them.
    pub known: u32,
    /// The task that began last and is not done, as a JSON pointer into the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// A job with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineJob {
    /// What every list says of it.
    #[serde(flatten)]
    pub head: JobHead,
    /// The hash of its document.
    pub scenario_hash: String,
    /// What it was given.
    #[serde(default)]
    pub input: Value,
    /// The definition of the pod that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_definition_id: Option<String>,
    /// Where events about it are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Facts of the submitter's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What it came to, once it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// Every change of its status, oldest first; of many attempts the last ones.
    pub history: Vec<JobTransition>,
}

/// A change of a job's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobTransition {
    /// The status before; none when it was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<JobStatus>,
    /// The status after.
    pub to: JobStatus,
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub by: Actor,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Why a job failed: the error that its scenario ended with, as problem details
/// (RFC 7807) of the DSL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobError {
    /// A URI that identifies the sort of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, of HTTP's.
    pub status: u16,
    /// A summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The task that raised it, as a JSON pointer into the document.
    #[serde(default)]
    pub instance: String,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobList {
    /// The jobs.
    pub items: Vec<JobHead>,
    /// What to ask for the next page with; none after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_brings_back_what_is_over() {
        for from in JobStatus::ALL {
            let next: Vec<_> = JobStatus::ALL.iter().filter(|to| from.may_become(**to)).collect();
            assert_eq!(from.is_over(), next == [&JobStatus::Submitted], "{from}");
            assert!(!from.may_become(*from));
        }
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        let id = |micros, byte| JobId::new(Timestamp::from_micros(micros), [byte; 10]);
        assert!(id(1_800_000_000_000_000, 255) < id(1_800_000_000_001_000, 0));
        let text = id(1_800_000_000_000_000, 7).to_string();
        assert_eq!(text.parse::<JobId>().unwrap().as_str(), text);
        for wrong in
            ["", "1", &text[1..], &text.to_uppercase(), "../../../../../../../../../../../x"]
        {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_submission_names_each_broken_rule() {
        let broken = |json: Value| {
            let submission: Submission = serde_json::from_value(json).unwrap();
            let mut problems = Vec::new();
            submission.validate(&mut problems);
            problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
        };
        let scenario = "echo@v1";
        assert!(broken(serde_json::json!({"scenario": scenario})).is_empty());
        let without: Submission =
            serde_json::from_value(serde_json::json!({"scenario": scenario})).unwrap();
        assert_eq!(without.input, serde_json::json!({}));
        let json = serde_json::json!({
            "scenario": scenario, "callback_url": "file:///etc", "idempotency_key": "",
            "submitter": "a\nb", "input": "x".repeat(limits::JOB_INPUT_BYTES_MAX),
            "metadata": {"a": "x".repeat(limits::JOB_METADATA_BYTES_MAX)},
        });
        let expected = ["idempotency_key", "submitter", "callback_url", "input", "metadata"];
        assert_eq!(broken(json), expected);
    }
}
