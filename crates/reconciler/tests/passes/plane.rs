//! A control plane around the reconciler, with a store double that can refuse
//! what a test says.

use std::sync::Arc;

use tessera_reconciler::double::Double;
use tessera_reconciler::{Answer, Batch, Pass, Reconciler, Resync, World};
use tessera_types::node::{Capacity, Executors};
use tessera_types::sync::Registration;
use tessera_types::workload::WorkloadSpec;
use tessera_types::{
    Actor, BootTime, Bytes, Duration, KindName, Labels, Millicores, Name, Now, Object, ResourceKey,
    Timestamp, Uid, Workload, Write,
};

/// Whether the store refuses a write.
type Refuses = Box<dyn Fn(&Write) -> bool>;

pub(crate) struct Plane {
    pub(crate) world: World,
    pub(crate) reconciler: Reconciler,
    resync: Resync,
    pub(crate) now: Now,
    pub(crate) refuses: Refuses,
    /// Commits that were tried, and writes that were taken.
    pub(crate) tried: usize,
    pub(crate) taken: usize,
    store: Double,
}

impl Plane {
    pub(crate) fn new() -> Self {
        let world = World::default();
        let reconciler = Reconciler::new(&world);
        let wall = Timestamp::from_micros(1_000_000_000_000);
        let now = Now { wall, boot: BootTime::from_millis(1_000_000) };
        let refuses: Refuses = Box::new(|_| false);
        let (resync, store) = (Resync::new(now), Double::default());
        Self { world, reconciler, resync, now, refuses, tried: 0, taken: 0, store }
    }

    pub(crate) fn commit(&mut self, writes: Vec<Write>) -> Answer {
        self.tried += 1;
        if writes.iter().any(|write| (self.refuses)(write)) {
            return Answer::Refused;
        }
        let count = writes.len();
        let committed = match self.store.commit(&self.world, self.now.wall, writes) {
            Ok(committed) => committed,
            Err(conflict) => return Answer::Conflict(conflict),
        };
        self.taken += count;
        self.world.apply(&committed);
        self.reconciler.observe(&committed, &self.world);
        Answer::Written
    }

    /// One pass and its commits.
    pub(crate) fn pass(&mut self) {
        let pass = self.decide();
        self.write(pass);
    }

    /// What one pass wants written.
    pub(crate) fn decide(&mut self) -> Pass {
        self.reconciler.pass(&self.world, self.now, 1000)
    }

    /// The commits of a pass.
    pub(crate) fn write(&mut self, pass: Pass) {
        let mut batch = Batch::of(pass);
        while let Some(writes) = batch.next() {
            let answer = self.commit(writes);
            batch.answered(answer, &mut self.reconciler, &self.world, self.now);
        }
    }

    /// Passes until nothing is due.
    pub(crate) fn settle(&mut self) {
        if self.resync.take(self.now) {
            self.reconciler.resync(&self.world);
        }
        for _ in 0..1000 {
            if self.reconciler.next_in(self.now).is_none_or(|time| time > Duration::ZERO) {
                return;
            }
            self.pass();
        }
        panic!("it does not come to rest");
    }

    /// Lets time pass: everything is done when it is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now.boot.plus(time);
        self.settle();
        while let Some(time) = self.reconciler.next_in(self.now)
            && self.now.boot.plus(time) <= end
        {
            self.pass_time(time);
            self.settle();
        }
        self.pass_time(end.since(self.now.boot));
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_clock(&mut self, by_ms: i64) {
        self.now.wall = self.now.wall.moved_by_ms(by_ms);
    }

    fn pass_time(&mut self, time: Duration) {
        self.now = Now { wall: self.now.wall.plus(time), boot: self.now.boot.plus(time) };
    }

    /// A node is there, and is heard of for as long as any test goes on.
    pub(crate) fn node(&mut self, name: &str, cpu: u64) -> Uid {
        let name = Name::new(name).unwrap();
        let registration = Registration {
            agent_id: name.to_string(),
            session: "1".to_owned(),
            start: 0,
            version: "test".to_owned(),
            capacity: Capacity { cpu: Millicores(cpu), memory: Bytes(1 << 40), workloads: 10_000 },
            labels: Labels::new(),
            executors: Executors { process: true, ..Executors::default() },
        };
        let existing = self.world.nodes.find(None, &name).cloned();
        if let Some(write) =
            tessera_reconciler::registered(existing.as_ref(), &name, &registration, self.now.wall)
        {
            self.commit(vec![write]);
        }
        let id = self.world.nodes.find(None, &name).unwrap().id;
        self.world.heard(id, self.now.boot, Duration::from_secs(1_000_000));
        self.reconciler.wake(id);
        id
    }

    pub(crate) fn declare(&mut self, name: &str, spec: serde_json::Value) -> Uid {
        let mut spec = spec;
        spec["command"] = "x".into();
        let spec: Arc<WorkloadSpec> = Arc::new(serde_json::from_value(spec).unwrap());
        let name = Name::new(name).unwrap();
        let key = ResourceKey::new(KindName::Workload, None, name.clone());
        let object = Object::<Workload>::new(&key, spec, Actor::API, self.now.wall);
        self.commit(vec![Write::create(object)]);
        self.world.workloads.find(key.namespace.as_ref(), &name).unwrap().id
    }

    pub(crate) fn workload(&self, id: Uid) -> &Arc<Object<Workload>> {
        self.world.workloads.get(id).unwrap()
    }
}
