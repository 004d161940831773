//! Following the commits: from the ring while that has them, else from the log.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use tessera_types::{Committed, Revision};
use tokio::sync::watch;

use crate::contract::{BoxFuture, Feed};
use crate::engine::backend::Fault;
use crate::error::WatchError;
use crate::shared::{Progress, SharedStore};

/// The feed of a store that this crate keeps.
pub(crate) struct EmbeddedFeed {
    shared: SharedStore,
    progress: watch::Receiver<Progress>,
    /// The last commit that was delivered.
    at: Revision,
    /// The commits that follow it, if they had to be read from the log.
    page: VecDeque<Arc<Committed>>,
    /// The reading of that page, which outlives a future that is dropped: a
    /// caller that gives up quickly and often gets there all the same.
    reading: Option<BoxFuture<'static, Result<Vec<Arc<Committed>>, Fault>>>,
}

impl EmbeddedFeed {
    pub(crate) fn new(shared: SharedStore, from: Revision) -> Self {
        let progress = shared.progress();
        Self { shared, progress, at: from, page: VecDeque::new(), reading: None }
    }

    /// The position moves only when a commit is handed over, and nothing is
    /// awaited after that, so a dropped future loses nothing.
    async fn advance(&mut self) -> Result<Arc<Committed>, WatchError> {
        loop {
            if let Some(committed) = self.take() {
                self.at = committed.revision;
                return Ok(committed);
            }
            let progress = *self.progress.borrow_and_update();
            if self.at < self.shared.compacted_at() {
                return Err(self.compacted());
            }
            match self.at.cmp(&progress.revision) {
                Ordering::Less if self.shared.ring.lock().get(self.at.next()).is_none() => {
                    self.page = self.read_page().await?;
                }
                Ordering::Less => {}
                Ordering::Greater if self.at > self.newest() => {
                    return Err(WatchError::Ahead { newest: self.newest() });
                }
                _ if progress.closed => return Err(WatchError::Closed),
                _ => self.progress.changed().await.map_err(|_| WatchError::Closed)?,
            }
        }
    }

    /// The next commit, if it is in memory. One that was compacted meanwhile
    /// does not count, so that the answer does not depend on chance.
    fn take(&mut self) -> Option<Arc<Committed>> {
        if self.at < self.shared.compacted_at() {
            return None;
        }
        self.page.pop_front().or_else(|| self.shared.ring.lock().get(self.at.next()))
    }

    async fn read_page(&mut self) -> Result<VecDeque<Arc<Committed>>, WatchError> {
        let reading = self.reading.get_or_insert_with(|| self.shared.reader.log(self.at));
        let page = reading.await;
        self.reading = None;
        let page = page?;
        match page.first() {
            Some(first) if first.revision == self.at.next() => Ok(page.into()),
            _ if self.at < self.shared.compacted_at() => Err(self.compacted()),
            _ => Err(WatchError::Failed(format!("revision {} is missing", self.at.next()))),
        }
    }

    /// May be ahead of what is announced, when the observer runs.
    fn newest(&self) -> Revision {
        self.shared.index.read().revision()
    }

    fn compacted(&self) -> WatchError {
        WatchError::Compacted { oldest: self.shared.compacted_at().next() }
    }
}

impl Feed for EmbeddedFeed {
    fn next(&mut self) -> BoxFuture<'_, Result<Arc<Committed>, WatchError>> {
        Box::pin(self.advance())
    }
}
