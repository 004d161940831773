//! Rows of the engine's journal, as an earlier version or a bad disk may have left them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_manifest::Format;
use tessera_types::engine::{EngineJob, JobHead, Submission};
use tessera_workflow::machine::Entry;
use tessera_workflow::reading::{Source, read};

use super::chosen;
use super::run_of_workflow::{machine, told};

/// The first byte says which: `b` what was submitted, `h` how a job stands, `w` all that is told of
/// it; else a document up to a byte 0, and after that each line is an entry.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    match first {
        b'b' => {
            if let Some(submission) = again::<Submission>(text) {
                let mut problems = Vec::new();
                submission.validate(&mut problems);
                assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
            }
        }
        b'h' => drop(again::<JobHead>(text)),
        b'w' => drop(again::<EngineJob>(text)),
        _ => replay(text),
    }
}

/// A row that is read is the same when it is written and read again.
fn again<T: Serialize + DeserializeOwned>(text: &str) -> Option<T> {
    let row: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&row).expect("what was read can be written");
    let read: T = serde_json::from_str(&written).expect("it was written just so");
    assert_eq!(serde_json::to_string(&read).expect("it was written before"), written);
    Some(row)
}

/// Entries of whatever run come to an end that is always the same.
fn replay(text: &str) {
    let (document, lines) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(reading) = read(Source::new("f", document), Format::Yaml) else { return };
    let entries = lines.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    let (mut one, mut other) = (machine(&reading.workflow), machine(&reading.workflow));
    for entry in entries {
        let written = serde_json::to_string(&entry).expect("an entry can be stored");
        let read: Entry = serde_json::from_str(&written).expect("it was stored just so");
        one.apply(&entry);
        other.apply(&read);
    }
    assert_eq!(told(one.outcome()), told(other.outcome()));
    assert_eq!(one.status(), other.status());
    assert_eq!(one.next_wakeup(), other.next_wakeup());
}
