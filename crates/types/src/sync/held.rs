//! What an agent has, in short: by this it is known that it need not be told again.

use std::hash::{DefaultHasher, Hash, Hasher};

use tessera_planted::{Bug, planted};

use crate::identity::{Epoch, Uid};
use crate::name::Name;
use crate::workload::WorkloadSpec;

use super::Assignment;

/// One assignment, as it is had on both sides: all that [`Assignment`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// The workload's identity.
    pub id: Uid,
    /// Its namespace.
    pub namespace: &'a Name,
    /// Its name.
    pub name: &'a Name,
    /// The placement.
    pub epoch: Epoch,
    /// The workload's generation.
    pub generation: u64,
    /// Whether it is to be stopped.
    pub stop: bool,
    /// The number of the last report that was made and applied in this epoch.
    pub report_seq: u64,
    /// The spec.
    pub spec: &'a WorkloadSpec,
}

impl Hash for Held<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { id, namespace, name, epoch, generation, stop, report_seq, spec } = self;
        (id, namespace, name).hash(hasher);
        if !planted(Bug::HeldByName) {
            (epoch, generation, stop, report_seq, spec).hash(hasher);
        }
    }
}

impl Held<'_> {
    /// A number for all assignments of a node, ordered by workload: [`SyncRequest::held`](super::SyncRequest).
    /// Equal ones mean equal assignments, also in different stores, as far as 64 bits tell. Two builds may
    /// have different numbers for the same: then all is listed, as if nothing were known.
    pub fn digest(all: impl Iterator<Item = Self>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut count = 0_u64;
        for held in all {
            held.hash(&mut hasher);
            count += 1;
        }
        hasher.write_u64(count);
        hasher.finish()
    }
}

impl Assignment {
    /// What an agent has of it once it is told; nothing where the spec is left out.
    #[must_use]
    pub fn held(&self) -> Option<Held<'_>> {
        let Self { id, namespace, name, epoch, generation, stop, report_seq, spec } = self;
        Some(Held {
            id: *id,
            namespace,
            name,
            epoch: *epoch,
            generation: *generation,
            stop: *stop,
            report_seq: *report_seq,
            spec: spec.as_deref()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_shows() {
        let (name, other) = (Name::new("web").unwrap(), Name::new("api").unwrap());
        let spec =
            WorkloadSpec { command: Some("/bin/true".to_owned()), ..WorkloadSpec::default() };
        let args = WorkloadSpec { args: vec!["--all".to_owned()], ..spec.clone() };
        let held = Held {
            id: Uid(1),
            namespace: &other,
            name: &name,
            epoch: Epoch(1),
            generation: 1,
            stop: false,
            report_seq: 4,
            spec: &spec,
        };
        let equal = spec.clone();
        assert_eq!(
            Held::digest([held].into_iter()),
            Held::digest([Held { spec: &equal, ..held }].into_iter())
        );
        let others = [
            vec![],
            vec![held, held],
            vec![Held { id: Uid(2), ..held }],
            vec![Held { namespace: &name, ..held }],
            vec![Held { name: &other, ..held }],
            vec![Held { epoch: Epoch(2), ..held }],
            vec![Held { generation: 2, ..held }],
            vec![Held { stop: true, ..held }],
            vec![Held { report_seq: 5, ..held }],
            vec![Held { spec: &args, ..held }],
        ];
        for other in others {
            assert_ne!(
                Held::digest(other.iter().copied()),
                Held::digest([held].into_iter()),
                "{other:?}"
            );
        }
    }
}
