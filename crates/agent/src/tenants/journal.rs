//! Reads what a unit wrote from the journal, as lines, and on as they are written.
//!
//! `journalctl` runs for as long as the reader does. It is read no faster than lines are wanted, and an entry that
//! is longer than any program should write is passed over, so nothing piles up.

use std::io;
use std::time::Duration;

use tessera_systemd::journal::{self, Excerpt, NoOutput};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::time::Instant;

use crate::logs::{LineSplitter, LogLine, ReadOptions, Stream};

const BLOCK_BYTES: usize = 64 * 1024;
/// An entry, in the words of `journalctl`, which takes some bytes for each.
const ENTRY_BYTES_MAX: usize = 4 << 20;
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// So long `journalctl` may look for the next entry there is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A position in the log of a unit.
#[derive(Debug)]
pub(crate) struct JournalReader {
    // It is killed when this is dropped.
    child: Child,
    said: BufReader<ChildStdout>,
    entries: Entries,
    follow: bool,
    /// Since when nothing has come, while something is waited for.
    quiet_since: Option<Instant>,
}

impl JournalReader {
    /// Begins to read what all runs of a unit of this user wrote.
    pub(crate) fn open(unit: &str, options: ReadOptions) -> Result<Self, NoOutput> {
        let ReadOptions { tail, since, follow } = options;
        let tail = tail.map(|lines| u32::try_from(lines).unwrap_or(u32::MAX));
        let mut command =
            tokio::process::Command::from(journal::of_unit(unit, Excerpt { tail, since, follow })?);
        let unreadable = |error: io::Error| NoOutput::Unreadable(error.to_string());
        let mut child = command.kill_on_drop(true).spawn().map_err(unreadable)?;
        let said = child.stdout.take().ok_or_else(|| journal::complaint(b""))?;
        let said = BufReader::with_capacity(BLOCK_BYTES, said);
        let entries = Entries { since, ..Entries::default() };
        Ok(Self { child, said, entries, follow, quiet_since: None })
    }

    /// The next lines, in order. `None` at the end, which a reader that follows never reaches: it waits. It may be
    /// dropped while it waits; no line is lost by that.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<LogLine>>, NoOutput> {
        let quiet_since = *self.quiet_since.get_or_insert_with(Instant::now);
        if !self.follow && quiet_since.elapsed() > PATIENCE {
            return Err(NoOutput::Unreadable("journalctl does not answer".to_owned()));
        }
        loop {
            let block = self.said.fill_buf().await;
            let block = block.map_err(|error| NoOutput::Unreadable(error.to_string()))?;
            if block.is_empty() {
                return self.ended().await;
            }
            let (lines, len) = (self.entries.take(block), block.len());
            self.said.consume(len);
            if !lines.is_empty() {
                self.quiet_since = None;
                return Ok(Some(lines));
            }
        }
    }

    async fn ended(&mut self) -> Result<Option<Vec<LogLine>>, NoOutput> {
        let mut said = Vec::new();
        if let Some(complaints) = self.child.stderr.take() {
            let _as_far_as_it_goes =
                complaints.take(COMPLAINT_BYTES_MAX).read_to_end(&mut said).await;
        }
        match self.child.wait().await {
            Ok(status) if status.success() && !self.follow => Ok(None),
            _ => Err(journal::complaint(&said)),
        }
    }
}

/// From bytes as they come out of a pipe to the lines of whole entries.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    since: Option<jiff::Timestamp>,
    /// What there is of the next entry.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Entries {
    pub(crate) fn take(&mut self, block: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for piece in block.split_inclusive(|byte| *byte == b'\n') {
            self.is_too_long |= self.begun.len() + piece.len() > ENTRY_BYTES_MAX;
            if self.is_too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                self.end(&mut lines);
            }
        }
        lines
    }

    fn end(&mut self, lines: &mut Vec<LogLine>) {
        let begun = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_too_long) {
            return;
        }
        let entry = journal::entry(&begun);
        let Some(entry) = entry.filter(|it| self.since.is_none_or(|since| it.at >= since)) else {
            return;
        };
        let stream = if entry.is_error { Stream::Stderr } else { Stream::Stdout };
        let mut splitter = LineSplitter::default();
        // One entry may have several lines.
        let whole = entry.text + "\n";
        splitter.push(whole.as_bytes(), |text, partial| {
            lines.push(LogLine { at: entry.at, stream, partial, text });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LINE_BYTES_MAX;
    use proptest::prelude::*;

    fn said(micros: i64, text: &str, priority: u8) -> String {
        let message = serde_json::to_string(text).unwrap();
        format!(
            "{{\"MESSAGE\":{message},\"PRIORITY\":\"{priority}\",\"__REALTIME_TIMESTAMP\":\"{micros}\"}}\n"
        )
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_come(
            entries in prop::collection::vec("[a-c\n]{0,9}", 0..9),
            cuts in prop::collection::vec(0..900_usize, 0..9),
        ) {
            let whole: String = entries.iter().map(|text| said(7, text, 6)).collect();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= whole.len()).collect();
            cuts.sort_unstable();
            let (mut reader, mut lines, mut from) = (Entries::default(), Vec::new(), 0);
            for to in cuts.into_iter().chain([whole.len()]) {
                lines.extend(reader.take(&whole.as_bytes()[from..to]));
                from = to;
            }
            let lines_of = |text: &String| {
                let text = text.strip_suffix('\n').unwrap_or(text).to_owned();
                text.split('\n').map(str::to_owned).collect::<Vec<_>>()
            };
            let expected: Vec<_> = entries.iter().flat_map(lines_of).collect();
            prop_assert_eq!(texts(&lines), expected);
        }
    }

    #[test]
    fn entries_before_the_time_are_left_out_and_errors_are_told() {
        let since = jiff::Timestamp::from_microsecond(5).unwrap();
        let mut entries = Entries { since: Some(since), ..Entries::default() };
        let whole = said(4, "early", 6) + &said(5, "out", 6) + &said(6, "err", 3);
        let lines = entries.take(whole.as_bytes());
        assert_eq!(texts(&lines), ["out", "err"]);
        assert_eq!([lines[0].stream, lines[1].stream], [Stream::Stdout, Stream::Stderr]);
        assert_eq!(lines[0].at, since);
    }

    #[test]
    fn what_is_too_long_is_cut_or_passed_over() {
        let mut entries = Entries::default();
        let lines = entries.take(said(1, &"x".repeat(LINE_BYTES_MAX + 1), 6).as_bytes());
        assert_eq!(texts(&lines), [&"x".repeat(LINE_BYTES_MAX), "x"]);
        let far_too_long = said(2, &"x".repeat(ENTRY_BYTES_MAX), 6) + &said(3, "next", 6);
        let mut lines = Vec::new();
        for block in far_too_long.as_bytes().chunks(BLOCK_BYTES) {
            lines.extend(entries.take(block));
            assert!(entries.begun.len() <= ENTRY_BYTES_MAX);
        }
        assert_eq!(texts(&lines), ["next"]);
    }
}
