//! A control plane in miniature, for specs that nobody thought of: the real world and managers, a
//! store that keeps its conditions, one node whose agent takes whatever it is given, and a clock
//! that jumps to whatever is due next.

use tessera_reconciler::admission::{self, Effort};
use tessera_reconciler::double::Double;
use tessera_reconciler::{Answer, Batch, Reconciler, World};
use tessera_types::{Actor, BootTime, Duration, Kind, Manifest, Now, Resource, Timestamp, Write};

/// Passes in which what is due at one moment must come to rest.
const PASSES_MAX: usize = 200;
const LEASE: Duration = Duration::from_secs(15);

pub(crate) struct Plane {
    world: World,
    reconciler: Reconciler,
    now: Now,
    store: Double,
}

impl Plane {
    pub(crate) fn new() -> Self {
        let mut world = World::default();
        let wall = Timestamp::from_micros(1_777_622_400_000_000);
        let now = Now { wall, boot: BootTime::from_millis(1_000_000) };
        world.started(now.boot, LEASE);
        let reconciler = Reconciler::new(&world);
        Self { world, reconciler, now, store: Double::default() }
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
        let committed = match self.store.commit(&self.world, self.now.wall, writes) {
            Ok(committed) => committed,
            Err(conflict) => return Answer::Conflict(conflict),
        };
        self.world.apply(&committed);
        self.reconciler.observe(&committed, &self.world);
        Answer::Written
    }
}
