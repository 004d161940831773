//! Writes the log of a workload and rotates it by size.
//!
//! Two runs of one workload may overlap for a moment (one is stopping, the next starts), so every
//! write and every rotation is made under a lock on the folder, and the writer makes sure first
//! that the file it holds is still the current one. A file that was renamed is thereby never
//! written again, which is what readers rely on.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::line::{LogLine, Stream};
use super::{CURRENT, file_name};

/// How much a log folder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// A file is rotated before it grows beyond this, in bytes. (One line is always written, even
    /// if it is longer.)
    pub max_bytes: u64,
    /// Files kept, the current one included; at least one.
    pub max_files: usize,
}

impl Default for LogLimits {
    /// Five files of 10 MiB.
    fn default() -> Self {
        Self { max_bytes: 10 * 1024 * 1024, max_files: 5 }
    }
}

/// Appends lines to a log folder.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    limits: LogLimits,
    files: Option<Files>,
    queued: Vec<String>,
    lost: u64,
    lost_unreported: u64,
}

#[derive(Debug)]
struct Files {
    lock: File,
    current: File,
    size: u64,
}

impl LogWriter {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the folder or its current file cannot be made or opened.
    pub fn open(dir: &Path, limits: LogLimits) -> io::Result<Self> {
        let files = Files::open_locked(dir)?;
        flock(&files.lock, FlockOperation::Unlock)?;
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            files: Some(files),
            queued: Vec::new(),
            lost: 0,
            lost_unreported: 0,
        })
    }

    /// Queues a line for the next [`flush`](Self::flush).
    pub fn push(&mut self, line: &LogLine) {
        self.queued.push(format!("{line}\n"));
    }

    /// Writes what is queued. What cannot be written (a full disk) is dropped and counted, since a
    /// workload must not be held up by its log; a notice in the log says so as soon as it can be
    /// written again.
    ///
    /// # Errors
    /// If not all of it could be written.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.queued);
        let mut written = 0;
        let result = self.report_loss().and_then(|()| self.write_lines(&lines, &mut written));
        let lost = (lines.len() - written) as u64;
        self.lost += lost;
        self.lost_unreported += lost;
        result
    }

    /// Lines that could not be written so far.
    pub fn lines_lost(&self) -> u64 {
        self.lost
    }

    fn report_loss(&mut self) -> io::Result<()> {
        if self.lost_unreported > 0 {
            self.write_lines(&[notice(self.lost_unreported)], &mut 0)?;
            self.lost_unreported = 0;
        }
        Ok(())
    }

    /// Writes `lines` in as few writes as rotation allows, and counts in `written` those that are
    /// safely in. After a failure the files are opened anew, which also ends a line that was cut
    /// off.
    fn write_lines(&mut self, lines: &[String], written: &mut usize) -> io::Result<()> {
        let mut files = self.lock()?;
        while *written < lines.len() {
            let batch = self.batch(&lines[*written..], files.size);
            if batch == 0 {
                rotate(&self.dir, self.limits.max_files)?;
                files.current = open_current(&self.dir)?;
                files.size = 0;
                continue;
            }
            let text = lines[*written..*written + batch].concat();
            files.current.write_all(text.as_bytes())?;
            files.size += text.len() as u64;
            *written += batch;
        }
        flock(&files.lock, FlockOperation::Unlock)?;
        self.files = Some(files);
        Ok(())
    }

    /// Locks the folder and makes sure that the file is the current one.
    fn lock(&mut self) -> io::Result<Files> {
        if let Some(mut files) = self.files.take() {
            flock(&files.lock, FlockOperation::LockExclusive)?;
            if files.is_current(&self.dir)? {
                files.size = files.current.metadata()?.len();
                return Ok(files);
            }
        }
        Files::open_locked(&self.dir)
    }

    /// How many of `lines` still fit into a file of `size` bytes. An empty file takes any line.
    fn batch(&self, lines: &[String], size: u64) -> usize {
        let mut total = size;
        let fits = |line: &&String| {
            total += line.len() as u64;
            total <= self.limits.max_bytes
        };
        let count = lines.iter().take_while(fits).count();
        if count == 0 && size == 0 { 1 } else { count }
    }
}

