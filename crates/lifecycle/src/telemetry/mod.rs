//! What the telemetry hub says, without the hub: the lines of its files, what they come to, and how
//! a tenant is. Nothing here does I/O or reads a clock.

mod health;
mod history;
mod openlineage;
mod record;
mod textfile;

pub use health::{Health, LastRun, Over, Status};
pub use history::{Ended, History, ServiceHistory, Started};
pub use openlineage::{LineageEvent, LineageJob};
pub use record::{Event, Identity, Line, Verdict};
pub use textfile::textfile;

use tessera_types::Timestamp;

/// A time as every file of the hub has it: RFC 3339, UTC, whole milliseconds.
pub(crate) fn in_ms(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// For serde: a time as every file of the hub has it.
pub(crate) fn serialize_in_ms<S: serde::Serializer>(
    at: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&in_ms(*at))
}

/// A value as one line of JSON, without its end of line.
pub(crate) fn line_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the hub's lines are maps of texts and numbers")
}
