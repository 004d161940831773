//! What programs of systemd and podman say.

use tessera_systemd::{fuzzing, journal, time};

use super::chosen;

/// The first byte says which: `c` a complaint, `q` what Quadlet printed, `s` what systemctl shows,
/// `t` times, else entries of the journal, one a line.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    match (*first, chosen(bytes)) {
        (b'c', _) => assert!(!journal::complaint(rest).to_string().is_empty()),
        (b'q', Some((_, text))) => drop(fuzzing::generated(text)),
        (b's', Some((_, text))) => shown(text),
        (b't', Some((_, text))) => text.lines().for_each(|line| {
            let _told = (time(line), fuzzing::time_span(line));
        }),
        _ => rest.split(|byte| *byte == b'\n').for_each(entry),
    }
}

/// Blocks of properties; after a form feed what the journal has of the run, and after another what
/// a start said.
fn shown(text: &str) {
    let mut parts = text.split('\x0c');
    let blocks = parts.next().unwrap_or_default();
    let (written, said) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for properties in fuzzing::properties(blocks) {
        for end in fuzzing::ends(properties, written, said) {
            assert!(!end.to_string().is_empty());
        }
    }
}

fn entry(line: &[u8]) {
    if let Some(entry) = journal::entry(line) {
        let again = serde_json::json!({
            "__REALTIME_TIMESTAMP": entry.at.as_microsecond().to_string(),
            "MESSAGE": entry.text.clone() + "\n",
            "PRIORITY": if entry.is_error { "3" } else { "6" },
        });
        assert_eq!(journal::entry(again.to_string().as_bytes()), Some(entry));
    }
}
