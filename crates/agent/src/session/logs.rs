//! Sending the log of a workload or a tenant to somebody who reads it through the control plane.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tessera_client::Error;
use tessera_types::sync::{LogChunk, LogLine, LogStream};
use tessera_types::{Name, limits};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::control::Control;
use crate::logs::{self, LogReader, ReadOptions, Stream};
use crate::tenants::JournalReader;

const LINES_MAX: usize = limits::LOG_LINES_MAX;
const BYTES_MAX: usize = 256 * 1024;
/// How often it is said that the agent is there, and asked whether somebody still reads, where there is
/// nothing to send. The control plane gives up an agent that says nothing for four times as long.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// How soon it is said for the first time: who reads waits for that, where nothing has been written.
const FIRST_ASK: Duration = Duration::from_secs(1);
const CALL_TIME: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 10;
const RETRY: Duration = Duration::from_millis(500);
/// Requests that are remembered, so that one which is repeated is not served twice.
const REMEMBERED: usize = 1024;

/// The requests that were taken on.
#[derive(Debug, Default)]
pub(super) struct LogRequests {
    taken: VecDeque<String>,
}

impl LogRequests {
    /// Whether this request is new.
    pub(super) fn take(&mut self, request: &str) -> bool {
        if self.taken.iter().any(|taken| taken == request) {
            return false;
        }
        if self.taken.len() == REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(request.to_owned());
        true
    }
}

/// One request being answered.
pub(super) struct Sender<C> {
    pub(super) control: C,
    pub(super) node: Name,
    pub(super) session: String,
    /// What names the request.
    pub(super) request: String,
    /// How many chunks were sent.
    pub(super) sent: u64,
}

/// Where a log is.
#[derive(Debug)]
pub(super) enum Source {
    /// In this folder, as that of a workload.
    Folder(PathBuf),
    /// In the journal, under this unit.
    Journal(String),
    /// Nowhere, for this reason.
    Nowhere(String),
}

/// A log that is being read.
enum Reader {
    Files(LogReader),
    Journal(Box<JournalReader>),
}

impl Reader {
    fn open(source: Source, options: ReadOptions) -> Result<Self, String> {
        match source {
            Source::Folder(dir) => LogReader::open(&dir, options)
                .map(Self::Files)
                .map_err(|error| format!("the log cannot be read: {error}")),
            Source::Journal(unit) => JournalReader::open(&unit, options)
                .map(|reader| Self::Journal(Box::new(reader)))
                .map_err(|error| error.to_string()),
            Source::Nowhere(why) => Err(why),
        }
    }

    /// The next lines; none at the end. It may be dropped while it waits.
    async fn next(&mut self) -> Result<Option<Vec<logs::LogLine>>, String> {
        match self {
            Self::Files(reader) => reader
                .next()
                .await
                .map_err(|error| format!("the log cannot be read any further: {error}")),
            Self::Journal(reader) => reader.next().await.map_err(|error| error.to_string()),
        }
    }
}

impl<C: Control> Sender<C> {
    /// Sends the log until its end, or until nobody reads it any more.
    pub(super) async fn run(mut self, source: Source, options: ReadOptions) {
        let result = match Reader::open(source, options) {
            Ok(mut reader) => self.send_lines(&mut reader).await,
            Err(why) => self.send(Vec::new(), true, Some(why)).await.map(drop),
        };
        if let Err(error) = result {
            debug!(target: "tessera::agent", node = %self.node, %error, "a log is not sent any more");
        }
    }

    async fn send_lines(&mut self, reader: &mut Reader) -> Result<(), Error> {
        let mut pause = FIRST_ASK;
        loop {
            let lines = match timeout(pause, reader.next()).await {
                Ok(Ok(Some(lines))) => lines,
                Ok(Ok(None)) => return self.send(Vec::new(), true, None).await.map(drop),
                Ok(Err(why)) => return self.send(Vec::new(), true, Some(why)).await.map(drop),
                Err(_nothing_new) => Vec::new(),
            };
            pause = ASK_INTERVAL;
            for chunk in chunks(lines) {
                if !self.send(chunk, false, None).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Sends a chunk, some times over if need be, and for as long as the reader takes. Answers whether
    /// somebody still reads.
    async fn send(
        &mut self,
        lines: Vec<LogLine>,
        end: bool,
        error: Option<String>,
    ) -> Result<bool, Error> {
        self.sent += 1;
        let error = error.map(|error| limits::clip(&error, limits::REPORT_TEXT_BYTES_MAX));
        let chunk = LogChunk { session: self.session.clone(), seq: self.sent, lines, end, error };
        let mut attempt = 1;
        loop {
            let call = self.control.log_chunk(&self.node, &self.request, &chunk);
            let answer = timeout(CALL_TIME, call).await;
            match answer.unwrap_or_else(|_| Err(Error::Unreachable("no answer in time".to_owned())))
            {
                Ok(answer) if answer.taken || !answer.wanted => return Ok(answer.wanted),
                Ok(_) => {
                    attempt = 1;
                    sleep(RETRY).await;
                }
                Err(error @ Error::Unreachable(_)) if attempt < ATTEMPTS => {
                    debug!(target: "tessera::agent", %error, "a part of a log is sent again");
                    sleep(RETRY * attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Parts that fit into one call each; one empty part if there are no lines.
fn chunks(lines: Vec<logs::LogLine>) -> Vec<Vec<LogLine>> {
    let mut chunks = vec![Vec::new()];
    let mut bytes = 0;
    for line in lines {
        let full = chunks.last().is_some_and(|chunk| chunk.len() == LINES_MAX);
        if full || bytes + line.text.len() > BYTES_MAX {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += line.text.len();
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(on_the_wire(line));
        }
    }
    chunks
}

fn on_the_wire(line: logs::LogLine) -> LogLine {
    let stream = match line.stream {
        Stream::Stdout => LogStream::Stdout,
        // A notice that lines were lost belongs where complaints are looked for.
        Stream::Stderr | Stream::Notice => LogStream::Stderr,
    };
    LogLine { at: line.at.into(), stream, text: line.text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: String) -> logs::LogLine {
        let at = jiff::Timestamp::UNIX_EPOCH;
        logs::LogLine { at, stream: Stream::Stdout, partial: false, text }
    }

    #[test]
    fn no_chunk_is_larger_than_allowed_and_no_line_is_lost() {
        for (count, len) in [(0, 0), (1, 5), (500, 1), (501, 1), (1700, 100), (40, 16 * 1024)] {
            let lines: Vec<_> = (0..count).map(|_| line("x".repeat(len))).collect();
            let chunks = chunks(lines);
            assert!(!chunks.is_empty());
            assert_eq!(chunks.iter().map(Vec::len).sum::<usize>(), count);
            for chunk in chunks {
                assert!(chunk.len() <= LINES_MAX);
                assert!(chunk.iter().map(|line| line.text.len()).sum::<usize>() <= BYTES_MAX);
            }
        }
    }

    #[test]
    fn a_repeated_request_is_taken_once() {
        let mut requests = LogRequests::default();
        assert!(requests.take("1"));
        assert!(!requests.take("1"));
        assert!((2..3000).all(|n| requests.take(&n.to_string())));
        assert!(requests.taken.len() <= REMEMBERED);
    }
}
