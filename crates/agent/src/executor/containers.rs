//! Which container runtime the node has. One that comes up later than the agent is found, too.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

use crate::containers::{ContainerRuntime, ContainerSocket, find};

/// When the machine starts, the runtime may come up a moment after the agent.
const LOOK_FIRST: Duration = Duration::from_secs(1);
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(30);

/// The node's container runtime, once it has one.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    found: watch::Receiver<Option<ContainerRuntime>>,
}

impl Runtime {
    /// Looks for one, and goes on looking in the background if there is none.
    pub(super) async fn look(wanted: ContainerSocket) -> Self {
        let first = find(&wanted).await;
        let look_on = first.is_none() && wanted != ContainerSocket::None;
        let (say, found) = watch::channel(first);
        if look_on {
            tokio::spawn(async move {
                tokio::select! {
                    runtime = look_until_found(&wanted) => {
                        info!(target: "tessera::agent", name = runtime.name, socket = %runtime.socket.display(), "found a container runtime");
                        let _agent_is_ending = say.send(Some(runtime));
                    }
                    () = say.closed() => {}
                }
            });
        }
        Self { found }
    }

    /// The one that was found.
    pub(super) fn found(&self) -> Option<ContainerRuntime> {
        self.found.borrow().clone()
    }
}

async fn look_until_found(wanted: &ContainerSocket) -> ContainerRuntime {
    let mut pause = LOOK_FIRST;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_INTERVAL_MAX);
        if let Some(runtime) = find(wanted).await {
            return runtime;
        }
    }
}
