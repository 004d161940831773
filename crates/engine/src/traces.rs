//! Places for those who ask for the trace of a job: each holds a whole run in memory and replays
//! it, so there are few, and a short queue for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tessera_types::Problem;
use tessera_types::problem::Code;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Traces that are made at the same time.
const AT_ONCE_MAX: usize = 2;

/// Those that wait for it.
const WAITING_MAX: usize = 32;

/// Places for those who ask for a trace.
pub(crate) struct Traces {
    places: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Traces {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE_MAX), waiting: AtomicUsize::new(0) }
    }
}

/// One that waits, until this is dropped.
struct Waiting<'t>(&'t AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traces {
    /// Waits for a place.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn take(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING_MAX {
            let detail = format!("{WAITING_MAX} requests for traces of jobs wait already");
            return Err(Problem::new(Code::Unavailable, detail).remedy("ask again in a moment"));
        }
        self.places.acquire().await.map_err(|error| Problem::internal(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn few_are_made_at_once_and_few_wait() {
        let traces = Traces::default();
        let mut made = vec![traces.take().await.unwrap(), traces.take().await.unwrap()];
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(traces.take())).collect();
        assert!(waiting.iter_mut().all(|it| it.now_or_never().is_none()));
        let refused = traces.take().now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
        // Who goes away leaves a place in the queue, and who is done one among those at work.
        drop(waiting.pop());
        assert!(Box::pin(traces.take()).now_or_never().is_none());
        drop(made.pop());
        assert!(waiting.remove(0).now_or_never().unwrap().is_ok());
        drop(waiting);
        assert_eq!(traces.waiting.load(Ordering::Relaxed), 0);
    }
}
