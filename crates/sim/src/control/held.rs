//! What was decided and is on its way to a slow disk.
//!
//! The one idea: between a decision and its commit others commit, and their preconditions are
//! all that keeps the two apart. Who books does so in turns, as in the real control plane: a
//! pass that books waits for an operator whose commit is held, and the other way round.

use tessera_reconciler::Pass;
use tessera_store::IdempotencyKey;
use tessera_types::{Timestamp, Write};

/// Writes, and the key under which they are done once.
type Commit = (Vec<Write>, Option<IdempotencyKey>);

/// What is held.
#[derive(Default)]
pub(crate) struct Held {
    /// The pass of the loop, and until when.
    pass: Option<(Timestamp, Pass)>,
    /// What an operator asked for, and until when. It has the turn to book.
    asked: Option<(Timestamp, Commit)>,
    /// The next commit is held until then.
    next: Option<Timestamp>,
    /// A pass that books waits for its turn.
    is_turn_wanted: bool,
}

impl Held {
    /// What an operator commits next is held until then.
    pub(crate) fn hold_next(&mut self, until: Option<Timestamp>) {
        self.next = until;
    }

    /// Takes in a commit that is to be held, or gives it back.
    pub(super) fn take_in(
        &mut self,
        writes: Vec<Write>,
        once: Option<IdempotencyKey>,
    ) -> Result<(), Commit> {
        match self.next.take() {
            Some(until) if self.asked.is_none() => {
                self.asked = Some((until, (writes, once)));
                Ok(())
            }
            _ => Err((writes, once)),
        }
    }

    pub(crate) fn hold_pass(&mut self, until: Timestamp, pass: Pass) {
        self.pass = Some((until, pass));
    }

    /// A pass that books has to wait.
    pub(crate) fn want_turn(&mut self) {
        self.is_turn_wanted = true;
    }

    /// Whether an operator's commit is held.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether nobody may book.
    pub(crate) fn is_booking(&self) -> bool {
        self.asked.is_some() || self.pass.as_ref().is_some_and(|(_, pass)| pass.books())
    }

    /// Whether the loop has to wait.
    pub(crate) fn holds_up_the_loop(&self) -> bool {
        self.pass.is_some() || self.is_turn_wanted && self.asked.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pass.is_none() && self.asked.is_none()
    }

    /// When something gets to the disk.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let pass = self.pass.as_ref().map(|(until, _)| *until);
        let asked = self.asked.as_ref().map(|(until, _)| *until);
        pass.into_iter().chain(asked).min()
    }

    /// The pass that gets to the disk now.
    pub(crate) fn due_pass(&mut self, now: Timestamp) -> Option<Pass> {
        self.pass.take_if(|(until, _)| *until <= now).map(|(_, pass)| pass)
    }

    /// What an operator asked for that gets to the disk now.
    pub(crate) fn due_asked(&mut self, now: Timestamp) -> Option<Commit> {
        let due = self.asked.take_if(|(until, _)| *until <= now).map(|(_, commit)| commit);
        self.is_turn_wanted &= due.is_none();
        due
    }
}