impl Files {
    fn open_locked(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::options().create(true).append(true).open(dir.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let current = open_current(dir)?;
        let size = current.metadata()?.len();
        Ok(Self { lock, current, size })
    }

    /// Whether nobody rotated the file or removed the folder in the meantime.
    fn is_current(&self, dir: &Path) -> io::Result<bool> {
        let ours = self.current.metadata()?;
        match fs::metadata(dir.join(CURRENT)) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Opens the current file for appending, and ends the line that a crash or a full disk may have cut
/// off.
fn open_current(dir: &Path) -> io::Result<File> {
    let path = dir.join(CURRENT);
    let mut file = File::options().create(true).append(true).read(true).open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Makes room for a new current file by renaming each file to the next higher number, the oldest
/// first, up to the first number that is free. The oldest goes if there is none.
fn rotate(dir: &Path, max_files: usize) -> io::Result<()> {
    let last = max_files.max(1) - 1;
    let mut surplus = last + 1;
    while remove_file(&dir.join(file_name(surplus)))? {
        surplus += 1;
    }
    let free = match (0..last).find(|index| !dir.join(file_name(*index)).exists()) {
        Some(free) => free,
        None => {
            remove_file(&dir.join(file_name(last)))?;
            last
        }
    };
    (0..free).rev().try_for_each(|index| {
        fs::rename(dir.join(file_name(index)), dir.join(file_name(index + 1)))
    })
}

/// Answers whether there was one.
fn remove_file(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn notice(lost: u64) -> String {
    let text = format!("{lost} lines could not be written and are lost");
    let at = Timestamp::now();
    format!("{}\n", LogLine { at, stream: Stream::Notice, partial: false, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            at: Timestamp::UNIX_EPOCH,
            stream: Stream::Stdout,
            partial: false,
            text: text.into(),
        }
    }

    fn write(writer: &mut LogWriter, text: &str) {
        writer.push(&line(text));
        writer.flush().unwrap();
    }

    #[test]
    fn the_folder_stays_within_its_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { max_bytes: 1000, max_files: 3 };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        for number in 0..500 {
            write(&mut writer, &format!("line {number}"));
        }
        let sizes: Vec<u64> = (0..3)
            .map(|index| fs::metadata(dir.path().join(file_name(index))).unwrap().len())
            .collect();
        assert!(sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
        assert!(sizes[1..].iter().all(|size| *size > 900), "{sizes:?}");
        assert!(!dir.path().join(file_name(3)).exists());
    }

    #[test]
    fn a_rotation_that_a_crash_cut_off_loses_nothing_and_smaller_bounds_are_respected() {
        let dir = tempfile::tempdir().unwrap();
        for index in [0, 2, 3, 4] {
            fs::write(dir.path().join(file_name(index)), index.to_string()).unwrap();
        }
        let left = |index| fs::read_to_string(dir.path().join(file_name(index))).ok();
        rotate(dir.path(), 5).unwrap();
        assert_eq!([0, 1, 2].map(left), [None, Some("0".into()), Some("2".into())]);
        rotate(dir.path(), 2).unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(left), [None, Some("0".into()), None, None, None]);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_does_not_swallow_the_next() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CURRENT), "1970-01-01T00:00:00.000000Z stdout F cut o").unwrap();
        write(&mut LogWriter::open(dir.path(), LogLimits::default()).unwrap(), "whole");
        let text = fs::read_to_string(dir.path().join(CURRENT)).unwrap();
        assert_eq!(text.lines().last().and_then(LogLine::parse), Some(line("whole")));
    }

    #[test]
    fn two_writers_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { max_bytes: 200, max_files: 100 };
        let mut writers = [(); 2].map(|()| LogWriter::open(dir.path(), limits).unwrap());
        for number in 0..100 {
            write(&mut writers[number % 2], &number.to_string());
        }
        let mut numbers = Vec::new();
        for index in (0..100).rev() {
            let text = fs::read_to_string(dir.path().join(file_name(index))).unwrap_or_default();
            numbers.extend(text.lines().map(|line| LogLine::parse(line).unwrap().text));
        }
        assert_eq!(numbers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn what_could_not_be_written_is_counted_and_announced() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("log");
        let mut writer = LogWriter::open(&dir, LogLimits::default()).unwrap();
        // A file in place of the folder makes every write fail, for root too.
        fs::remove_dir_all(&dir).unwrap();
        fs::write(&dir, "").unwrap();
        writer.push(&line("one"));
        writer.push(&line("two"));
        assert!(writer.flush().is_err());
        assert_eq!(writer.lines_lost(), 2);
        fs::remove_file(&dir).unwrap();
        write(&mut writer, "three");
        let text = fs::read_to_string(dir.join(CURRENT)).unwrap();
        let lines: Vec<LogLine> = text.lines().map(|line| LogLine::parse(line).unwrap()).collect();
        assert_eq!(lines[0].stream, Stream::Notice);
        assert!(lines[0].text.starts_with("2 lines"), "{}", lines[0].text);
        assert_eq!(lines[1..], [line("three")]);
    }
}
