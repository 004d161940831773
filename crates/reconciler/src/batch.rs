//! What a pass wants written, on its way to the store.
//!
//! The one idea: the shell only commits and says what the store answered; what
//! that means for each resource is decided here, for the control plane and the
//! simulation alike.

use tessera_types::{ResourceKey, Timestamp, Uid, Write};

use crate::reconciler::{Pass, Reconciler};
use crate::world::World;

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All was written.
    Written,
    /// Nothing was: this resource has changed meanwhile.
    Conflict(ResourceKey),
    /// Nothing was, for another reason.
    Refused,
}

/// The writes of a pass that are not dealt with yet.
#[derive(Debug, Default)]
pub struct Batch {
    writes: Vec<(Uid, Write)>,
    written: usize,
}

impl Batch {
    /// All that `pass` wants written.
    #[must_use]
    pub fn of(pass: Pass) -> Self {
        Self { writes: pass.writes, written: 0 }
    }

    /// What to commit next; none when all is dealt with.
    #[must_use]
    pub fn next(&self) -> Option<Vec<Write>> {
        let writes: Vec<_> = self.writes.iter().map(|(_, write)| write.clone()).collect();
        (!writes.is_empty()).then_some(writes)
    }

    /// The store has answered the commit of [`Batch::next`]. What conflicts is
    /// taken out and looked at again; what was refused is tried later.
    pub fn answered(
        &mut self,
        answer: Answer,
        reconciler: &mut Reconciler,
        world: &World,
        now: Timestamp,
    ) {
        match answer {
            Answer::Written => {
                self.written += self.writes.len();
                self.writes.drain(..).for_each(|(id, _)| reconciler.succeeded(id));
            }
            Answer::Conflict(key) => {
                let (conflicting, rest): (Vec<_>, Vec<_>) =
                    self.writes.drain(..).partition(|(_, write)| write.key() == key);
                self.writes = rest;
                conflicting.iter().for_each(|(id, _)| reconciler.conflicted(*id, world));
            }
            Answer::Refused => {
                self.writes.drain(..).for_each(|(id, _)| reconciler.failed(id, world, now));
            }
        }
    }

    /// How many writes the store has taken.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}
