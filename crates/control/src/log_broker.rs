//! Brings the reader of a log together with the agent that has it: the reader
//! waits here, the agent posts chunks, and each chunk is answered only when the
//! reader has taken it, so a slow reader slows the agent and nothing piles up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tessera_types::sync::LogChunk;
use tokio::sync::mpsc;

/// Logs being read at once.
const READERS_MAX: usize = 256;
/// Chunks between an agent and a reader.
const CHUNKS_MAX: usize = 2;

/// Brings readers and agents together.
#[derive(Clone, Default)]
pub(crate) struct LogBroker(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    readers: Mutex<HashMap<String, mpsc::Sender<LogChunk>>>,
}

/// The reader's end. Dropping it tells the agent that nobody reads any more.
pub(crate) struct LogReader {
    pub(crate) request: String,
    chunks: mpsc::Receiver<LogChunk>,
    broker: LogBroker,
}

impl LogBroker {
    /// A new reader; none when there are too many.
    pub(crate) fn open(&self) -> Option<LogReader> {
        let mut readers = self.0.readers.lock();
        if readers.len() >= READERS_MAX {
            return None;
        }
        let request = format!("log-{}", self.0.next.fetch_add(1, Ordering::Relaxed));
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        readers.insert(request.clone(), sender);
        Some(LogReader { request, chunks, broker: self.clone() })
    }

    /// Hands a chunk to its reader; says whether somebody still reads.
    pub(crate) async fn deliver(&self, request: &str, chunk: LogChunk) -> bool {
        let sender = self.0.readers.lock().get(request).cloned();
        match sender {
            Some(sender) => sender.send(chunk).await.is_ok(),
            None => false,
        }
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
