//! A run that cannot go on after a restart since a secret cannot be read: it keeps its job, says so,
//! and looks again.

use std::sync::Arc;
use std::time::Duration;

use tessera_store::journal::JobNumber;
use tokio::sync::mpsc;

use super::{Stop, ending};
use crate::book::Tell;
use crate::plane::Plane;

/// How long it is between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Waits until the secret is to be looked for again. False when the job was cancelled meanwhile.
pub(super) async fn wait(
    plane: &Plane,
    number: JobNumber,
    told: &mut mpsc::Receiver<Tell>,
    why: &str,
) -> Result<bool, Stop> {
    say(plane, number, why);
    plane.book.lock().rest(number, true);
    plane.bell.notify_one();
    let again = tokio::time::sleep(LOOK_EVERY);
    tokio::pin!(again);
    let goes_on = loop {
        tokio::select! {
            () = &mut again => break true,
            () = plane.stopping.cancelled() => return Err(Stop::Stopping),
            Some(tell) = told.recv() => match tell {
                Tell::Cancel { reason, told } => {
                    ending::cancel(plane, number, reason).await?;
                    let _ = told.send(true);
                    break false;
                }
                // Who gives it is told that it was not taken, and gives it again.
                Tell::Event { .. } => {}
            },
        }
    };
    plane.book.lock().rest(number, false);
    Ok(goes_on)
}

/// Says what the job waits for, to whoever asks and once in the log.
fn say(plane: &Plane, number: JobNumber, why: &str) {
    let mut book = plane.book.lock();
    let Some(state) = book.get(number) else { return };
    if state.head.waiting_for.as_deref() == Some(why) {
        return;
    }
    let mut state = (**state).clone();
    tracing::warn!(target: "tessera::engine", job = %state.head.id, why, "a job waits for a secret");
    state.head.waiting_for = Some(why.to_owned());
    book.put(number, Arc::new(state));
}
