//! Runs: each drives one machine, stores what happens to it, and has its effects
//! performed.
//!
//! The one idea: a moment. Whatever has happened since the last one is told to the
//! machine in memory; what that comes to (entries, the job's state, events) is one
//! commit; and only when it is durable are the effects begun that follow from it, and
//! is anybody told. A crash before the commit is as if nothing had happened, one after
//! it replays the entries.

mod ending;
mod hiding;
mod moment;
mod parked;
mod perform;
mod secret;

pub(crate) use ending::event_of;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tessera_store::journal::{JobNumber, JournalError};
use tessera_types::Problem;
use tessera_workflow::machine::Error;
use tokio::sync::mpsc;

use crate::book::Tell;
use crate::plane::{AGAIN_AFTER, Plane};
use crate::{outbox, trace};
use moment::Run;
use parked::{Parked, Woken};

/// Why a run is not driven on, though it is not over.
enum Stop {
    /// Everything ends.
    Stopping,
    /// What is stored of it could not be read or written.
    Journal(String),
    /// What is stored of it makes no sense, now or later.
    Damaged(String),
    /// One of its secrets cannot be read now.
    Secret(String),
    /// It waits, and memory is scarce.
    Parked(Parked),
}

impl Stop {
    fn secret(error: &Error) -> Self {
        Self::Secret(error.detail.as_deref().unwrap_or_default().to_owned())
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Closed => Self::Stopping,
            other => Self::Journal(other.to_string()),
        }
    }
}

impl From<trace::EntriesError> for Stop {
    fn from(error: trace::EntriesError) -> Self {
        match error {
            trace::EntriesError::Journal(error) => error.into(),
            trace::EntriesError::Damaged(why) => Self::Damaged(why),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Journal(problem.detail)
    }
}

/// Runs what waits while there are places.
pub(crate) async fn dispatch(plane: Arc<Plane>) {
    loop {
        loop {
            let mut door = plane.door.lock().await;
            let next = next_to_run(&plane);
            let Some((number, told)) = next else { break };
            door.passed(number);
            spawn(&plane, number, told);
        }
        tokio::select! {
            () = plane.bell.notified() => {}
            () = plane.memory.is_freed() => {}
            () = plane.stopping.cancelled() => return,
        }
    }
}

/// The next job that waits, if there is a place for it. While memory is scarce there is none, unless
/// all that run rest.
fn next_to_run(plane: &Plane) -> Option<(JobNumber, mpsc::Receiver<Tell>)> {
    let mut book = plane.book.lock();
    match plane.memory.is_scarce() && book.has_busy() {
        true => None,
        false => book.next_to_run(plane.options.jobs_max),
    }
}

/// Drives a job that is among those that run.
pub(crate) fn spawn(plane: &Arc<Plane>, number: JobNumber, mut told: mpsc::Receiver<Tell>) {
    let plane = Arc::clone(plane);
    let runs = plane.runs.clone();
    runs.spawn(async move {
        let mine = plane.book.lock().running.get(&number).cloned();
        let mut has_failed = false;
        let mut woken = None;
        loop {
            let driving = drive(&plane, number, &mut told, woken.take(), has_failed);
            let driving = AssertUnwindSafe(driving);
            let why = match driving.catch_unwind().await {
                Ok(Ok(())) => break,
                Ok(Err(stop)) => stop,
                Err(_) => {
                    tracing::error!(target: "tessera::engine", job = %number, "a run has panicked: report this as a bug with the log");
                    Stop::Damaged("the engine could not run this".to_owned())
                }
            };
            let why = match why {
                Stop::Damaged(why) => match ending::give_up(&plane, number, &why).await {
                    Ok(()) => break,
                    Err(stop) => stop,
                },
                Stop::Parked(parked) => match parked.wait(&plane, &mut told).await {
                    Ok(again) => {
                        woken = Some(again);
                        continue;
                    }
                    Err(stop) => stop,
                },
                Stop::Secret(why) => match secret::wait(&plane, number, &mut told, &why).await {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(stop) => stop,
                },
                other => other,
            };
            match why {
                Stop::Stopping | Stop::Parked(_) => return,
                Stop::Journal(why) | Stop::Damaged(why) | Stop::Secret(why) => {
                    tracing::error!(target: "tessera::engine", job = %number, why, "a run's journal failed; it is replayed and goes on");
                }
            }
            has_failed = true;
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = plane.stopping.cancelled() => return,
            }
        }
        let mut book = plane.book.lock();
        // It may have been tried again meanwhile: that is another run.
        let is_mine = |other: &crate::book::RunHandle| {
            mine.as_ref().is_some_and(|mine| mine.tell.same_channel(&other.tell))
        };
        if book.running.get(&number).is_some_and(is_mine) {
            book.ends(number);
        }
        drop(book);
        plane.bell.notify_one();
    });
}

/// Drives a job to its end. Where that has failed before, what it had to tell until then is told
/// before what follows.
async fn drive<'p>(
    plane: &'p Arc<Plane>,
    number: JobNumber,
    told: &mut mpsc::Receiver<Tell>,
    woken: Option<Woken<'p>>,
    has_failed: bool,
) -> Result<(), Stop> {
    if has_failed {
        outbox::look_for(plane, number).await?;
    }
    Run::drive(plane, number, told, woken).await
}
