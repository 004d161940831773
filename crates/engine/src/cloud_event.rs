//! Events about jobs as CloudEvents 1.0.

use serde_json::{Value, json};
use tessera_types::Timestamp;
use tessera_types::engine::{JobEventData, JobEventKind};

/// The event as it is stored and sent. Its id names the job, the attempt and the number of the
/// event in it, so it is the same however often it is sent.
pub(crate) fn text(source: &str, kind: JobEventKind, at: Timestamp, data: &JobEventData) -> String {
    let sequence = format!("{:010}", data.sequence);
    let event: Value = json!({
        "specversion": "1.0",
        "id": format!("{}/{}/{}", data.job_id, data.attempt, data.sequence),
        "source": source,
        "type": kind.event_type(),
        "subject": data.job_id,
        "time": at,
        "datacontenttype": "application/json",
        "sequence": sequence,
        "data": data,
    });
    event.to_string()
}
