//! The writer's thread: batches as they come, and one chore between two.
//!
//! The one idea: nothing is waited for on purpose. While one batch is on its way
//! to the disk the next one gathers in the queue, so the batches grow with the
//! load by themselves.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tessera_types::Revision;
use tokio::sync::oneshot;

use crate::engine::backend::Backend;
use crate::engine::{Engine, Job, Urgency};
use crate::error::StoreError;
use crate::lanes::{Lanes, Next};
use crate::shared::SharedStore;

/// A request to the writer.
pub(crate) enum Message {
    Commit(Job),
    Compact { up_to: Revision, answer: oneshot::Sender<Result<Revision, StoreError>> },
    Close(oneshot::Sender<()>),
}

/// Tells the watchers when the writer ends, also when it panics.
struct AnnouncesEnd(SharedStore);

impl Drop for AnnouncesEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Serves the queue until it is told to close or nobody is left to tell it.
pub(crate) fn run<B: Backend>(mut engine: Engine<B>, queue: Receiver<Message>) {
    let _announced = AnnouncesEnd(Arc::clone(engine.shared()));
    let mut lanes = Lanes::new(queue);
    let closer = loop {
        match lanes.next(engine.urgency()) {
            Next::Message(Message::Commit(job)) => {
                engine.commit_batch(job, || lanes.next_commit());
                if engine.urgency() == Urgency::Now {
                    engine.chore();
                }
            }
            Next::Message(Message::Compact { up_to, answer }) => engine.compact(up_to, answer),
            Next::Message(Message::Close(answer)) => break Some(answer),
            Next::Nothing => engine.chore(),
            Next::Disconnected => break None,
        }
    };
    engine.close();
    // Dropping the engine releases the file, which the closer waits for.
    drop(engine);
    if let Some(answer) = closer {
        let _ = answer.send(());
    }
}
