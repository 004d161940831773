//! The lines of `runs.jsonl`: one when a run starts, and one when it has ended. A run that has the
//! first alone is under way, or was cut off.

use serde::{Deserialize, Serialize};
use tessera_types::Timestamp;

use crate::verb::Verb;

/// What both lines of a run say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// A UUID.
    pub run_id: String,
    /// The tenant's name.
    pub tenant: String,
    /// The service's suffix; nothing for the primary.
    pub service: Option<String>,
    /// `run`, `dry-run` or `migrate`.
    pub verb: Verb,
    /// The tenant's version.
    pub version: String,
    /// The service manager's id of this start of the unit.
    pub invocation_id: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The run is about to be called.
    Started {
        /// When.
        #[serde(serialize_with = "super::serialize_in_ms")]
        at: Timestamp,
    },
    /// The run has returned.
    Ended {
        /// When.
        #[serde(serialize_with = "super::serialize_in_ms")]
        at: Timestamp,
        /// Whether it did its work.
        outcome: Verdict,
        /// The program's exit code.
        exit_code: u8,
        /// How many rows it wrote, if it told.
        rows: Option<u64>,
        /// How long it took, in milliseconds, by a clock that nobody sets.
        duration_ms: u64,
    },
}

/// Whether a run did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It did.
    Success,
    /// It did not.
    Failure,
}

/// One line of `runs.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whose line it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
}

impl Line {
    /// The line as it is written.
    pub fn to_json(&self) -> String {
        super::line_of(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::telemetry) fn identity(run_id: &str, verb: Verb) -> Identity {
        Identity {
            run_id: run_id.to_owned(),
            tenant: "circ-trans".to_owned(),
            service: None,
            verb,
            version: "1.2.0".to_owned(),
            invocation_id: None,
        }
    }

    #[test]
    fn a_line_is_written_in_the_order_of_the_contract() {
        let event = Event::Ended {
            at: "2026-05-01T08:35:02Z".parse().unwrap(),
            outcome: Verdict::Success,
            exit_code: 0,
            rows: Some(42),
            duration_ms: 2000,
        };
        let line = Line { identity: identity("a", Verb::DryRun), event }.to_json();
        assert_eq!(
            line,
            r#"{"run_id":"a","tenant":"circ-trans","service":null,"verb":"dry-run","version":"1.2.0","invocation_id":null,"event":"ended","at":"2026-05-01T08:35:02.000Z","outcome":"success","exit_code":0,"rows":42,"duration_ms":2000}"#
        );
    }

    proptest! {
        #[test]
        fn a_line_reads_back_what_it_writes(
            ms in 0i64..4_000_000_000_000,
            version in "\\PC{0,9}",
            id in proptest::option::of("\\PC{0,9}"),
            rows in proptest::option::of(any::<u64>()),
        ) {
            let at = Timestamp::from_micros(ms * 1000);
            let ended =
                Event::Ended { at, outcome: Verdict::Failure, exit_code: 7, rows, duration_ms: 3 };
            for event in [Event::Started { at }, ended] {
                let identity =
                    Identity { version: version.clone(), invocation_id: id.clone(), ..identity("a", Verb::Run) };
                let line = Line { identity, event };
                let text = line.to_json();
                prop_assert!(!text.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
            }
        }
    }
}
