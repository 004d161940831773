//! Where emitted events go.

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tessera_workflow::machine::{CloudEvent, Error};

/// Takes the events that runs emit.
pub trait Sink: Send + Sync {
    /// Takes one. It may come twice after a crash, with the same id and source.
    fn publish<'a>(&'a self, event: &'a CloudEvent) -> BoxFuture<'a, Result<(), Error>>;
}

/// A sink that keeps all events in memory.
#[derive(Clone, Debug, Default)]
pub struct Collected(Arc<Mutex<Vec<CloudEvent>>>);

impl Collected {
    /// Those that came so far, in their order.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        self.0.lock().clone()
    }
}

impl Sink for Collected {
    fn publish<'a>(&'a self, event: &'a CloudEvent) -> BoxFuture<'a, Result<(), Error>> {
        self.0.lock().push(event.clone());
        Box::pin(async { Ok(()) })
    }
}
