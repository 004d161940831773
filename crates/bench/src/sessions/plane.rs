//! A control plane without a server, on a clock that jumps: the real world,
//! managers, calendars and SQLite store, and nodes whose agents do at once what
//! they are told. What it does at an instant takes real time, and that is what is
//! measured.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration as StdDuration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tessera_reconciler::admission::{self, Effort};
use tessera_reconciler::{Answer, Batch, Reconciler, Tabled, World, apply_reports, registered};
use tessera_store::{Commit, EmbeddedStore, Options, Store, sqlite};
use tessera_types::node::{Capacity, Executors};
use tessera_types::sync::{CopyState, Registration, Report};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    Actor, BootTime, Bytes, Committed, Duration, Epoch, Labels, Manifest, Millicores, Name, Now,
    Object, Resource, Timestamp, Uid, Workload, Write,
};

use super::Declares;

/// Leases are another benchmark's: these do not lapse within the day.
const LEASE: Duration = Duration::from_secs(10 * 24 * 3600);
/// As the loop of the control plane has it.
const LOOKS_MAX: usize = 1000;
/// An agent takes so long to do what it is told, and to report it.
const AGENT: Duration = Duration::from_secs(1);

/// A control plane and its nodes.
pub(super) struct Plane {
    store: EmbeddedStore,
    committed: Arc<Mutex<Vec<Arc<Committed>>>>,
    world: World,
    reconciler: Reconciler,
    now: Now,
    /// What agents report next, and when.
    reports: BTreeMap<Timestamp, Vec<(Name, Report)>>,
    /// The epoch and the number of the last report of each copy.
    copies: HashMap<Uid, (Epoch, u64, CopyState)>,
}

/// How long one declaration took.
pub(super) struct Declared {
    /// Until it was decided.
    pub(super) decided: StdDuration,
    /// Until it was durable.
    pub(super) committed: StdDuration,
}

/// Something became so, so long after its instant.
pub(super) struct Became {
    pub(super) resource: Resource,
    pub(super) after: StdDuration,
}

