//! One watch under way: what it has to say is taken from the fan-out or, where the watcher
//! is not up to that, from the store's log, and written in pieces.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tessera_types::api::WatchEvent;
use tessera_types::{Revision, limits};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Filter;
use crate::body;
use crate::failure;
use crate::fanout::{Encoded, Seat, Taken, encode};
use crate::plane::Plane;

/// So often a watcher hears something, if only that there is nothing.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);
/// Events are written together up to this size. A reader that stops reading has a bounded
/// number of pieces under way, so this is also what it costs.
const PIECE_BYTES: usize = 8 << 10;
/// A watcher is not written to more often than once in so much time for each watch that is
/// open: writing is what a watch costs, and what comes shortly after an event goes with the
/// next write. With a thousand watches that is 40 ms, with a few it is nothing.
const PAUSE_PER_WATCH: Duration = Duration::from_micros(40);
/// Shorter pauses are not worth a timer.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// One watch. What it does ends with none when the reader has gone, the watch has failed,
/// or all stops.
pub(super) struct Stream {
    plane: Arc<Plane>,
    filter: Filter,
    sender: mpsc::Sender<Bytes>,
    /// The watcher has everything up to here.
    at: Revision,
    said_at: Instant,
    /// Events that are not written yet.
    piece: Vec<Bytes>,
    piece_bytes: usize,
}

impl Stream {
    pub(super) fn new(
        plane: Arc<Plane>,
        at: Revision,
        filter: Filter,
        sender: mpsc::Sender<Bytes>,
    ) -> Self {
        let said_at = Instant::now();
        Self { plane, filter, sender, at, said_at, piece: Vec::new(), piece_bytes: 0 }
    }

    pub(super) async fn run(mut self) {
        let _watching = self.plane.metrics.watcher();
        // Nothing is left to do when it has ended.
        let _ended: Option<()> = self.follow().await;
    }

    async fn follow(&mut self) -> Option<()> {
        self.bookmark().await?;
        loop {
            let seat = match self.sit_down() {
                Some(seat) => seat,
                None => self.follow_log().await?,
            };
            self.follow_fanout(&seat).await?;
        }
    }

    fn sit_down(&self) -> Option<Seat> {
        self.plane.fanout.sit_down(&self.filter.following, self.at)
    }

    /// Until it has fallen behind.
    async fn follow_fanout(&mut self, seat: &Seat) -> Option<()> {
        loop {
            let (commits, up_to) = match seat.take() {
                Taken::Behind(up_to) => {
                    self.at = self.at.max(up_to);
                    return Some(());
                }
                Taken::Commits(commits, up_to) => (commits, up_to),
            };
            if commits.is_empty() {
                self.at = self.at.max(up_to);
                self.wait(seat).await?;
                continue;
            }
            for handed in commits {
                self.say(&handed.commit, &handed.changes).await?;
            }
            self.write().await?;
            self.at = self.at.max(up_to);
        }
    }

    /// Waits until there may be something to take, or says that there is nothing.
    async fn wait(&mut self, seat: &Seat) -> Option<()> {
        let stopping = &self.plane.stopping;
        tokio::select! {
            () = stopping.cancelled() => return None,
            () = self.sender.closed() => return None,
            () = seat.rung() => {}
            () = sleep_until(self.said_at + BOOKMARK_EVERY) => return self.bookmark().await,
        }
        let pause = PAUSE_PER_WATCH * self.watches();
        if pause >= PAUSE_MIN && self.said_at.elapsed() < pause {
            sleep_until(self.said_at + pause).await;
        }
        Some(())
    }

    fn watches(&self) -> u32 {
        let open = limits::WATCHERS_MAX - self.plane.watch_places.available_permits();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// Until it is as far as the fan-out.
    async fn follow_log(&mut self) -> Option<Seat> {
        let mut watcher = self.plane.store.watch(self.at);
        loop {
            if let Some(seat) = self.sit_down() {
                return Some(seat);
            }
            let next = tokio::select! {
                () = self.plane.stopping.cancelled() => return None,
                () = self.sender.closed() => return None,
                next = timeout_at(self.said_at + BOOKMARK_EVERY, watcher.next()) => next,
            };
            match next {
                Ok(Ok(committed)) => {
                    let commit = Encoded::new(committed);
                    let changes = commit.changes().iter().enumerate();
                    let followed = changes.filter(|(_, it)| self.filter.following.has(it));
                    let followed: Vec<_> = followed.map(|(i, _)| i).collect();
                    self.say(&commit, &followed).await?;
                    self.write().await?;
                    self.at = commit.revision();
                    if self.said_at.elapsed() >= BOOKMARK_EVERY {
                        self.bookmark().await?;
                    }
                }
                Ok(Err(error)) => {
                    let problem = failure::of_watch(error);
                    self.put(encode(None, &WatchEvent::Failed { problem })).await?;
                    self.write().await?;
                    return None;
                }
                Err(_) => self.bookmark().await?,
            }
        }
    }

    /// Says that the watcher has everything up to where it is.
    async fn bookmark(&mut self) -> Option<()> {
        let event = WatchEvent::Bookmark { revision: self.at };
        self.put(encode(Some(self.at), &event)).await?;
        self.write().await
    }

    /// Says what a commit means to this watcher. Only the last event of a commit carries
    /// its id: a client that resumes in between gets all of it again.
    async fn say(&mut self, commit: &Encoded, changes: &[usize]) -> Option<()> {
        let meaning = |i: &usize| Some((*i, self.filter.meaning(&commit.changes()[*i])?));
        let events: Vec<_> = changes.iter().filter_map(meaning).collect();
        let count = events.len();
        for (n, (i, meaning)) in events.into_iter().enumerate() {
            self.put(commit.event(i, meaning, n + 1 == count)).await?;
        }
        Some(())
    }

    async fn put(&mut self, event: Bytes) -> Option<()> {
        if self.piece_bytes + event.len() > PIECE_BYTES {
            self.write().await?;
        }
        self.piece_bytes += event.len();
        self.piece.push(event);
        Some(())
    }

    /// Writes what is put together.
    async fn write(&mut self) -> Option<()> {
        let piece = match self.piece.as_slice() {
            [] => return Some(()),
            [one] => one.clone(),
            many => {
                let mut all = BytesMut::with_capacity(self.piece_bytes);
                many.iter().for_each(|event| all.extend_from_slice(event));
                all.freeze()
            }
        };
        self.piece.clear();
        self.piece_bytes = 0;
        body::write(&self.sender, &self.plane.stopping, piece).await?;
        self.said_at = Instant::now();
        Some(())
    }
}
