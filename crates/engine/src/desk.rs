//! Who changes a job that waits or is over: one at a time for each job, so that a commit that takes
//! long holds up nobody who wants something of another.

use std::collections::HashSet;
use std::time::Duration;

use parking_lot::Mutex;
use tessera_store::journal::JobNumber;
use tessera_types::Problem;
use tessera_types::problem::Code;
use tokio::sync::Notify;

/// How long one waits for another.
const WITHIN: Duration = Duration::from_secs(10);

/// The jobs that somebody is about to change.
#[derive(Default)]
pub(crate) struct Desk {
    busy: Mutex<HashSet<JobNumber>>,
    free: Notify,
}

/// A job that nobody else changes while this is there.
pub(crate) struct Place<'d> {
    desk: &'d Desk,
    job: JobNumber,
}

impl Desk {
    /// Waits until nobody else changes the job.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) async fn take(&self, job: JobNumber) -> Result<Place<'_>, Problem> {
        let waiting = async {
            loop {
                let mut free = std::pin::pin!(self.free.notified());
                free.as_mut().enable();
                if self.busy.lock().insert(job) {
                    return Place { desk: self, job };
                }
                free.await;
            }
        };
        tokio::time::timeout(WITHIN, waiting).await.map_err(|_| {
            let detail = "somebody else cancels this job, or has it tried again, just now";
            Problem::new(Code::Unavailable, detail).remedy("ask again in a moment")
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.desk.busy.lock().remove(&self.job);
        self.desk.free.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_changes_a_job_and_another_one_another() {
        let desk = Desk::default();
        let (a, b) = (JobNumber(1), JobNumber(2));
        let first = desk.take(a).await.unwrap();
        assert!(desk.take(b).now_or_never().is_some());
        let mut second = std::pin::pin!(desk.take(a));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.await.is_ok());
        assert!(desk.busy.lock().is_empty());
    }
}
