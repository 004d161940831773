//! Brings the reader of a log together with the agent that has it: the reader
//! waits here, the agent posts chunks, and each chunk is answered only when the
//! reader has taken it, so a slow reader slows the agent and nothing piles up.
//!
//! An agent whose call broke posts the chunk again. Chunks are numbered, so it
//! makes no difference which of the two calls brought it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tessera_types::limits::LOG_READERS_MAX;
use tessera_types::sync::{LogChunk, LogChunkAnswer};
use tessera_types::{Name, Timestamp};
use tokio::sync::mpsc;

/// Chunks between an agent and a reader.
const CHUNKS_MAX: usize = 2;
/// How long an agent's call waits for a slow reader. Shorter than agents wait for an
/// answer, so that they can tell a slow reader from a control plane that is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// Brings readers and agents together.
#[derive(Clone)]
pub(crate) struct LogBroker(Arc<Inner>);

struct Inner {
    /// Tells the requests of this start of the control plane from those of any other:
    /// agents remember which they have answered.
    start: Timestamp,
    next: AtomicU64,
    readers: Mutex<HashMap<String, Arc<Outlet>>>,
}

/// The agent's end.
struct Outlet {
    /// Whose agent was asked.
    node: Name,
    chunks: mpsc::Sender<LogChunk>,
    /// The number of the last chunk that the reader was given. Held while one is.
    last: tokio::sync::Mutex<u64>,
}

/// The reader's end. Dropping it tells the agent that nobody reads any more.
pub(crate) struct LogReader {
    pub(crate) request: String,
    chunks: mpsc::Receiver<LogChunk>,
    broker: LogBroker,
}

impl LogBroker {
    /// Without readers.
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Arc::new(Inner { start, next: AtomicU64::new(0), readers: Mutex::default() }))
    }

    /// A new reader of a log on this node; none when there are too many.
    pub(crate) fn open(&self, node: &Name) -> Option<LogReader> {
        let mut readers = self.0.readers.lock();
        if readers.len() >= LOG_READERS_MAX {
            return None;
        }
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let request = format!("log-{:x}-{number}", self.0.start.as_micros());
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let outlet =
            Outlet { node: node.clone(), chunks: sender, last: tokio::sync::Mutex::new(0) };
        readers.insert(request.clone(), Arc::new(outlet));
        Some(LogReader { request, chunks, broker: self.clone() })
    }

    /// Hands a chunk to its reader. An agent that was not asked finds none.
    pub(crate) async fn deliver(
        &self,
        node: &Name,
        request: &str,
        chunk: LogChunk,
    ) -> LogChunkAnswer {
        self.deliver_within(TAKEN_WITHIN, node, request, chunk).await
    }

    async fn deliver_within(
        &self,
        within: Duration,
        node: &Name,
        request: &str,
        chunk: LogChunk,
    ) -> LogChunkAnswer {
        let outlet = self.0.readers.lock().get(request).filter(|it| it.node == *node).cloned();
        let Some(outlet) = outlet else { return LogChunkAnswer { wanted: false, taken: true } };
        match tokio::time::timeout(within, outlet.pass_on(chunk)).await {
            Ok(wanted) => LogChunkAnswer { wanted, taken: true },
            Err(_) => LogChunkAnswer { wanted: true, taken: false },
        }
    }
}

impl Outlet {
    /// Says whether somebody still reads. Dropping the future passes nothing on.
    async fn pass_on(&self, chunk: LogChunk) -> bool {
        let mut last = self.last.lock().await;
        let seq = chunk.seq;
        if seq <= *last {
            return !self.chunks.is_closed();
        }
        let is_sent = self.chunks.send(chunk).await.is_ok();
        *last = seq;
        is_sent
    }
}

impl LogReader {
    /// The next chunk. The broker keeps the sending end for as long as this one lives,
    /// so this waits for as long as the agent says nothing: give it a bound.
    pub(crate) async fn next(&mut self) -> Option<LogChunk> {
        self.chunks.recv().await
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.broker.0.readers.lock().remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    fn chunk(seq: u64) -> LogChunk {
        LogChunk { session: String::new(), seq, lines: Vec::new(), end: false, error: None }
    }

    const TAKEN: LogChunkAnswer = LogChunkAnswer { wanted: true, taken: true };

    #[tokio::test]
    async fn a_chunk_that_is_posted_again_is_passed_on_once() {
        let broker = LogBroker::new(Timestamp::EPOCH);
        let mut reader = broker.open(&node("a")).unwrap();
        let request = reader.request.clone();
        for seq in [1, 1, 2, 1] {
            assert_eq!(broker.deliver(&node("a"), &request, chunk(seq)).await, TAKEN);
        }
        for seq in [1, 2] {
            assert_eq!(reader.next().await.unwrap().seq, seq);
        }
        assert_eq!(broker.deliver(&node("a"), &request, chunk(3)).await, TAKEN);
        assert_eq!(reader.next().await.unwrap().seq, 3);
        let stranger = broker.deliver(&node("b"), &request, chunk(9)).await;
        assert!(!stranger.wanted, "it was not asked");
        drop(reader);
        assert!(!broker.deliver(&node("a"), &request, chunk(4)).await.wanted);
    }

    #[tokio::test]
    async fn a_chunk_that_a_slow_reader_has_not_taken_can_be_posted_again() {
        let broker = LogBroker::new(Timestamp::EPOCH);
        let mut reader = broker.open(&node("a")).unwrap();
        let request = reader.request.clone();
        for seq in [1, 2] {
            assert_eq!(broker.deliver(&node("a"), &request, chunk(seq)).await, TAKEN);
        }
        let slow = LogChunkAnswer { wanted: true, taken: false };
        let soon = Duration::from_millis(5);
        assert_eq!(broker.deliver_within(soon, &node("a"), &request, chunk(3)).await, slow);
        assert_eq!(reader.next().await.unwrap().seq, 1);
        assert_eq!(broker.deliver(&node("a"), &request, chunk(3)).await, TAKEN);
        for seq in [2, 3] {
            assert_eq!(reader.next().await.unwrap().seq, seq);
        }
    }

    #[test]
    fn another_start_has_other_requests_and_readers_are_limited() {
        let names = |start| {
            let broker = LogBroker::new(Timestamp::from_micros(start));
            let readers: Vec<_> = std::iter::from_fn(|| broker.open(&node("a"))).collect();
            assert_eq!(readers.len(), LOG_READERS_MAX);
            readers.iter().map(|reader| reader.request.clone()).collect::<Vec<_>>()
        };
        let other = names(2);
        assert!(names(1).iter().all(|name| !other.contains(name)));
    }
}
