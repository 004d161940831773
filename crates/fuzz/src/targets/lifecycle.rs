//! What programs of tenants, in whatever language, wrote of their runs, and the manifests that they
//! read; `tesseractl` and the next run read both.

use tessera_lifecycle::Manifest;
use tessera_lifecycle::telemetry::{History, Line, Status, textfile};
use tessera_types::Timestamp;

use super::have_places;

const MANIFEST: &str = "name = 'orders'\nversion = '1.2.0'\nschema = 'orders'\nsources = []\n\
    freshness = '26h'\n[services.reconcile]\nschedule = 'hourly'\n";

/// Lines of `runs.jsonl`; before them, up to a byte 0, a manifest, if there is such a byte.
pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (manifest, lines) = text.split_once('\0').unwrap_or((MANIFEST, text));
    let manifest = match Manifest::parse("f", manifest) {
        Ok(manifest) => manifest,
        Err(problems) => return have_places(&problems, manifest),
    };
    let mut history = History::default();
    for line in lines.lines() {
        is_read_again(line);
        history.take(line);
    }
    rests_on_what_it_says(&history, lines);
    for (service, of_service) in history.services() {
        assert_eq!(&history.of(service), of_service);
        for is_running in [false, true] {
            let now = Timestamp::from_micros(1_777_622_400_000_000);
            let status = Status::of(&manifest, of_service, is_running, now);
            assert!(!status.text.contains('\n'), "{}", status.text);
            serde_json::to_string(&status).expect("it is a map of texts and numbers");
        }
    }
    is_exposition(&textfile(&manifest, &history));
}

fn is_read_again(line: &str) {
    let Ok(read) = serde_json::from_str::<Line>(line) else { return };
    let written = read.to_json();
    assert!(!written.contains('\n'), "{written}");
    let again: Line = serde_json::from_str(&written).expect("it was written just so");
    // Times are written in milliseconds.
    assert_eq!(again.to_json(), written);
}

/// A file that is begun anew with these lines says the same.
fn rests_on_what_it_says(history: &History, lines: &str) {
    let mut again = History::default();
    lines.lines().filter(|line| history.rests_on(line)).for_each(|line| again.take(line));
    for (service, of_service) in history.services() {
        assert_eq!(&again.of(service), of_service, "of {service:?}");
    }
}

/// Each line is a comment, or a value with its labels; nothing of a run makes a line of its own.
fn is_exposition(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        assert!(line.starts_with("tessera_tenant_") && value.is_some(), "{line}");
        assert_eq!(line.matches('"').count(), 4, "{line}");
    }
}