impl Plane {
    pub(super) fn start(path: &Path, begin: Timestamp) -> Result<Self> {
        let committed = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&committed);
        let observer = Box::new(move |one: &Arc<Committed>| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(one));
        });
        let store = sqlite::open(path, Options::default(), observer)?;
        let now = Now { wall: begin, boot: BootTime::from_millis(0) };
        let mut world = World::load(store.revision(), []);
        world.started(now.boot, LEASE);
        let reconciler = Reconciler::new(&world);
        let (reports, copies) = (BTreeMap::new(), HashMap::new());
        Ok(Self { store, committed, world, reconciler, now, reports, copies })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now.wall
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Commits, and takes in what was committed. Returns that.
    async fn commit(&mut self, writes: Vec<Write>) -> Result<Arc<Committed>> {
        let outcome = self.store.commit(Commit::new(writes, self.now.wall)).await?;
        let commits =
            std::mem::take(&mut *self.committed.lock().unwrap_or_else(PoisonError::into_inner));
        for committed in commits {
            self.world.apply(&committed);
            self.reconciler.observe(&committed, &self.world);
            for change in &committed.changes {
                if let Some(Resource::Workload(workload)) = &change.after {
                    self.tell_agent(workload);
                }
            }
        }
        Ok(outcome.committed)
    }

    /// A node that is there from now on.
    pub(super) async fn add_node(&mut self, name: &Name) -> Result<()> {
        let registration = Registration {
            agent_id: name.to_string(),
            session: "1".to_owned(),
            start: 0,
            version: "bench".to_owned(),
            capacity: Capacity { cpu: Millicores(4000), memory: Bytes(8 << 30), workloads: 100 },
            labels: Labels::from([("node".to_owned(), name.to_string())]),
            executors: Executors { process: true, ..Executors::default() },
        };
        let write = registered(None, name, &registration, self.now.wall);
        let done = self.commit(vec![write.context("the node is new")?]).await?;
        let id = done.changes.first().context("a node was made")?.id;
        if self.world.heard(id, self.now.boot, LEASE) {
            self.reconciler.wake(id);
        }
        Ok(())
    }

    /// Declares something, as the handler does.
    pub(super) async fn declare_timed<K: Tabled>(
        &mut self,
        manifest: Manifest<K>,
    ) -> Result<Declared> {
        let begun_at = Instant::now();
        let key = manifest.key();
        let existing = self.world.find(&key).as_ref().and_then(K::unwrap).cloned();
        let owner = manifest.owner.clone();
        let declared = manifest
            .declare(existing.as_ref(), Actor::API, self.now.wall)
            .map_err(|refusal| anyhow!("{key}: {refusal}"))?;
        let (world, now) = (&self.world, self.now.wall);
        let effort = &mut Effort::none();
        let writes =
            admission::admit(world, existing.as_ref(), declared, owner.as_ref(), now, effort)
                .with_context(|| key.to_string())?;
        let decided = begun_at.elapsed();
        self.commit(writes).await?;
        Ok(Declared { decided, committed: begun_at.elapsed() })
    }

    /// How the agent of the workload's node sees it next.
    fn tell_agent(&mut self, workload: &Object<Workload>) {
        let Some(assigned) = &workload.observed.assigned else { return };
        let epoch = workload.observed.epoch;
        let state = match workload.status {
            WorkloadStatus::Stopping => CopyState::Stopped,
            _ => CopyState::Running,
        };
        let seq = match self.copies.get(&workload.id) {
            Some((known, _, last)) if *known == epoch && *last == state => return,
            Some((known, seq, _)) if *known == epoch => seq + 1,
            _ => 1,
        };
        self.copies.insert(workload.id, (epoch, seq, state));
        let at = self.now.wall.plus(AGENT);
        let report = Report {
            id: workload.id,
            epoch,
            seq,
            at,
            state,
            reason: "as it was told".to_owned(),
            restarts: 0,
            instance: None,
            next_start_at: None,
            last_exit: None,
            health: None,
            trouble: None,
        };
        self.reports.entry(at).or_default().push((assigned.node.clone(), report));
    }

    /// Does all that is due now, and says when each thing came to be so.
    pub(super) async fn settle(&mut self) -> Result<Vec<Became>> {
        let (begun_at, mut became) = (Instant::now(), Vec::new());
        let mut note = |committed: &Committed, after: StdDuration| {
            let resources = committed.changes.iter().filter_map(|change| change.after.clone());
            became.extend(resources.map(|resource| Became { resource, after }));
        };
        while let Some((_, reports)) = self.next_reports() {
            for (node, report) in reports {
                let reported = apply_reports(&self.world, &node, &[report], self.now.wall);
                if !reported.writes.is_empty() {
                    let committed = self.commit(reported.writes).await?;
                    note(&committed, begun_at.elapsed());
                }
            }
        }
        while self.reconciler.next_in(self.now) == Some(Duration::ZERO) {
            let pass = self.reconciler.pass(&self.world, self.now, LOOKS_MAX);
            let mut batch = Batch::of(pass);
            while let Some(writes) = batch.next() {
                let committed = self.commit(writes).await?;
                note(&committed, begun_at.elapsed());
                batch.answered(Answer::Written, &mut self.reconciler, &self.world, self.now);
            }
            if begun_at.elapsed() > StdDuration::from_secs(120) {
                bail!("it does not come to rest at {}", self.now.wall);
            }
        }
        Ok(became)
    }

    fn next_reports(&mut self) -> Option<(Timestamp, Vec<(Name, Report)>)> {
        let first = self.reports.first_entry()?;
        (*first.key() <= self.now.wall).then(|| first.remove_entry())
    }

    /// Lets time pass until something is due; false if nothing ever is.
    pub(super) fn jump(&mut self) -> bool {
        let reports = self.reports.first_key_value().map(|(at, _)| self.now.until(*at));
        let next = self.reconciler.next_in(self.now).into_iter().chain(reports).min();
        let Some(time) = next else { return false };
        let time = time.max(Duration::from_millis(1));
        self.now = Now { wall: self.now.wall.plus(time), boot: self.now.boot.plus(time) };
        true
    }

    pub(super) async fn close(self) {
        self.store.close().await;
    }
}

impl Declares for Plane {
    async fn declare<K: Tabled>(&mut self, manifest: Manifest<K>) -> Result<()> {
        self.declare_timed(manifest).await?;
        Ok(())
    }
}
