//! Reads what the workload prints and writes it to the log, on a thread of its own.
//!
//! A slow or full disk holds up this thread and nothing else: lease, stop and control socket are
//! served by the control loop.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use tessera_types::limits;

use super::events::{Event, Events};
use super::runtime::Output;
use crate::logs::{LineSplitter, LogLine, LogWriter, Stream};

const BLOCK_BYTES: usize = 16 * 1024;

/// What is known of a run's output while it is read.
#[derive(Debug, Clone, Default)]
pub(super) struct OutputTail {
    last: Arc<Mutex<VecDeque<String>>>,
    lost: Arc<AtomicU64>,
}

impl OutputTail {
    /// The last lines that were read.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Lines that could not be written to the log.
    pub(super) fn lines_lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn remember(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == limits::EXIT_LINES_MAX {
            last.pop_front();
        }
        last.push_back(shorten(text));
    }
}

/// The beginning of a line, as it goes into an exit record.
fn shorten(text: &str) -> String {
    limits::clip(text, limits::EXIT_LINE_BYTES_MAX)
}

/// The last lines of a log since a time, as they go into an exit record.
pub(super) fn last_lines_of(dir: &std::path::Path, since: Timestamp) -> io::Result<Vec<String>> {
    use crate::logs::{LogReader, ReadOptions};
    let options =
        ReadOptions { tail: Some(limits::EXIT_LINES_MAX), since: Some(since), follow: false };
    let mut reader = LogReader::open(dir, options)?;
    let mut found = Vec::new();
    while let Some(lines) = reader.read_available()? {
        found.extend(lines.iter().map(|line| shorten(&line.text)));
    }
    Ok(found)
}

/// Reads all of `output` in the background; `Event::OutputClosed` says that it has ended.
pub(super) fn record(
    output: Output,
    writer: LogWriter,
    tail: OutputTail,
    events: Events,
) -> io::Result<()> {
    let sources = output
        .into_iter()
        .map(|(stream, pipe)| Source { stream, pipe, splitter: LineSplitter::default() })
        .collect();
    let mut recorder = Recorder { sources, writer, tail };
    let run = move || {
        recorder.run();
        events.send(Event::OutputClosed);
    };
    thread::Builder::new().name("output".into()).spawn(run).map(drop)
}

struct Recorder {
    sources: Vec<Source>,
    writer: LogWriter,
    tail: OutputTail,
}

struct Source {
    stream: Stream,
    pipe: OwnedFd,
    splitter: LineSplitter,
}

impl Recorder {
    fn run(&mut self) {
        let mut block = vec![0; BLOCK_BYTES];
        while !self.sources.is_empty() {
            let ended: Vec<usize> =
                self.ready().into_iter().filter(|index| !self.read(*index, &mut block)).collect();
            for index in ended.into_iter().rev() {
                self.close(index);
            }
            // A failure is counted by the writer, and announced in the log when it can be.
            let _counted = self.writer.flush();
            self.tail.lost.store(self.writer.lines_lost(), Ordering::Relaxed);
        }
    }

    /// Waits until something can be read, and says from which sources.
    fn ready(&self) -> Vec<usize> {
        let wait_for = |source| PollFd::from_borrowed_fd(Source::as_fd(source), PollFlags::IN);
        let mut fds: Vec<PollFd<'_>> = self.sources.iter().map(wait_for).collect();
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Vec::new(),
            // Reading blocks then, which is right as long as there is anything to read.
            Err(_) => return (0..fds.len()).collect(),
        }
        let is_ready = |index: &usize| !fds[*index].revents().is_empty();
        (0..fds.len()).filter(is_ready).collect()
    }

    /// Reads a block. Answers whether there may be more.
    fn read(&mut self, index: usize, block: &mut [u8]) -> bool {
        let source = &mut self.sources[index];
        match rustix::io::read(&source.pipe, &mut *block) {
            Ok(0) => false,
            Ok(len) => {
                let (stream, writer, tail) = (source.stream, &mut self.writer, &self.tail);
                source.splitter.push(&block[..len], |text, partial| {
                    take_line(writer, tail, stream, partial, text);
                });
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            Err(_) => false,
        }
    }

    fn close(&mut self, index: usize) {
        let mut source = self.sources.remove(index);
        source.splitter.finish(|text, partial| {
            take_line(&mut self.writer, &self.tail, source.stream, partial, text);
        });
    }
}

impl Source {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

fn take_line(
    writer: &mut LogWriter,
    tail: &OutputTail,
    stream: Stream,
    partial: bool,
    text: String,
) {
    tail.remember(&text);
    writer.push(&LogLine { at: Timestamp::now(), stream, partial, text });
}
