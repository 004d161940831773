//! The control plane in the simulation: the real store engine on a disk in
//! memory, the real world and reconciler; only the loop around them is ours.
//!
//! As in the real one the world knows of a commit before its committer is answered, and the
//! loop takes it in before its next pass. A commit can take its time (`held`): what others
//! commit meanwhile is what it did not know when it was decided.

mod held;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tessera_reconciler::{
    Answer, Batch, EngineUse, Known, NotInSession, Pass, Reconciler, Reported, Reporter, Resync,
    Sessions, World, apply_reports, apply_tenant_reports, news_for, registered,
};
use tessera_store::{Commit, CommitError, EmbeddedStore, IdempotencyKey, Store};
use tessera_types::node::Executors;
use tessera_types::sync::{Registration, Report, TenantReport};
use tessera_types::{
    Committed, Duration, KindName, Labels, Name, Now, Timestamp, Uid, Write, limits,
};

pub(crate) use self::held::Held;
use crate::clock::Clock;
use crate::disk::{self, Disk};
use crate::link::Link;
use crate::machine::capacity;
use crate::message::{TWINS_FROM, ToAgent, ToControl};

/// The lease in the simulation.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// A control plane that did not run for so long gives every node a fresh lease.
const STALL: Duration = Duration::from_secs(3);

/// An open sync call.
#[derive(Clone, Debug)]
struct OpenCall {
    session: u64,
    known: Known,
    sent_at: Timestamp,
    until: Timestamp,
}

/// A running control plane.
pub(crate) struct Control {
    disk: Disk,
    store: EmbeddedStore,
    pub(crate) world: World,
    pub(crate) reconciler: Reconciler,
    committed: Arc<Mutex<Vec<Arc<Committed>>>>,
    /// Commits that the loop has not taken in.
    unseen: VecDeque<Arc<Committed>>,
    /// Under which key the next commit is done once.
    pub(crate) once: Option<IdempotencyKey>,
    pub(crate) held: Held,
    resync: Resync,
    sessions: Sessions,
    polls: BTreeMap<Name, OpenCall>,
    pub(crate) clock: Clock,
    /// When, in truth, each node was heard of last.
    heard_at: BTreeMap<Uid, Timestamp>,
    pub(crate) started_at: Timestamp,
    /// When, in truth, every node was given a fresh lease last.
    renewed_at: Timestamp,
    /// Until then it does not run.
    frozen: Option<(Timestamp, Timestamp)>,
    /// Until then agents are told late.
    pub(crate) tells_late_until: Timestamp,
    pub(crate) link: Link,
}

/// Asks a future once.
pub(crate) fn now_or_never<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs a future that never waits: the store in memory answers at once.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match now_or_never(future) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store in memory answers at once"),
    }
}

impl Control {
    /// Starts on what the disk has.
    pub(crate) fn start(disk: &Disk, clock: Clock, now: Timestamp) -> Self {
        let committed = Arc::new(Mutex::new(Vec::new()));
        let (sink, written) = (Arc::clone(&committed), disk.chronicle.clone());
        let observer = Box::new(move |one: &Arc<Committed>| {
            written.write(one);
            sink.lock().expect("one thread").push(Arc::clone(one));
        });
        let store = disk.memory.open(disk::options(), observer);
        let snapshot = store.snapshot();
        let after = |revision| at_once(store.watch(revision).next()).ok();
        disk.ledger.borrow_mut().reopened(&snapshot, after);
        let mut world = World::load(snapshot.revision, snapshot.resources);
        world.started(clock.boot(now), LEASE);
        let started = Now { wall: clock.wall(now), boot: clock.boot(now) };
        world.use_engine(EngineUse::On, started.plus(limits::ENGINE_ASKED_WITHIN));
        let reconciler = Reconciler::new(&world);
        let (sessions, polls) = (Sessions::default(), BTreeMap::new());
        let (heard_at, started_at) = (BTreeMap::new(), now);
        let link = Link::default();
        Self {
            disk: disk.clone(),
            store,
            world,
            reconciler,
            unseen: VecDeque::new(),
            once: None,
            held: Held::default(),
            resync: Resync::new(clock.now(now)),
            renewed_at: now,
            frozen: None,
            tells_late_until: now,
            committed,
            sessions,
            polls,
            clock,
            heard_at,
            started_at,
            link,
        }
    }

    /// The world as a restart would load it.
    pub(crate) fn reloaded(&self) -> World {
        let snapshot = self.store.snapshot();
        World::load(snapshot.revision, snapshot.resources)
    }

    pub(crate) fn store(&self) -> &EmbeddedStore {
        &self.store
    }

    /// Commits, and takes the commit in; or holds it for a while, with no answer.
    pub(crate) fn commit(
        &mut self,
        writes: Vec<Write>,
        now: Timestamp,
    ) -> Result<Arc<Committed>, CommitError> {
        let once = self.once.take();
        match self.held.take_in(writes, once) {
            Ok(()) => Err(CommitError::Closed),
            Err((writes, once)) => self.commit_once(writes, once, now),
        }
    }

