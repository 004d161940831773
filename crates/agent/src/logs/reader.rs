//! Reads the log of a workload: its tail, since a time, and on as it grows.
//!
//! The reader holds the file that it reads open, so renaming or deleting it changes nothing for the
//! reader. At the end of that file it looks whether newer ones have appeared. If so the old one will
//! never be written again (see `writer`): what was added to it before the rotation is read first,
//! and then the newer files in order. Nothing is missed or read twice, unless the log rotates
//! through all of its files between two looks.
//!
//! Following polls. A reader that follows costs two system calls per tenth of a second, which is
//! cheaper to reason about than inotify, whose instances are a scarce resource of the user.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::file_name;
use super::line::LogLine;

const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);
const BLOCK_BYTES: usize = 64 * 1024;

/// Which lines to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Begin so many lines before the end; at the beginning, if absent.
    pub tail: Option<usize>,
    /// Leave out lines before this time.
    pub since: Option<Timestamp>,
    /// At the end, wait for more.
    pub follow: bool,
}

/// A position in a log.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    options: ReadOptions,
    /// What is still to be read, the oldest first. The first one is being read.
    files: VecDeque<OpenFile>,
    /// Bytes of a line whose end was not there yet.
    carry: Vec<u8>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    identity: Identity,
    offset: u64,
}

impl LogReader {
    /// Opens the log in `dir`, and finds where to begin. A folder that is not there is an empty
    /// log.
    ///
    /// # Errors
    /// If a file is there but cannot be read.
    pub fn open(dir: &Path, options: ReadOptions) -> io::Result<Self> {
        let mut files = open_newer_than(dir, None)?;
        if let Some(since) = options.since {
            skip_files_before(&mut files, since)?;
        }
        if let Some(lines) = options.tail {
            skip_to_tail(&mut files, lines)?;
        }
        Ok(Self { dir: dir.to_owned(), options, files, carry: Vec::new() })
    }

