//! A control plane around the reconciler, with a store double, nodes whose agents
//! do as a script says, and a clock that jumps from one event to the next.
//!
//! After everything that happens, what must always hold is checked: legal
//! histories, nothing started before its time, nothing written once settled.

mod agents;
mod engine;
mod post;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_reconciler::admission::{self, AdmissionError, Effort};
use tessera_reconciler::double::Double;
use tessera_reconciler::{Answer, Batch, EngineUse, Reconciler, Tabled, World};
use tessera_types::manifest::Declared;
use tessera_types::timed::{Request, Requested, Timed, TimedStatus};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    Actor, BootTime, Duration, Edit, Epoch, Kind, KindName, Manifest, Name, Now, Object, Pod,
    Record, Resource, ResourceKey, SessionPart, State, Timestamp, Uid, Workload, Write, limits,
};

use self::agents::Copy;
pub(crate) use self::engine::{Ending, Engine};
pub(crate) use self::post::Post;

const LEASE: Duration = Duration::from_secs(15);

/// What a run of a workload does.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    /// It stays up.
    Stays,
    /// It is being started, and never is.
    Hangs,
    /// It is being started for so long, and then stays up.
    Starts(Duration),
    /// It ends after so long, with this code and this last line.
    Ends(Duration, i32, &'static str),
}

/// Says what the n-th run (from 1) of the workloads of one name does.
pub(crate) type Script = Box<dyn Fn(&str, usize) -> Run>;

/// One entry of the history of everything.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) record: Record,
}

pub(crate) struct Plane {
    pub(crate) world: World,
    pub(crate) reconciler: Reconciler,
    pub(crate) now: Now,
    pub(crate) script: Script,
    /// What runs the jobs of pipelines.
    pub(crate) engine: Engine,
    /// Workloads with this in their name take so long to stop.
    pub(crate) lingers: BTreeMap<&'static str, Duration>,
    pub(crate) history: Vec<Entry>,
    /// The workloads that were ever made, in order.
    pub(crate) made: Vec<String>,
    /// The runs that were ever started, in order, with when.
    pub(crate) started: Vec<(String, Timestamp)>,
    pub(crate) commits: usize,
    /// The control plane is killed right after so many commits.
    pub(crate) crash_after: Option<usize>,
    /// The control plane is killed after every commit.
    pub(crate) crashes_always: bool,
    /// What an admission may look for an earliest start with.
    pub(crate) effort: Effort,
    is_crashed: bool,
    /// The workloads in [`Plane::made`].
    known: BTreeSet<Uid>,
    statuses: BTreeMap<Uid, String>,
    nodes: BTreeMap<Name, Uid>,
    offline: BTreeSet<Name>,
    /// Nodes that were heard of, and have not told yet all that happened there.
    heard: BTreeSet<Name>,
    copies: BTreeMap<(Uid, u64), Copy>,
    runs: BTreeMap<String, usize>,
    heartbeat_at: BootTime,
    store: Double,
    keep_finished: Option<Duration>,
}

impl Plane {
    pub(crate) fn new() -> Self {
        let world = World::default();
        let reconciler = Reconciler::new(&world);
        let wall = Timestamp::from_micros(1_000_000_000_000_000);
        Self {
            world,
            reconciler,
            now: Now { wall, boot: BootTime::from_millis(1_000_000) },
            script: Box::new(|_, _| Run::Stays),
            engine: Engine::default(),
            lingers: BTreeMap::new(),
            history: Vec::new(),
            made: Vec::new(),
            started: Vec::new(),
            commits: 0,
            crash_after: None,
            crashes_always: false,
            effort: Effort::request(),
            is_crashed: false,
            known: BTreeSet::new(),
            statuses: BTreeMap::new(),
            nodes: BTreeMap::new(),
            offline: BTreeSet::new(),
            heard: BTreeSet::new(),
            copies: BTreeMap::new(),
            runs: BTreeMap::new(),
            heartbeat_at: BootTime::from_millis(0),
            store: Double::default(),
            keep_finished: None,
        }
    }

    pub(crate) fn at(&self, seconds: u64) -> Timestamp {
        self.now.wall.plus(Duration::from_secs(seconds))
    }

