//! Whether the parts live that nothing works without: the reconcile loop, and the
//! store's writer. A control plane that lost one would go on answering, and look
//! alive; so both are watched, and when one dies the process is to end.

use std::any::Any;

use tessera_store::{Store, WatchError};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::plane::Plane;

/// The pause before it is looked again whether the store's writer lives, where
/// watching it failed for another reason.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// A part has died that nothing works without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Died {
    /// The reconcile loop.
    #[error(
        "the reconcile loop has died ({0}), so nothing is placed, moved or stopped any more; start the control plane again, and report this as a bug with its log"
    )]
    Loop(String),
    /// The store's writer.
    #[error(
        "the store's writer has died, so nothing can be written any more; start the control plane again, and report this as a bug with its log"
    )]
    Store,
}

impl Died {
    /// The sort of error, stable for programs: `docs/reference/errors.md` lists
    /// them.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Loop(_) => "loop_died",
            Self::Store => "store_died",
        }
    }
}

/// Whether all parts live.
pub(crate) struct Health(watch::Sender<Option<Died>>);

impl Health {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// What died, if anything did.
    pub(crate) fn died(&self) -> Option<Died> {
        self.0.borrow().clone()
    }

    /// Waits until something has died.
    pub(crate) async fn until_died(&self) -> Died {
        let mut health = self.0.subscribe();
        let died = health.wait_for(Option::is_some).await.ok().and_then(|died| died.clone());
        match died {
            Some(died) => died,
            // The sender is `self`: it does not go.
            None => std::future::pending().await,
        }
    }
}

/// Watches the loop and the store, and returns when the loop has ended.
pub(crate) async fn supervise(plane: &Plane, mut looping: JoinHandle<()>) {
    let (died, looping) = tokio::select! {
        ended = &mut looping => (Died::Loop(why(ended)), None),
        () = store_ends(&*plane.store) => (Died::Store, Some(looping)),
    };
    if !plane.stopping.is_cancelled() {
        tracing::error!(target: "tessera", "{died}");
        plane.health.0.send_replace(Some(died));
    }
    if let Some(looping) = looping {
        // How it ends makes no difference any more.
        let _ = looping.await;
    }
}

/// Returns when the store is closed, by whatever.
async fn store_ends(store: &dyn Store) {
    loop {
        let mut watcher = store.watch(store.revision());
        loop {
            match watcher.next().await {
                Ok(_) => {}
                Err(WatchError::Closed) => return,
                Err(_) => break,
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn why(ended: Result<(), JoinError>) -> String {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(()) => "it has ended".to_owned(),
        Err(Ok(panic)) => text_of(&*panic).to_owned(),
        Err(Err(error)) => error.to_string(),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
