//! Effects under way: each is a task, and its end is a message to its run.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use serde_json::Value as Json;
use tessera_workflow::machine::{Effect, Error, StepId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure;
use crate::plane::Plane;

/// How an effect ended, and when.
pub(super) struct Ended {
    pub(super) step: StepId,
    pub(super) result: Result<Json, Error>,
    pub(super) at: Instant,
}

/// The effects of one run that are under way.
pub(super) struct UnderWay {
    effects: HashMap<StepId, (Arc<Effect>, CancellationToken)>,
    sender: mpsc::UnboundedSender<Ended>,
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
}

impl UnderWay {
    pub(super) fn new() -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        Self { effects: HashMap::new(), sender, ended }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Ends an effect that is not wanted any more.
    pub(super) fn cancel(&mut self, step: StepId) {
        if let Some((_, token)) = self.effects.remove(&step) {
            token.cancel();
        }
    }

    /// Begins an effect.
    pub(super) fn begin(&mut self, plane: &Arc<Plane>, effect: Effect) {
        let (effect, token) = (Arc::new(effect), CancellationToken::new());
        self.effects.insert(effect.id, (Arc::clone(&effect), token.clone()));
        plane.metrics.effect_begun();
        let (performer, sender) = (plane.performer.clone(), self.sender.clone());
        plane.runs.spawn(async move {
            let performing = AssertUnwindSafe(performer.perform(&effect, token)).catch_unwind();
            let result = performing.await.unwrap_or_else(|_| {
                tracing::error!(target: "tessera::engine", key = %effect.idempotency_key, "an effect has panicked: report this as a bug with the log");
                Err(failure::runtime("the engine could not perform this; its log says why"))
            });
            // A run that no longer wants it is gone.
            let _ = sender.send(Ended { step: effect.id, result, at: Instant::now() });
        });
    }

    /// The effect that has ended, unless it was cancelled.
    pub(super) fn take(&mut self, step: StepId) -> Option<Arc<Effect>> {
        self.effects.remove(&step).map(|(effect, _)| effect)
    }
}

impl Drop for UnderWay {
    /// What is still under way when a run ends is not wanted any more; when the engine
    /// stops, it is begun again with the same key.
    fn drop(&mut self) {
        self.effects.values().for_each(|(_, token)| token.cancel());
    }
}
