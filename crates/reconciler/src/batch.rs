//! What a pass wants written, on its way to the store.
//!
//! The one idea: the shell only commits and says what the store answered; what
//! that means for each resource is decided here, for the control plane and the
//! simulation alike. A batch that is refused is tried in halves, so that in the
//! end only the writes that the store does not take are left, each alone.

use std::collections::HashSet;

use tessera_types::{Now, ResourceKey, Uid, Write};

use crate::pass::Pass;
use crate::reconciler::Reconciler;
use crate::world::World;

/// So many refusals in a row, without one write in between, are the store's
/// failure and not a resource's. To find one of a thousand takes eleven.
const REFUSALS_MAX: u32 = 24;

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All was written.
    Written,
    /// Nothing was: this resource has changed meanwhile.
    Conflict(ResourceKey),
    /// Nothing was, and any of the writes may be the cause.
    Refused,
    /// Nothing was, and nothing else would be: the disk is full, or the store
    /// is closed.
    Unavailable,
}

/// The writes of a pass that are not dealt with yet.
#[derive(Debug, Default)]
pub struct Batch {
    /// Each is committed at once; the last one first.
    parts: Vec<Vec<(Uid, Vec<Write>)>>,
    /// Resources that are being given up. That, too, can be refused.
    given_up: HashSet<Uid>,
    refusals: u32,
    written: usize,
}

impl Batch {
    /// All that `pass` wants written.
    #[must_use]
    pub fn of(pass: Pass) -> Self {
        let mut batch = Self::default();
        batch.add(pass.writes);
        batch
    }

    fn add(&mut self, part: Vec<(Uid, Vec<Write>)>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// What to commit next; none when all is dealt with.
    #[must_use]
    pub fn next(&self) -> Option<Vec<Write>> {
        Some(self.parts.last()?.iter().flat_map(|(_, writes)| writes.clone()).collect())
    }

    /// The store has answered the commit of [`Batch::next`]. What conflicts is
    /// looked at again from what it is now; what was refused is tried later.
    pub fn answered(
        &mut self,
        answer: Answer,
        reconciler: &mut Reconciler,
        world: &World,
        now: Now,
    ) {
        let part = self.parts.pop().unwrap_or_default();
        match answer {
            Answer::Written => {
                self.refusals = 0;
                self.written += part.iter().map(|(_, writes)| writes.len()).sum::<usize>();
                part.iter().for_each(|(id, _)| reconciler.succeeded(*id));
            }
            Answer::Conflict(key) => {
                // The store names the first. Where much changes there are many, and each commit
                // that is tried for nothing waits its turn.
                let conflicts = |write: &Write| write.key() == key || is_stale(write, world);
                let (conflicting, rest): (Vec<_>, Vec<_>) =
                    part.into_iter().partition(|(_, writes)| writes.iter().any(conflicts));
                if conflicting.is_empty() {
                    // It names none of ours: to commit the same again would not end.
                    return self.refused(rest, reconciler, world, now);
                }
                conflicting.iter().for_each(|(id, _)| reconciler.conflicted(*id, world));
                self.add(rest);
            }
            Answer::Refused => self.refused(part, reconciler, world, now),
            Answer::Unavailable => {
                self.parts.push(part);
                self.give_up(reconciler, world, now);
            }
        }
    }

    fn refused(
        &mut self,
        mut part: Vec<(Uid, Vec<Write>)>,
        reconciler: &mut Reconciler,
        world: &World,
        now: Now,
    ) {
        self.refusals += 1;
        if let [(id, _)] = part.as_slice() {
            let last_resort = reconciler.refused(*id, world, now);
            if self.given_up.insert(*id) {
                self.add(last_resort.map(|write| (*id, vec![write])).into_iter().collect());
            }
        } else {
            let second = part.split_off(part.len() / 2);
            self.add(second);
            self.add(part);
        }
        if self.refusals >= REFUSALS_MAX {
            self.give_up(reconciler, world, now);
        }
    }

    /// The store cannot write: nothing of this is any resource's fault.
    fn give_up(&mut self, reconciler: &mut Reconciler, world: &World, now: Now) {
        for (id, _) in self.parts.drain(..).flatten() {
            reconciler.failed(id, world, now);
        }
    }

    /// How many writes the store has taken.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}

/// Whether the resource is another than the write was decided for, as far as the world knows.
fn is_stale(write: &Write, world: &World) -> bool {
    let now = |kind, id| world.get(kind, id).map(|resource| resource.revision());
    match write {
        Write::Create { .. } => world.find(&write.key()).is_some(),
        Write::Update { resource, .. } => {
            now(resource.kind(), resource.id()) != Some(resource.revision())
        }
        Write::Delete { key, id, revision, .. } => now(key.kind, *id) != Some(*revision),
    }
}
