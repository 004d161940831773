//! Runs that were dropped from memory while they wait for time or an event. Their journals have all
//! that they knew; what is kept is when they are due.

use std::time::Duration;

use tessera_types::Timestamp;
use tessera_workflow::journaled::Due;
use tokio::sync::mpsc;

use super::Stop;
use crate::book::Tell;
use crate::clock;
use crate::memory::Share;
use crate::plane::Plane;

/// The clock may be set: whoever waits for a time looks at it at least so often.
pub(super) const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);

/// A run that is not in memory.
pub(super) struct Parked {
    /// Its next timer.
    pub(super) due: Option<Due>,
    /// What was told of its progress.
    pub(super) progress_sent: (u32, Timestamp),
    /// What it held.
    pub(super) bytes: usize,
}

/// A run that is to be in memory again.
pub(super) struct Woken<'m> {
    pub(super) share: Share<'m>,
    pub(super) due: Option<Due>,
    pub(super) progress_sent: (u32, Timestamp),
    pub(super) tell: Option<Tell>,
}

impl Parked {
    /// Waits until the run is due or is told something, and until there is room for it. One that is
    /// cancelled needs little for long, and does not wait.
    pub(super) async fn wait<'m>(
        self,
        plane: &'m Plane,
        told: &mut mpsc::Receiver<Tell>,
    ) -> Result<Woken<'m>, Stop> {
        let Self { due, progress_sent, bytes } = self;
        let mut tell = None;
        while tell.is_none() {
            let left = due.map(|due| due.left(clock::now(), clock::passed()));
            if left == Some(Duration::ZERO) {
                break;
            }
            tokio::select! {
                () = plane.stopping.cancelled() => return Err(Stop::Stopping),
                Some(it) = told.recv() => tell = Some(it),
                () = tokio::time::sleep(left.unwrap_or(LOOK_AT_CLOCK).min(LOOK_AT_CLOCK)) => {}
            }
        }
        let share = match tell {
            Some(Tell::Cancel { .. }) => plane.memory.share(bytes),
            _ => tokio::select! {
                share = plane.memory.room_for(bytes) => share,
                () = plane.stopping.cancelled() => return Err(Stop::Stopping),
            },
        };
        Ok(Woken { share, due, progress_sent, tell })
    }
}
