//! Waiting until what was asked for has come about, and showing how it does.
//!
//! The one idea: each resource has a [`Goal`], and a pure function ([`judge`])
//! says of the resource as it is whether the goal is reached, out of reach, or what it
//! still waits for. The rest is to follow changes and to draw a [`Board`].

mod board;
mod progress;
mod verdict;

use std::time::{Duration, Instant};

pub use crate::show::change::Event;
pub use board::{Board, Tracked};
pub use progress::{Live, Plain, Progress, for_stdout};
pub use verdict::{Goal, Verdict, judge};

use crate::failure::Failure;
use crate::follow::{Change, Follow};

/// Between two pictures of a live display.
const FRAME: Duration = Duration::from_millis(120);

/// Waits until every goal on the board is reached or out of reach.
///
/// # Errors
/// [`Failure::Failed`] when a goal is out of reach, or not reached by the
/// `timeout`: it says of each what it waits for. [`Failure::Api`] when the
/// control plane is away for too long.
pub async fn wait(
    follow: &mut Follow,
    board: &mut Board,
    timeout: Duration,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    let watched = tokio::time::timeout(timeout, watch(follow, board, progress)).await;
    progress.finish(board)?;
    match watched {
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(())) | Err(_) => board.result(timeout),
    }
}

async fn watch(
    follow: &mut Follow,
    board: &mut Board,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    let mut frames = tokio::time::interval(FRAME);
    while !board.is_settled() {
        tokio::select! {
            change = follow.next() => match change? {
                Change::Notice(text) => progress.notice(&text)?,
                change => {
                    for (key, event) in board.observe(change) {
                        progress.event(&key, &event)?;
                    }
                }
            },
            _ = frames.tick() => progress.draw(board)?,
        }
    }
    Ok(())
}

/// Since when a board is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