    // The store.

    pub(crate) fn commit(&mut self, writes: Vec<Write>) -> Answer {
        let records: Vec<_> = writes.iter().map(|write| write.records().to_vec()).collect();
        let committed = match self.store.commit(&self.world, self.now.wall, writes) {
            Ok(committed) => committed,
            Err(conflict) => return Answer::Conflict(conflict),
        };
        for (change, records) in committed.changes.iter().zip(records) {
            for record in records {
                self.check_is_legal(&change.key, change.id, &record);
                self.history.push(Entry { key: change.key.to_string(), record });
            }
        }
        self.world.apply(&committed);
        self.reconciler.observe(&committed, &self.world);
        for change in &committed.changes {
            if let Some(Resource::Workload(made)) = &change.after {
                self.check_is_in_time(made);
                check_runs_once(made);
            }
        }
        self.commits += 1;
        if self.crashes_always || self.crash_after.is_some_and(|after| self.commits >= after) {
            self.crash_after = None;
            self.crash();
        }
        Answer::Written
    }

    /// A workload is never made before its pod's time.
    fn check_is_in_time(&mut self, workload: &Object<Workload>) {
        if !self.known.insert(workload.id) {
            return;
        }
        self.made.push(workload.name.to_string());
        let owner = workload.owner.as_ref().map(|owner| owner.id);
        let Some(pod) = owner.and_then(|id| self.world.pods.get(id)) else { return };
        let slot = pod.observed.timed.timeslot.unwrap();
        assert!(slot.provision_at() <= self.now.wall, "{} is made too early", workload.name);
        assert!(slot.cleanup_deadline() > self.now.wall, "{} is made too late", workload.name);
    }

    fn check_is_legal(&mut self, key: &ResourceKey, id: Uid, record: &Record) {
        let before = self.statuses.get(&id).cloned();
        assert_eq!(before, record.from, "{key}: {record:?} does not follow");
        if record.to == Record::DELETED {
            self.statuses.remove(&id);
            return;
        }
        let is_note = record.from.as_deref() == Some(&record.to);
        if let Some(from) = record.from.as_ref().filter(|_| !is_note) {
            let is_arrow = tessera_types::with_kind!(key.kind, K => {
                is_arrow::<<K as Kind>::Status>(from, &record.to)
            });
            assert!(is_arrow, "{key} went from {from} to {}", record.to);
        }
        self.statuses.insert(id, record.to.clone());
    }

    // The control plane.

    /// The control plane is killed and started again.
    pub(crate) fn crash(&mut self) {
        self.is_crashed = true;
        self.world = World::load(self.world.revision(), self.world.all().collect::<Vec<_>>());
        self.world.started(self.now.boot, LEASE);
        let asked_by = self.now.plus(limits::ENGINE_ASKED_WITHIN);
        self.world.use_engine(EngineUse::On, asked_by);
        self.engine.ask_for_all(self.now.wall);
        if let Some(time) = self.keep_finished {
            self.world.keep_finished_for(time);
        }
        self.reconciler = Reconciler::new(&self.world);
        self.hear();
    }

    /// What is over is kept for so long.
    pub(crate) fn keep_finished_for(&mut self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.keep_finished = Some(time);
        self.world.keep_finished_for(time);
    }

    pub(crate) fn pass(&mut self) -> usize {
        let pass = self.reconciler.pass(&self.world, self.now, 1000);
        let count = pass.writes.len();
        let mut batch = Batch::of(pass);
        self.is_crashed = false;
        while let Some(writes) = batch.next() {
            let answer = self.commit(writes);
            if self.is_crashed {
                self.is_crashed = false;
                break;
            }
            batch.answered(answer, &mut self.reconciler, &self.world, self.now);
        }
        count
    }

    pub(crate) fn is_due(&self) -> bool {
        self.reconciler.next_in(self.now) == Some(Duration::ZERO)
    }

