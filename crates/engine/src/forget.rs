//! Jobs that ended long ago are forgotten, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::plane::Plane;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(30);

/// Jobs that are forgotten in one step, so that commits do not wait for it.
const JOBS: usize = 50;

/// Forgets what is old enough, until everything ends.
pub(crate) async fn forget_old(plane: Arc<Plane>) {
    loop {
        step(&plane).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = plane.stopping.cancelled() => return,
        }
    }
}

async fn step(plane: &Plane) {
    let before = clock::now().minus(plane.options.keep);
    let too_old = plane.book.lock().too_old(plane.options.jobs_kept_max);
    let before = too_old.map_or(before, |at| at.max(before));
    loop {
        let jobs = match plane.journal.forget(before, JOBS).await {
            Ok(forgotten) => forgotten.jobs,
            Err(error) => {
                tracing::warn!(target: "tessera::engine", %error, "old jobs cannot be forgotten");
                return;
            }
        };
        {
            let mut book = plane.book.lock();
            jobs.iter().for_each(|job| book.forget(*job));
        }
        plane.outbox.forget(&jobs);
        if jobs.len() < JOBS || plane.stopping.is_cancelled() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