    /// The same at once, and under a key if there is one.
    pub(crate) fn commit_once(
        &mut self,
        writes: Vec<Write>,
        once: Option<IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Arc<Committed>, CommitError> {
        if self.disk.chronicle.is_dead() {
            return Err(CommitError::Closed);
        }
        self.disk.ledger.borrow_mut().asked(&writes, once.as_ref());
        let commit = Commit { idempotency: once, ..Commit::new(writes, self.clock.wall(now)) };
        let outcome = at_once(self.store.commit(commit));
        self.disk.ledger.borrow_mut().answered(&outcome, self.disk.has_died());
        let commits = std::mem::take(&mut *self.committed.lock().expect("one thread"));
        for committed in commits {
            self.world.apply(&committed);
            let gone = committed.changes.iter().filter(|change| change.after.is_none());
            for change in gone.filter(|change| change.key.kind == KindName::Node) {
                self.sessions.removed(&change.key.name, change.id);
            }
            self.unseen.push_back(committed);
        }
        outcome.map(|outcome| outcome.committed)
    }

    /// The loop takes in what was committed.
    fn take_in(&mut self) {
        for committed in std::mem::take(&mut self.unseen) {
            self.reconciler.observe(&committed, &self.world);
        }
    }

    /// One pass of the loop, without its commit.
    pub(crate) fn plan(&mut self, now: Timestamp) -> Pass {
        self.take_in();
        if self.resync.take(self.clock.now(now)) {
            self.reconciler.resync(&self.world);
        }
        self.reconciler.pass(&self.world, self.clock.now(now), 100)
    }

    /// Holds a pass until then, or for as long as it may not book; else gives it back.
    pub(crate) fn hold(&mut self, pass: Pass, until: Option<Timestamp>) -> Option<Pass> {
        if pass.books() && self.held.is_asked() {
            let writes = pass.writes.iter();
            writes.for_each(|(id, _)| self.reconciler.conflicted(*id, &self.world));
            self.held.want_turn();
            return None;
        }
        let Some(until) = until.filter(|_| !pass.writes.is_empty()) else { return Some(pass) };
        self.held.hold_pass(until, pass);
        None
    }

    /// The commit of a pass.
    pub(crate) fn commit_pass(&mut self, pass: Pass, now: Timestamp) {
        let mut batch = Batch::of(pass);
        while let Some(writes) = batch.next() {
            let answer = match self.commit_once(writes, None, now) {
                Ok(_) => Answer::Written,
                Err(CommitError::Conflict { key, .. }) => Answer::Conflict(key),
                Err(CommitError::Full | CommitError::Closed) => Answer::Unavailable,
                Err(_) => Answer::Refused,
            };
            let now = self.clock.now(now);
            batch.answered(answer, &mut self.reconciler, &self.world, now);
        }
    }

    /// An agent's message; the answer, if there is one at once.
    pub(crate) fn receive(
        &mut self,
        name: &Name,
        cpu: u64,
        session: u64,
        message: ToControl,
        now: Timestamp,
    ) -> Option<ToAgent> {
        if let ToControl::Register { installation } = message {
            return self.register(name, cpu, (installation, session), now);
        }
        let id = match self.sessions.speaks_for(&self.world, name, &session.to_string()) {
            Ok(id) => id,
            Err(why) => return Some(refused(why)),
        };
        self.heard(id, now);
        match message {
            ToControl::Register { .. } => None,
            ToControl::Sync { known, told, wait, sent_at } => {
                if let Some(until) = told {
                    self.world.told(id, until);
                }
                let until = now.plus(wait);
                self.polls.insert(name.clone(), OpenCall { session, known, sent_at, until });
                None
            }
            ToControl::Report { reports, tenants } => {
                let session = session.to_string();
                let from = Reporter { node: name, node_id: id, session: &session };
                self.report(from, reports, tenants, now)
            }
        }
    }

    fn heard(&mut self, id: Uid, now: Timestamp) {
        self.heard_at.insert(id, now);
        if self.world.heard(id, self.clock.boot(now), LEASE) {
            self.reconciler.wake(id);
        }
    }

    fn register(
        &mut self,
        name: &Name,
        cpu: u64,
        (installation, session): (u64, u64),
        now: Timestamp,
    ) -> Option<ToAgent> {
        let registration = Registration {
            agent_id: format!("{name}-{installation}"),
            session: session.to_string(),
            start: if session < TWINS_FROM { session } else { 0 },
            version: "sim".to_owned(),
            capacity: capacity(cpu),
            labels: Labels::from([("node".to_owned(), name.to_string())]),
            executors: Executors { simulated: true, ..Executors::default() },
        };
        let boot = self.clock.boot(now);
        let permit = match self.sessions.may_register(&self.world, name, &registration, boot) {
            Ok(permit) => permit,
            Err(why) => return Some(refused(why)),
        };
        let existing = self.world.nodes.find(None, name).cloned();
        let id = match registered(existing.as_ref(), name, &registration, self.clock.wall(now)) {
            Some(write) => self.commit_once(vec![write], None, now).ok()?.changes.first()?.id,
            None => existing?.id,
        };
        let world = &self.world;
        if let Err(why) = self.sessions.registered(world, name, id, &registration, permit, boot) {
            return Some(refused(why));
        }
        self.heard(id, now);
        Some(ToAgent::Registered)
    }

    fn report(
        &mut self,
        from: Reporter<'_>,
        reports: Vec<Report>,
        tenants: Vec<TenantReport>,
        now: Timestamp,
    ) -> Option<ToAgent> {
        let wall = self.clock.wall(now);
        let Reported { mut writes, stale } = apply_reports(&self.world, from.node, &reports, wall);
        writes.extend(apply_tenant_reports(&self.world, from, &tenants, wall).writes);
        if !writes.is_empty() {
            self.commit_once(writes, None, now).ok()?;
        }
        Some(ToAgent::Reported { reports, tenants, stale })
    }

    /// The open calls that can be answered now.
    pub(crate) fn answers(&mut self, now: Timestamp) -> Vec<(Name, u64, ToAgent)> {
        let mut answers = Vec::new();
        if self.is_frozen(now) {
            return answers;
        }
        for (name, poll) in std::mem::take(&mut self.polls) {
            let session = poll.session.to_string();
            let id = match self.sessions.speaks_for(&self.world, &name, &session) {
                Ok(id) => id,
                Err(why) => {
                    answers.push((name, poll.session, refused(why)));
                    continue;
                }
            };
            match news_for(&self.world, id, poll.known) {
                Some(news)
                    if (news.assignments.is_some() || news.tenants.is_some())
                        && now >= self.tells_late_until
                        || poll.until <= now =>
                {
                    let (at, sent_at) = (self.clock.wall(now), poll.sent_at);
                    answers.push((name, poll.session, ToAgent::News { news, at, sent_at }));
                }
                // A call that cannot be answered in time fails; the agent calls again.
                None if poll.until <= now => {}
                _ => {
                    self.polls.insert(name, poll);
                }
            }
        }
        answers
    }

    /// Whether the loop has something to do, and can do it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        !self.is_frozen(now) && !self.held.holds_up_the_loop() && self.has_work(now)
    }

