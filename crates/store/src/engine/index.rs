//! The current state of every resource, in memory.

use std::collections::BTreeMap;

use tessera_types::{Change, KindName, Resource, ResourceKey, Revision, Uid};

use crate::contract::Listed;
use crate::engine::backend::{LogEntry, Versioned};

/// The current state of every resource, at one revision.
#[derive(Debug, Default)]
pub(crate) struct Index {
    revision: Revision,
    /// By kind first, so that a list touches nothing else.
    kinds: BTreeMap<KindName, BTreeMap<ResourceKey, Versioned>>,
}

impl Index {
    /// The state at `revision`; an error names a key that two resources have.
    pub(crate) fn new(
        revision: Revision,
        found: impl Iterator<Item = Versioned>,
    ) -> Result<Self, ResourceKey> {
        let mut found: Vec<_> = found.map(|it| (it.resource.key(), it)).collect();
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if let Some([(key, _), _]) = found.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(key.clone());
        }
        let mut kinds: BTreeMap<KindName, Vec<_>> = BTreeMap::new();
        for (key, versioned) in found {
            kinds.entry(key.kind).or_default().push((key, versioned));
        }
        // A map is made of what is in order without looking for the place of each.
        let kinds = kinds.into_iter().map(|(kind, all)| (kind, all.into_iter().collect()));
        Ok(Self { revision, kinds: kinds.collect() })
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.values().map(BTreeMap::len).sum()
    }

    pub(crate) fn get(&self, key: &ResourceKey) -> Option<&Versioned> {
        self.kinds.get(&key.kind)?.get(key)
    }

    pub(crate) fn list(&self, kind: KindName) -> Listed {
        self.listed(self.kinds.get(&kind).into_iter())
    }

    pub(crate) fn snapshot(&self) -> Listed {
        self.listed(self.kinds.values())
    }

    fn listed<'a>(
        &self,
        kinds: impl Iterator<Item = &'a BTreeMap<ResourceKey, Versioned>>,
    ) -> Listed {
        let resources = kinds
            .flat_map(BTreeMap::values)
            .map(|versioned| versioned.resource.clone())
            .collect::<Vec<Resource>>();
        Listed { revision: self.revision, resources }
    }

    /// How a resource that some commit wrote is now.
    pub(crate) fn change_now(&self, (key, id): &(ResourceKey, Uid)) -> Change {
        let now = self.get(key).filter(|versioned| versioned.resource.id() == *id);
        Change { key: key.clone(), id: *id, after: now.map(|versioned| versioned.resource.clone()) }
    }

    /// Applies commits in their order.
    pub(crate) fn apply<'a>(&mut self, entries: impl Iterator<Item = &'a LogEntry>) {
        for entry in entries {
            for change in &entry.changes {
                let kind = self.kinds.entry(change.key.kind).or_default();
                match &change.after {
                    Some(after) => kind.insert(change.key.clone(), after.clone()),
                    None => kind.remove(&change.key),
                };
            }
            self.revision = entry.revision;
        }
    }
}
