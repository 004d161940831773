//! What a store makes of writes, without one: for tests that have a world and no disk.
//!
//! The one idea: the contract of the store in a few lines. Every write has its condition, what is
//! made is given an identity, and an owner that is made by the same commit is known by its name.

use tessera_types::{Change, Committed, ResourceKey, Revision, Timestamp, Uid, Write};

use crate::World;

/// A store that keeps nothing but the last identity that it gave.
#[derive(Clone, Debug, Default)]
pub struct Double {
    ids: u64,
}

impl Double {
    /// What the writes come to on top of this world.
    ///
    /// # Errors
    /// The first whose condition does not hold; nothing is written then.
    ///
    /// # Panics
    /// When an owner without an identity is not made before what it owns.
    pub fn commit(
        &mut self,
        world: &World,
        at: Timestamp,
        writes: Vec<Write>,
    ) -> Result<Committed, ResourceKey> {
        if let Some(conflict) = writes.iter().find(|write| !holds(world, write)) {
            return Err(conflict.key());
        }
        let revision = world.revision().next();
        let mut changes: Vec<Change> = Vec::new();
        for write in writes {
            let change = self.change(write, revision, &changes);
            changes.push(change);
        }
        Ok(Committed { revision, at, changes })
    }

    fn change(&mut self, write: Write, revision: Revision, earlier: &[Change]) -> Change {
        let key = write.key();
        let (id, after) = match write {
            Write::Create { mut resource, .. } => {
                self.ids += 1;
                if let Some(owner) = resource.owner().filter(|owner| owner.id == Uid::default()) {
                    let is_owner = |change: &&Change| {
                        (change.key.kind, &change.key.name) == (owner.kind, &owner.name)
                    };
                    let id = earlier.iter().find(is_owner).expect("an owner is made first").id;
                    resource = resource.owned_by(id);
                }
                (Uid(self.ids), Some(resource.stamped(Uid(self.ids), revision)))
            }
            Write::Update { resource, .. } => {
                let id = resource.id();
                (id, Some(resource.stamped(id, revision)))
            }
            Write::Delete { id, .. } => (id, None),
        };
        Change { key, id, after }
    }
}

fn holds(world: &World, write: &Write) -> bool {
    let found = world.find(&write.key());
    let found = found.map(|found| (found.id(), found.revision()));
    match write {
        Write::Create { .. } => found.is_none(),
        Write::Update { resource, .. } => found == Some((resource.id(), resource.revision())),
        Write::Delete { id, revision, .. } => found == Some((*id, *revision)),
    }
}