    /// The next lines, in order. `None` at the end, which a reader that follows never reaches: it
    /// waits. It may be dropped while it waits; no line is lost by that.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Vec<LogLine>>> {
        loop {
            // A block comes from the page cache in microseconds; handing it to another thread would
            // cost more.
            if let Some(lines) = self.read_available()? {
                return Ok(Some(lines));
            }
            if !self.options.follow {
                return Ok(None);
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
    }

    /// The next lines that are there now, at most a block of them; `None` if there are no more.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read_available(&mut self) -> io::Result<Option<Vec<LogLine>>> {
        loop {
            let mut lines = Vec::new();
            let more = self.read_block(&mut lines)? || self.advance(&mut lines)?;
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// Reads on in the first file. Answers whether there was anything to read.
    fn read_block(&mut self, lines: &mut Vec<LogLine>) -> io::Result<bool> {
        let Some(open) = self.files.front_mut() else { return Ok(false) };
        let mut block = vec![0; BLOCK_BYTES];
        let len = read_at(&open.file, &mut block, open.offset)?;
        open.offset += len as u64;
        self.carry.extend_from_slice(&block[..len]);
        if let Some(end) = self.carry.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.carry.split_off(end + 1);
            let whole = std::mem::replace(&mut self.carry, rest);
            self.take_lines(&whole, lines);
        }
        Ok(len > 0)
    }

    /// At the end of the first file: goes on to a newer one. Answers whether there is something to
    /// read.
    fn advance(&mut self, lines: &mut Vec<LogLine>) -> io::Result<bool> {
        if self.files.len() > 1 {
            self.files.pop_front();
            let whole = std::mem::take(&mut self.carry);
            self.take_lines(&whole, lines);
            return Ok(true);
        }
        if !self.options.follow {
            return Ok(false);
        }
        // The newer files only queue up behind this one, so that its end is read again: it may have
        // grown between the last look at it and its rotation.
        let known = self.files.front().map(|open| open.identity);
        let newer = open_newer_than(&self.dir, known)?;
        let found = !newer.is_empty();
        self.files.extend(newer);
        Ok(found)
    }

    fn take_lines(&self, bytes: &[u8], lines: &mut Vec<LogLine>) {
        let wanted = |line: &LogLine| self.options.since.is_none_or(|since| line.at >= since);
        let text = String::from_utf8_lossy(bytes);
        lines.extend(text.split('\n').filter_map(LogLine::parse).filter(wanted));
    }
}

type Identity = (u64, u64);

/// Opens the files of a log that are newer than the one that is `known`, the oldest of them first.
///
/// It goes from `current.log` upwards, as rotations do, so a rotation in between can show a file
/// twice but hide none, as long as it is one at most. Where more happened, the current file is
/// another one, and it looks again. A known file that is nowhere to be found was deleted, and all
/// that are there are newer.
fn open_newer_than(dir: &Path, known: Option<Identity>) -> io::Result<VecDeque<OpenFile>> {
    loop {
        let current = open(dir, 0)?;
        let files = scan(dir, known)?;
        if current.as_ref().map(|open| open.identity) == open(dir, 0)?.map(|open| open.identity) {
            return Ok(files);
        }
    }
}

fn scan(dir: &Path, known: Option<Identity>) -> io::Result<VecDeque<OpenFile>> {
    let mut files: VecDeque<OpenFile> = VecDeque::new();
    let mut missing = 0;
    for index in 0.. {
        let Some(open) = open(dir, index)? else {
            // A rotation under way leaves one gap.
            missing += 1;
            if missing > 1 {
                break;
            }
            continue;
        };
        if Some(open.identity) == known {
            break;
        }
        if files.front().is_none_or(|newer| newer.identity != open.identity) {
            files.push_front(open);
        }
    }
    Ok(files)
}

fn open(dir: &Path, index: usize) -> io::Result<Option<OpenFile>> {
    let file = match File::open(dir.join(file_name(index))) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(Some(OpenFile { file, identity: (metadata.dev(), metadata.ino()), offset: 0 }))
}

/// Drops the files whose every line is older than `since`: those before one that begins before it.
fn skip_files_before(files: &mut VecDeque<OpenFile>, since: Timestamp) -> io::Result<()> {
    let mut keep_from = 0;
    for (index, open) in files.iter().enumerate() {
        if first_time(&open.file)?.is_some_and(|at| at < since) {
            keep_from = index;
        }
    }
    files.drain(..keep_from);
    Ok(())
}

fn first_time(file: &File) -> io::Result<Option<Timestamp>> {
    let mut head = [0; 64];
    let len = read_at(file, &mut head, 0)?;
    let text = String::from_utf8_lossy(&head[..len]);
    Ok(text.split(' ').next().and_then(|time| time.parse().ok()))
}

/// Sets the files so that `lines` lines are left, reading backwards from the end.
fn skip_to_tail(files: &mut VecDeque<OpenFile>, mut lines: usize) -> io::Result<()> {
    for index in (0..files.len()).rev() {
        let (start, found) = tail_start(&files[index].file, lines)?;
        files[index].offset = start;
        lines -= found;
        if lines == 0 {
            files.drain(..index);
            break;
        }
    }
    Ok(())
}

/// Where the last `lines` lines of a file begin, and how many there are if it has fewer.
fn tail_start(file: &File, lines: usize) -> io::Result<(u64, usize)> {
    let size = file.metadata()?.len();
    if lines == 0 || size == 0 {
        return Ok((size, 0));
    }
    // The newline at the very end ends the last line, and is not the beginning of another.
    let mut end = size - 1;
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let mut block = vec![0; (end - start) as usize];
        file.read_exact_at(&mut block, start)?;
        for (position, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            found += 1;
            if found == lines {
                return Ok((start + position as u64 + 1, found));
            }
        }
        end = start;
    }
    Ok((0, found + 1))
}