    fn has_work(&self, now: Timestamp) -> bool {
        !self.unseen.is_empty()
            || self.resync.next_in(self.clock.now(now)) == Duration::ZERO
            || self.reconciler.next_in(self.clock.now(now)) == Some(Duration::ZERO)
    }

    /// Whether nothing is to be done, is held, or stands still.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        !self.is_frozen(now) && self.held.is_empty() && !self.has_work(now)
    }

    /// When the loop or a call has something to do.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some((_, until)) = self.frozen.filter(|(_, until)| *until > now) {
            return Some(until);
        }
        let polls = self.polls.values().map(|poll| poll.until.max(now));
        let loop_at = match self.held.holds_up_the_loop() {
            true => None,
            false if self.has_work(now) => Some(now),
            false => {
                let clocks = self.clock.now(now);
                let resync = self.resync.next_in(clocks);
                let next = self.reconciler.next_in(clocks).map_or(resync, |time| time.min(resync));
                Some(self.clock.after(now, next))
            }
        };
        polls.chain(loop_at).chain(self.held.next_at().map(|at| at.max(now))).min()
    }

    /// Stops for a while: whatever reaches it waits.
    pub(crate) fn freeze(&mut self, now: Timestamp, until: Timestamp) {
        self.frozen = Some((now, until));
    }

    /// Runs again.
    pub(crate) fn thaw(&mut self, now: Timestamp) {
        self.frozen = self.frozen.map(|(since, until)| (since, until.min(now)));
        self.tells_late_until = now;
    }

    pub(crate) fn is_frozen(&self, now: Timestamp) -> bool {
        self.frozen.is_some_and(|(_, until)| until > now)
    }

    /// When it runs again, if it does not.
    pub(crate) fn runs_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.frozen.filter(|(_, until)| *until > now).map(|(_, until)| until)
    }

    /// A turn of the loop: one that was frozen for long has heard nobody meanwhile.
    pub(crate) fn begin_turn(&mut self, now: Timestamp) {
        let Some((since, _)) = self.frozen.take_if(|(_, until)| *until <= now) else { return };
        if now.since(since) >= STALL {
            self.world.renew_leases(self.clock.boot(now), LEASE);
            self.renewed_at = now;
        }
    }

    /// The nodes of which something was heard within this time, in truth.
    pub(crate) fn heard_within(&self, time: Duration, now: Timestamp) -> BTreeSet<Uid> {
        let heard = self.heard_at.iter().filter(|(_, at)| now.since(**at) < time);
        heard.map(|(node, _)| *node).collect()
    }

    /// Since when, in truth, nothing was heard of a node.
    pub(crate) fn silent_since(&self, node: Uid) -> Timestamp {
        self.heard_at.get(&node).copied().unwrap_or(self.started_at).max(self.renewed_at)
    }
}

/// The answer to an agent that does not speak for its node.
fn refused(why: NotInSession) -> ToAgent {
    match why {
        NotInSession::NameTaken { .. } | NotInSession::NotRegistered => ToAgent::NotRegistered,
        NotInSession::Superseded => ToAgent::Superseded,
    }
}
