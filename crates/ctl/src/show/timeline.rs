//! Timelines: what happened to a tree of resources, from the top down, with times
//! relative to one moment.

use std::fmt::Write as _;

use tessera_types::{HistoryEntry, ResourceKey, Timestamp};

use crate::moment::{offset, stamp};
use crate::style::{Style, Tone, printable, told, tone_of_status};

/// An entry of the history of one of the resources.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Entry {
    /// The resource.
    pub(crate) key: ResourceKey,
    /// What it is called on the line.
    #[serde(skip)]
    pub(crate) who: String,
    /// What happened.
    #[serde(flatten)]
    pub(crate) entry: HistoryEntry,
}

/// Puts the entries of several histories into one order: that of the commits.
pub(crate) fn merge(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|one| (one.entry.record.at, one.entry.seq));
    entries
}

/// A moment of the window, which stands between what happened.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) at: Timestamp,
    pub(crate) words: &'static str,
}

/// The timeline of merged entries. Times are told once where several things happen
/// in the same tenth of a second.
pub(crate) fn timeline(
    entries: &[Entry],
    marks: &[Mark],
    origin: Timestamp,
    style: Style,
) -> String {
    let mut rows: Vec<Row> =
        entries.iter().map(|entry| Row::of_entry(entry, origin, style)).collect();
    // A mark stands before what happens at it: that is what it brings about.
    for mark in marks {
        let at = rows.partition_point(|row| row.at < mark.at);
        rows.insert(at, Row::of_mark(mark, origin, style));
    }
    let mut text = format!("times are relative to {}\n", stamp(origin));
    let width = rows.iter().map(|row| row.time.len()).max().unwrap_or(0);
    let last = rows.len().saturating_sub(1);
    for (i, row) in rows.iter().enumerate() {
        let is_same = i > 0 && rows[i - 1].time == row.time;
        let time = if is_same && !row.is_mark { "" } else { row.time.as_str() };
        let joint = match (row.is_mark, i) {
            (true, _) => '┿',
            (false, 0) => '┬',
            (false, i) if i == last => '└',
            (false, _) if is_same => '│',
            (false, _) => '├',
        };
        let _ = writeln!(
            text,
            "{} {joint} {}",
            style.paint(Tone::Quiet, &format!("{time:>width$}")),
            row.words
        );
    }
    text
}

struct Row {
    at: Timestamp,
    time: String,
    words: String,
    is_mark: bool,
}

impl Row {
    fn of_entry(entry: &Entry, origin: Timestamp, style: Style) -> Self {
        let record = &entry.entry.record;
        let is_note = record.from.as_deref() == Some(&record.to);
        let (who, reason) = (printable(&entry.who), told(&record.reason));
        let who = style.paint(Tone::Strong, &who);
        let words = match is_note {
            true => format!("{who}: {reason}"),
            false => {
                let to = style.paint(tone_of_status(&record.to), &record.to);
                format!("{who}: {to} ({reason})")
            }
        };
        Self { at: record.at, time: offset(record.at, origin), words, is_mark: false }
    }

    fn of_mark(mark: &Mark, origin: Timestamp, style: Style) -> Self {
        let words = style.paint(Tone::Quiet, &format!("── {} ──", mark.words));
        Self { at: mark.at, time: offset(mark.at, origin), words, is_mark: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::{Duration, KindName};

    fn entry(seq: u64, at: &str, who: &str, from: Option<&str>, to: &str, reason: &str) -> Entry {
        let entry = serde_json::json!({
            "seq": seq, "revision": seq, "id": "00000000000000a1", "from": from, "to": to,
            "at": at, "by": "reconciler", "reason": reason,
        });
        let key = ResourceKey::new(KindName::Session, None, "exam-1".parse().unwrap());
        Entry { key, who: who.to_owned(), entry: serde_json::from_value(entry).unwrap() }
    }

    #[test]
    fn what_happened_is_told_from_the_top_down() {
        let origin: Timestamp = "2026-05-01T09:00:00Z".parse().unwrap();
        let entries = merge(vec![
            entry(
                5,
                "2026-05-01T09:00:00.020Z",
                "part theory",
                Some("Ready"),
                "Active",
                "its window is open",
            ),
            entry(1, "2026-05-01T08:59:50Z", "session exam-1", None, "Pending", "created"),
            entry(2, "2026-05-01T08:59:50Z", "part theory", None, "Scheduled", "created"),
            entry(
                4,
                "2026-05-01T09:00:00.020Z",
                "session exam-1",
                Some("Pending"),
                "Active",
                "its window is open",
            ),
            entry(
                6,
                "2026-05-01T09:01:05Z",
                "session exam-1",
                Some("Active"),
                "Active",
                "its end is 5m later",
            ),
            entry(
                7,
                "2026-05-01T09:02:05Z",
                "session exam-1",
                Some("Active"),
                "Inactive",
                "nothing of it is left",
            ),
        ]);
        let marks = [
            Mark { at: origin, words: "start" },
            Mark { at: origin.plus(Duration::from_secs(120)), words: "end" },
        ];
        let expected = "\
times are relative to 2026-05-01T09:00:00.000Z
-10.0s ┬ session exam-1: Pending (created)
       │ part theory: Scheduled (created)
 +0.0s ┿ ── start ──
       │ session exam-1: Active (its window is open)
       │ part theory: Active (its window is open)
+1m05s ├ session exam-1: its end is 5m later
+2m00s ┿ ── end ──
+2m05s └ session exam-1: Inactive (nothing of it is left)
";
        assert_eq!(timeline(&entries, &marks, origin, Style::PLAIN), expected);
    }
}
