//! The control plane in the simulation: the real store engine on a disk in
//! memory, the real world and reconciler; only the loop around them is ours.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tessera_reconciler::{
    Answer, Batch, EngineUse, NotInSession, Pass, Reconciler, Reported, Reporter, Sessions, World,
    apply_reports, apply_tenant_reports, news_for, registered,
};
use tessera_store::{Commit, CommitError, EmbeddedStore, MemoryDisk, Options, Store};
use tessera_types::node::Executors;
use tessera_types::sync::{Registration, Report, TenantReport};
use tessera_types::{
    Committed, Duration, KindName, Labels, Name, Revision, Timestamp, Uid, Write, limits,
};

use crate::clock::Clock;
use crate::link::Link;
use crate::machine::capacity;
use crate::message::{ToAgent, ToControl};

/// The lease in the simulation.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How long a sync waits for news.
pub(crate) const POLL: Duration = Duration::from_secs(5);

/// An open sync call.
#[derive(Clone, Debug)]
struct Poll_ {
    session: u64,
    since: Revision,
    sent_at: Timestamp,
    until: Timestamp,
}

/// A running control plane.
pub(crate) struct Control {
    store: EmbeddedStore,
    pub(crate) world: World,
    pub(crate) reconciler: Reconciler,
    committed: Arc<Mutex<Vec<Arc<Committed>>>>,
    sessions: Sessions,
    polls: BTreeMap<Name, Poll_>,
    pub(crate) clock: Clock,
    /// When, in truth, each node was heard of last.
    heard_at: BTreeMap<Uid, Timestamp>,
    pub(crate) started_at: Timestamp,
    pub(crate) link: Link,
}

/// Runs a future that never waits: the store in memory answers at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store in memory answers at once"),
    }
}

impl Control {
    /// Starts on what the disk has.
    pub(crate) fn start(disk: &MemoryDisk, clock: Clock, now: Timestamp) -> Self {
        let committed = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&committed);
        let observer = Box::new(move |one: &Arc<Committed>| {
            sink.lock().expect("one thread").push(Arc::clone(one));
        });
        let store = disk.open(Options::default(), observer);
        let snapshot = store.snapshot();
        let mut world = World::load(snapshot.revision, snapshot.resources);
        world.started(clock.boot(now), LEASE);
        let asked_by = clock.wall(now).plus(limits::ENGINE_ASKED_WITHIN);
        world.use_engine(EngineUse::On, asked_by);
        let reconciler = Reconciler::new(&world);
        let (sessions, polls) = (Sessions::default(), BTreeMap::new());
        let (heard_at, started_at) = (BTreeMap::new(), now);
        let link = Link::default();
        Self {
            store,
            world,
            reconciler,
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

    /// Commits, and takes the commit in.
    pub(crate) fn commit(
        &mut self,
        writes: Vec<Write>,
        now: Timestamp,
    ) -> Result<Arc<Committed>, CommitError> {
        let outcome = at_once(self.store.commit(Commit::new(writes, self.clock.wall(now))));
        let commits = std::mem::take(&mut *self.committed.lock().expect("one thread"));
        for committed in commits {
            self.world.apply(&committed);
            let gone = committed.changes.iter().filter(|change| change.after.is_none());
            for change in gone.filter(|change| change.key.kind == KindName::Node) {
                self.sessions.removed(&change.key.name, change.id);
            }
            self.reconciler.observe(&committed, &self.world);
        }
        outcome.map(|outcome| outcome.committed)
    }

    /// One pass of the loop, without its commit.
    pub(crate) fn plan(&mut self, now: Timestamp) -> Pass {
        self.reconciler.pass(&self.world, self.clock.now(now), 100)
    }

    /// The commit of a pass.
    pub(crate) fn commit_pass(&mut self, pass: Pass, now: Timestamp) {
        let mut batch = Batch::of(pass);
        while let Some(writes) = batch.next() {
            let answer = match self.commit(writes, now) {
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
        if let ToControl::Register = message {
            return self.register(name, cpu, session, now);
        }
        let id = match self.sessions.speaks_for(&self.world, name, &session.to_string()) {
            Ok(id) => id,
            Err(why) => return Some(refused(why)),
        };
        self.heard(id, now);
        match message {
            ToControl::Register => None,
            ToControl::Sync { since, told, sent_at } => {
                if let Some(until) = told {
                    self.world.told(id, until);
                }
                let until = now.plus(POLL);
                self.polls.insert(name.clone(), Poll_ { session, since, sent_at, until });
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

    fn register(&mut self, name: &Name, cpu: u64, session: u64, now: Timestamp) -> Option<ToAgent> {
        let registration = Registration {
            agent_id: name.to_string(),
            session: session.to_string(),
            version: "sim".to_owned(),
            capacity: capacity(cpu),
            labels: Labels::from([("node".to_owned(), name.to_string())]),
            executors: Executors { simulated: true, ..Executors::default() },
        };
        let boot = self.clock.boot(now);
        if let Err(why) = self.sessions.may_register(&self.world, name, &registration, boot) {
            return Some(refused(why));
        }
        let existing = self.world.nodes.find(None, name).cloned();
        let id = match registered(existing.as_ref(), name, &registration, self.clock.wall(now)) {
            Some(write) => self.commit(vec![write], now).ok()?.changes.first()?.id,
            None => existing?.id,
        };
        if let Err(why) = self.sessions.registered(name, id, &registration) {
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
            self.commit(writes, now).ok()?;
        }
        Some(ToAgent::Reported { reports, tenants, stale })
    }

    /// The open calls that can be answered now.
    pub(crate) fn answers(&mut self, now: Timestamp) -> Vec<(Name, u64, ToAgent)> {
        let mut answers = Vec::new();
        for (name, poll) in std::mem::take(&mut self.polls) {
            let session = poll.session.to_string();
            let id = match self.sessions.speaks_for(&self.world, &name, &session) {
                Ok(id) => id,
                Err(why) => {
                    answers.push((name, poll.session, refused(why)));
                    continue;
                }
            };
            match news_for(&self.world, id, poll.since, true) {
                Some(news)
                    if news.assignments.is_some()
                        || news.tenants.is_some()
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

    /// Whether the loop has something to do.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.reconciler.next_in(self.clock.now(now)) == Some(Duration::ZERO)
    }

    /// When the loop or a call has something to do.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let polls = self.polls.values().map(|poll| poll.until.max(now));
        let next = self.reconciler.next_in(self.clock.now(now));
        polls.chain(next.map(|time| self.clock.after(now, time))).min()
    }

    /// Since when, in truth, nothing was heard of a node.
    pub(crate) fn silent_since(&self, node: Uid) -> Timestamp {
        self.heard_at.get(&node).copied().unwrap_or(self.started_at)
    }
}

/// The answer to an agent that does not speak for its node.
fn refused(why: NotInSession) -> ToAgent {
    match why {
        NotInSession::NameTaken { .. } | NotInSession::NotRegistered => ToAgent::NotRegistered,
        NotInSession::Superseded => ToAgent::Superseded,
    }
}
