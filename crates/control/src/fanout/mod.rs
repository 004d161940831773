//! The fan-out of watches: who is told of which commit.
//!
//! The one idea: **one task follows the store for all watchers.** It hands each commit to
//! those that follow something in it, found by what they follow and not by asking each, and
//! wakes nobody else. An event is encoded once, by the first watcher that sends it, and its
//! bytes are shared by all.
//!
//! A watcher has a [`Seat`] here while it keeps up. What waits at all seats together is
//! bounded by age: a seat whose oldest event is further back than so many changes is
//! emptied, and its watcher is told up to which revision it has everything. From there it
//! reads the store's log on its own, however long that takes, and sits down again when it
//! is where the fan-out is. So nothing is dropped silently, and nothing piles up.

mod encoded;
mod seats;

use std::sync::Arc;

use parking_lot::Mutex;
use tessera_store::{Store, WatchError};
use tessera_types::{Committed, Revision};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::encoded::{Encoded, Meaning, encode};
use self::seats::Seats;
pub(crate) use self::seats::{Following, Taken};

/// Changes that may wait at seats, all watchers together: some thousand a second are made
/// on a busy system, so a watcher that is a second behind reads from the log.
const CHANGES_MAX: u64 = 4096;
/// Before the store is asked again after it could not read its own log.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The fan-out of watches.
pub(crate) struct Fanout {
    seats: Mutex<Seats>,
}

impl Fanout {
    /// One that has handed out everything up to `revision`.
    pub(crate) fn new(revision: Revision) -> Self {
        Self { seats: Mutex::new(Seats::new(revision, CHANGES_MAX)) }
    }

    /// Hands out what is committed, until all stops. Should it end otherwise, watchers go
    /// on without it, each from the log.
    pub(crate) async fn run(self: Arc<Self>, store: Arc<dyn Store>, stopping: CancellationToken) {
        let _closed = Closing(&self);
        let mut feed = store.watch(self.seats.lock().revision());
        loop {
            let next = tokio::select! {
                () = stopping.cancelled() => return,
                next = feed.next() => next,
            };
            match next {
                Ok(committed) => {
                    self.hand_out(committed);
                    // Nobody is to be told of what has come meanwhile: in a rush that would be read
                    // from the log.
                    let revision = store.revision();
                    if self.seats.lock().skip_if_empty(revision) {
                        feed = store.watch(revision);
                    }
                }
                Err(WatchError::Closed) => return,
                Err(WatchError::Failed(_)) => tokio::time::sleep(PAUSE).await,
                // It is that far behind. Its watchers see for themselves where they are.
                Err(WatchError::Compacted { .. } | WatchError::Ahead { .. }) => {
                    let revision = store.revision();
                    self.seats.lock().skip_to(revision);
                    feed = store.watch(revision);
                }
            }
        }
    }

    fn hand_out(&self, committed: Arc<Committed>) {
        self.seats.lock().hand_out(&Arc::new(Encoded::new(committed)));
    }

    /// A seat for a watcher that has everything up to `at`; none while the fan-out is
    /// further than that.
    pub(crate) fn sit_down(self: &Arc<Self>, following: &Following, at: Revision) -> Option<Seat> {
        let bell = Arc::new(Notify::new());
        let number = self.seats.lock().sit_down(following.clone(), at, Arc::clone(&bell))?;
        Some(Seat { fanout: Arc::clone(self), number, bell })
    }
}

/// Closes the fan-out when its task ends, however it ends.
struct Closing<'a>(&'a Fanout);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.seats.lock().close();
    }
}

/// The place of one watcher, given up when it is dropped.
pub(crate) struct Seat {
    fanout: Arc<Fanout>,
    number: u64,
    bell: Arc<Notify>,
}

impl Seat {
    /// What waits here, as much as is taken at once.
    pub(crate) fn take(&self) -> Taken {
        self.fanout.seats.lock().take(self.number)
    }

    /// Waits until there may be something. It is not missed when it came before.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.fanout.seats.lock().leave(self.number);
    }
}