fn read_at(file: &File, block: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(block, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::Stream;
    use super::super::writer::{LogLimits, LogWriter};
    use super::*;

    /// Enough files that nothing is ever dropped in a test.
    const LIMITS: LogLimits = LogLimits { max_bytes: 300, max_files: 1000 };

    fn line(number: usize) -> LogLine {
        let at = Timestamp::from_second(number as i64).unwrap();
        // Lines of many lengths, also longer than a file.
        let text = format!("{number} {}", "x".repeat(number * 37 % 400));
        LogLine { at, stream: Stream::Stdout, partial: false, text }
    }

    fn append(writer: &mut LogWriter, numbers: std::ops::Range<usize>) {
        numbers.for_each(|number| writer.push(&line(number)));
        writer.flush().unwrap();
    }

    fn drain(reader: &mut LogReader) -> Vec<LogLine> {
        let mut all = Vec::new();
        while let Some(lines) = reader.read_available().unwrap() {
            all.extend(lines);
        }
        all
    }

    fn lines(numbers: std::ops::Range<usize>) -> Vec<LogLine> {
        numbers.map(line).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn tail_and_since_choose_the_right_lines(
            total in 0..60_usize,
            tail in proptest::option::of(0..70_usize),
            since in proptest::option::of(0..70_usize),
        ) {
            let dir = tempfile::tempdir().unwrap();
            append(&mut LogWriter::open(dir.path(), LIMITS).unwrap(), 0..total);
            let since_time = since.map(|number| Timestamp::from_second(number as i64).unwrap());
            let options = ReadOptions { tail, since: since_time, follow: false };
            let by_tail = total.saturating_sub(tail.unwrap_or(total));
            let first = by_tail.max(since.unwrap_or(0)).min(total);
            prop_assert_eq!(
                drain(&mut LogReader::open(dir.path(), options).unwrap()),
                lines(first..total)
            );
        }

        /// Writes and looks in any order: each line is seen once, in order, over any number of
        /// rotations.
        #[test]
        fn following_sees_every_line_once(
            steps in proptest::collection::vec((0..12_usize, any::<bool>()), 0..30),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = LogWriter::open(dir.path(), LIMITS).unwrap();
            let options = ReadOptions { follow: true, ..ReadOptions::default() };
            let mut reader = LogReader::open(dir.path(), options).unwrap();
            let (mut written, mut seen) = (0, Vec::new());
            for (count, look) in steps {
                append(&mut writer, written..written + count);
                written += count;
                if look {
                    seen.extend(drain(&mut reader));
                }
            }
            seen.extend(drain(&mut reader));
            prop_assert_eq!(seen, lines(0..written));
        }
    }

    #[test]
    fn following_keeps_up_with_a_writer_on_another_thread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let writing = std::thread::spawn(move || {
            let mut writer = LogWriter::open(&path, LIMITS).unwrap();
            (0..400).for_each(|number| append(&mut writer, number..number + 1));
        });
        let options = ReadOptions { follow: true, ..ReadOptions::default() };
        let mut reader = LogReader::open(dir.path(), options).unwrap();
        let mut seen = Vec::new();
        while !writing.is_finished() {
            seen.extend(drain(&mut reader));
        }
        writing.join().unwrap();
        seen.extend(drain(&mut reader));
        assert_eq!(seen, lines(0..400));
    }

    #[tokio::test]
    async fn following_waits_for_a_log_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later");
        let options = ReadOptions { follow: true, tail: Some(5), ..ReadOptions::default() };
        let mut reader = LogReader::open(&path, options).unwrap();
        let writing = tokio::task::spawn_blocking(move || {
            append(&mut LogWriter::open(&path, LIMITS).unwrap(), 0..1);
        });
        assert_eq!(reader.next().await.unwrap(), Some(lines(0..1)));
        writing.await.unwrap();
    }

    #[test]
    fn a_reader_that_was_overtaken_goes_on_with_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { max_bytes: 300, max_files: 3 };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        let options = ReadOptions { follow: true, ..ReadOptions::default() };
        append(&mut writer, 0..1);
        let mut reader = LogReader::open(dir.path(), options).unwrap();
        append(&mut writer, 1..200);
        let seen = drain(&mut reader);
        let numbers: Vec<i64> = seen.iter().map(|line| line.at.as_second()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!((numbers.first(), numbers.last()), (Some(&0), Some(&199)));
    }
}
