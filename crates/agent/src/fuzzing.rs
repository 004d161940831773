//! What reads the words of the kernel, of container runtimes, of supervisors and of earlier agents,
//! for fuzzing.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::containers::{Frames, Source, check_line};
use crate::core::Progress;
use crate::logs::{LineSplitter, LogLine, Stream};
use crate::supervisor::{Answer, ExitRecord, Request, RunSpec, Started, Trouble};
use crate::tenants::Entries;
use crate::tenants::core::Note;
use crate::{cgroup, executor, machine, supervisor};

/// A line of a log file.
#[must_use]
pub fn log_line(line: &str) -> Option<LogLine> {
    LogLine::parse(line)
}

/// The lines of a stream that comes in these pieces, and whether each goes on in the next.
pub fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, bool)> {
    let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
    for piece in pieces {
        splitter.push(piece, |text, partial| lines.push((text, partial)));
    }
    lines
}

/// The two streams of a container, from one that comes in these pieces.
pub fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [Vec<u8>; 2] {
    let (mut frames, mut streams) = (Frames::default(), [Vec::new(), Vec::new()]);
    for mut piece in pieces {
        while let Some((stream, bytes)) = frames.next(&mut piece) {
            streams[usize::from(stream != Stream::Stdout)].extend_from_slice(bytes);
        }
    }
    streams
}

/// The lines of entries that the journal gives in these pieces.
pub fn entries<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<LogLine> {
    let mut entries = Entries::default();
    pieces.into_iter().flat_map(|piece| entries.take(piece)).collect()
}

/// From where an image is pulled, in full, and whether it can only be on the node.
#[must_use]
pub fn image(name: &str) -> (String, bool) {
    let source = Source::of(name);
    (source.to_string(), source.is_local())
}

/// What a line of the progress of a pull says.
///
/// # Errors
/// Why the pull failed.
pub fn progress(line: &[u8]) -> Result<(), String> {
    check_line(line)
}

/// Reads a text as each of the files below `/proc` that are looked at.
pub fn proc_file(text: &str) {
    let _memory = machine::parse_meminfo(text);
    if let Some(now) = machine::parse_stat(text) {
        let _share = machine::share(now, now, 2);
    }
    let _parent = supervisor::parse_stat(text);
    let _process = executor::parse_stat(text);
    let _mounts = cgroup::parse_mounts(text);
}

/// Whether a record that is kept or sent as JSON is the same when it is written and read again; none
/// where the text is no record. `which` says of which sort.
#[must_use]
pub fn record(which: u8, json: &[u8]) -> Option<bool> {
    match which {
        b'q' => same::<Request>(json),
        b'a' => same::<Answer>(json),
        b'r' => same::<RunSpec>(json),
        b's' => same::<Started>(json),
        b'e' => same::<ExitRecord>(json),
        b't' => same::<Trouble>(json),
        b'p' => same::<Progress>(json),
        _ => same::<Note>(json),
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq>(json: &[u8]) -> Option<bool> {
    let record: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&record).ok()?;
    Some(serde_json::from_slice::<T>(&written).is_ok_and(|again| again == record))
}
