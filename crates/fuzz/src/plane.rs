//! A control plane in miniature, for specs that nobody thought of: the real world and managers, a
//! store that keeps its conditions, one node whose agent takes whatever it is given, and a clock
//! that jumps to whatever is due next.

use tessera_reconciler::admission::{self, Effort};
use tessera_reconciler::{Answer, Batch, Reconciler, World};
use tessera_types::{
    Actor, BootTime, Change, Committed, Duration, Kind, Manifest, Now, Resource, Revision,
    Timestamp, Uid, Write,
};

/// Passes in which what is due at one moment must come to rest.
const PASSES_MAX: usize = 200;
const LEASE: Duration = Duration::from_secs(15);

pub(crate) struct Plane {
    world: World,
    reconciler: Reconciler,
    now: Now,
    ids: u64,
}

impl Plane {
    pub(crate) fn new() -> Self {
        let mut world = World::default();
        let wall = Timestamp::from_micros(1_777_622_400_000_000);
        let now = Now { wall, boot: BootTime::from_millis(1_000_000) };
        world.started(now.boot, LEASE);
        let reconciler = Reconciler::new(&world);
        Self { world, reconciler, now, ids: 0 }
    }

    /// Declares a manifest; whether that was admitted.
    pub(crate) fn declare<K: Kind>(&mut self, manifest: Manifest<K>) -> bool {
        let existing = self.world.find(&manifest.key()).as_ref().and_then(K::unwrap).cloned();
        let owner = manifest.owner.clone();
        let Ok(declared) = manifest.declare(existing.as_ref(), Actor::API, self.now.wall) else {
            return false;
        };
        let (world, now, effort) = (&self.world, self.now.wall, &mut Effort::request());
        match admission::admit(world, existing.as_ref(), declared, owner.as_ref(), now, effort) {
            Ok(writes) => writes.is_empty() || self.commit(writes) == Answer::Written,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    }

    /// Does what is due, and so on at so many later moments.
    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.settle();
            let Some(next) = self.reconciler.next_in(self.now) else { return };
            let time = next.max(Duration::from_millis(1));
            self.now = Now { wall: self.now.wall.plus(time), boot: self.now.boot.plus(time) };
        }
    }

    fn settle(&mut self) {
        for _ in 0..PASSES_MAX {
            if self.reconciler.next_in(self.now) != Some(Duration::ZERO) {
                return;
            }
            let mut batch = Batch::of(self.reconciler.pass(&self.world, self.now, 1000));
            while let Some(writes) = batch.next() {
                let answer = self.commit(writes);
                batch.answered(answer, &mut self.reconciler, &self.world, self.now);
            }
        }
        panic!("it does not come to rest");
    }

    /// Who loads what is stored has the same resources, and can go on from there.
    pub(crate) fn load_again(mut self) {
        let all: Vec<Resource> = self.world.all().collect();
        self.world = World::load(self.world.revision(), all.clone());
        self.world.started(self.now.boot, LEASE);
        assert_eq!(self.world.all().collect::<Vec<_>>(), all);
        self.reconciler = Reconciler::new(&self.world);
        self.run(2);
    }

    fn commit(&mut self, writes: Vec<Write>) -> Answer {
        if let Some(conflict) = writes.iter().find(|write| !self.holds(write)) {
            return Answer::Conflict(conflict.key());
        }
        let revision = self.world.revision().next();
        let mut changes: Vec<Change> = Vec::new();
        for write in writes {
            let change = self.change(write, revision, &changes);
            changes.push(change);
        }
        let committed = Committed { revision, at: self.now.wall, changes };
        self.world.apply(&committed);
        self.reconciler.observe(&committed, &self.world);
        Answer::Written
    }

    fn holds(&self, write: &Write) -> bool {
        let found = self.world.find(&write.key());
        let found = found.map(|found| (found.id(), found.revision()));
        match write {
            Write::Create { .. } => found.is_none(),
            Write::Update { resource, .. } => found == Some((resource.id(), resource.revision())),
            Write::Delete { id, revision, .. } => found == Some((*id, *revision)),
        }
    }

    fn change(&mut self, write: Write, revision: Revision, earlier: &[Change]) -> Change {
        let key = write.key();
        let (id, after) = match write {
            Write::Create { mut resource, .. } => {
                self.ids += 1;
                let owner = resource.owner().filter(|owner| owner.id == Uid::default());
                if let Some(owner) = owner {
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