    /// Does all that is due now. What is settled then writes nothing more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2000 {
            if !self.is_due() && !self.step_agents() && !self.step_engine() {
                self.check_is_settled();
                return;
            }
            self.pass();
        }
        let trouble: Vec<_> = self.history.iter().rev().take(12).collect();
        panic!("it does not come to rest: {trouble:#?}");
    }

    fn check_is_settled(&mut self) {
        self.reconciler.resync(&self.world);
        while self.is_due() {
            let pass = self.reconciler.pass(&self.world, self.now, 1000);
            assert!(pass.writes.is_empty(), "settled, and yet: {:#?}", pass.writes);
        }
        self.check_deadlines::<Pod>();
        self.check_deadlines::<SessionPart>();
        self.check_no_two_tries();
        for resource in self.world.all().filter(|one| one.kind() != KindName::Workload) {
            tessera_types::with_object!(&resource, object => {
                let until = object.waiting_for.as_ref().and_then(|waiting| waiting.until);
                let is_past = until.is_some_and(|until| until <= self.now.wall);
                assert!(!is_past, "{} is stale: {:?}", object.key(), object.waiting_for);
            });
        }
    }

    fn check_deadlines<K: Tabled + Timed<Status = TimedStatus>>(&self) {
        for object in self.world.table::<K>().iter() {
            let slot = K::timed(object).timeslot.unwrap();
            let is_over = object.status == TimedStatus::Terminated;
            assert!(
                is_over || slot.cleanup_deadline() > self.now.wall,
                "{}/{} ({}) outlives its deadline",
                K::KIND.singular(),
                object.name,
                object.status
            );
        }
    }

    /// Of the jobs of one phase, at most one has a workload.
    fn check_no_two_tries(&self) {
        let mut phases = BTreeSet::new();
        for job in self.world.jobs.iter().filter(|job| job.spec.phase.is_some()) {
            let phase = (job.owner.as_ref().map(|owner| owner.id), job.spec.phase.clone());
            let lives = self.world.owned::<Workload>(job.id).next().is_some();
            assert!(!lives || phases.insert(phase), "job/{} runs beside another try", job.name);
        }
    }

    /// Lets time pass until `until`, doing what is due when it is due.
    pub(crate) fn run_until(&mut self, until: Timestamp) {
        self.settle();
        while self.now.wall < until {
            let mut time = until.since(self.now.wall);
            if let Some(next) = self.reconciler.next_in(self.now) {
                time = time.min(next);
            }
            time = time.min(self.heartbeat_at.since(self.now.boot));
            for at in self.agent_times().into_iter().chain(self.engine.times(self.now.wall)) {
                time = time.min(self.now.until(at));
            }
            self.pass_time(time.max(Duration::from_millis(1)));
            self.hear();
            self.settle();
        }
    }

    /// Lets time pass until something is due, or the agents report: they do so with
    /// their heartbeats only. Nothing that is due is done.
    pub(crate) fn until_due(&mut self) {
        let heartbeat = self.heartbeat_at.since(self.now.boot);
        let next = self.reconciler.next_in(self.now);
        self.pass_time(next.map_or(heartbeat, |next| next.min(heartbeat)));
        if self.heartbeat_at <= self.now.boot {
            self.hear();
            self.step_agents();
        }
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        self.run_until(self.at(seconds));
    }

    /// Nobody is there for so long; then somebody is again.
    pub(crate) fn sleep(&mut self, seconds: u64) {
        self.pass_time(Duration::from_secs(seconds));
        self.crash();
        self.is_crashed = false;
        self.settle();
    }

    /// The same, but the control plane was only frozen.
    pub(crate) fn freeze(&mut self, seconds: u64) {
        self.pass_time(Duration::from_secs(seconds));
        self.world.renew_leases(self.now.boot, LEASE);
        self.hear();
        self.settle();
    }

    /// The wall clock is set back by so much, and the loop notices.
    pub(crate) fn set_clock_back(&mut self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.now.wall = self.now.wall.minus(by);
        self.agents_set_back(by);
        self.reconciler.resync(&self.world);
        self.settle();
    }

    fn pass_time(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    // People.

    /// Declares something; the writes are committed.
    pub(crate) fn try_apply<K: Tabled>(
        &mut self,
        json: serde_json::Value,
    ) -> Result<usize, AdmissionError> {
        let manifest: Manifest<K> = serde_json::from_value(json).expect("a manifest");
        let problems = manifest.problems();
        if !problems.is_empty() {
            return Err(AdmissionError::Invalid(problems));
        }
        let existing = self.world.find(&manifest.key()).as_ref().and_then(K::unwrap).cloned();
        let owner = manifest.owner.clone();
        let declared: Declared<K> =
            manifest.declare(existing.as_ref(), Actor::API, self.now.wall).expect("no conflict");
        let (world, now) = (&self.world, self.now.wall);
        let effort = &mut { self.effort };
        let writes =
            admission::admit(world, existing.as_ref(), declared, owner.as_ref(), now, effort)?;
        let count = writes.len();
        if count > 0 {
            assert_eq!(self.commit(writes), Answer::Written);
            self.is_crashed = false;
        }
        Ok(count)
    }

    pub(crate) fn apply<K: Tabled>(&mut self, json: serde_json::Value) {
        self.try_apply::<K>(json).unwrap();
    }

    pub(crate) fn get<K: Tabled>(&self, name: &str) -> Arc<Object<K>> {
        let found = self.find::<K>(name);
        found.unwrap_or_else(|| panic!("there is no {} {name}", K::KIND))
    }

    pub(crate) fn find<K: Tabled>(&self, name: &str) -> Option<Arc<Object<K>>> {
        let namespace = K::KIND.is_namespaced().then(Name::default_namespace);
        self.world.table::<K>().find(namespace.as_ref(), &Name::new(name).unwrap()).cloned()
    }

    pub(crate) fn edit<K: Tabled>(&mut self, name: &str, change: impl FnOnce(&mut Edit<K>)) {
        let mut edit = Edit::of(&self.get::<K>(name), self.now.wall);
        change(&mut edit);
        if let Some(edited) = edit.finish() {
            assert_eq!(self.commit(vec![Write::update(edited)]), Answer::Written);
            self.is_crashed = false;
        }
    }

    pub(crate) fn delete<K: Tabled>(&mut self, name: &str) {
        self.edit::<K>(name, Edit::request_deletion);
    }

    pub(crate) fn ask<K: Tabled + Timed>(&mut self, name: &str, request: Request) {
        let at = self.now.wall;
        let requested = Requested { request, by: Actor::API, event: None, at };
        self.edit::<K>(name, |edit| {
            K::timed_mut(&mut edit.object).request(requested);
        });
    }

    // What came of it.

    /// The statuses that a resource went through, without notes.
    pub(crate) fn path(&self, key: &str) -> String {
        let of_key = self.history.iter().filter(|entry| entry.key == key);
        let arrows = of_key.filter(|entry| entry.record.from.as_ref() != Some(&entry.record.to));
        arrows.map(|entry| entry.record.to.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// When a resource first became so.
    pub(crate) fn when(&self, key: &str, status: &str) -> Timestamp {
        let is_it = |entry: &&Entry| {
            entry.key == key
                && entry.record.to == status
                && entry.record.from.as_deref() != Some(status)
        };
        let found = self.history.iter().find(is_it);
        found.unwrap_or_else(|| panic!("{key} never became {status}")).record.at
    }

    pub(crate) fn pod(&self, name: &str) -> Arc<Object<Pod>> {
        self.get::<Pod>(name)
    }
}

/// The workload of a job is placed once, and what it came to stays so.
fn check_runs_once(workload: &Object<Workload>) {
    if workload.owner.as_ref().is_none_or(|owner| owner.kind != KindName::Job) {
        return;
    }
    let has_ended = |from| {
        use WorkloadStatus::{Completed, Failed, Stopped};
        matches!(from, Completed | Failed | Stopped)
    };
    let mut arrows = workload.state_history.iter().filter(|one| one.from != Some(one.to));
    let again = arrows.find(|one| one.from.is_some_and(has_ended));
    assert!(again.is_none(), "{} runs again: {again:?}", workload.name);
    assert!(workload.observed.epoch <= Epoch(1), "{} was placed twice", workload.name);
}

fn is_arrow<S: State>(from: &str, to: &str) -> bool {
    let find = |text: &str| S::ALL.iter().copied().find(|status| status.to_string() == text);
    match (find(from), find(to)) {
        (Some(from), Some(to)) => from.may_become(to),
        _ => false,
    }
}
