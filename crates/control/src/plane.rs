//! What all parts of a control plane share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tessera_reconciler::World;
use tessera_store::{Commit, CommitError, IdempotencyKey, Lane, Outcome, Store};
use tessera_types::{BootTime, Committed, Duration, Name, Object, Uid, Workload, Write};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::clock;
use crate::engine_link::EngineBell;
use crate::fanout::Fanout;
use crate::health::Health;
use crate::log_broker::LogBroker;
use crate::metrics::Metrics;
use crate::options::Options;

/// What the reconcile loop is told.
pub(crate) enum LoopMessage {
    /// A commit that the world has taken in.
    Committed(Arc<Committed>),
    /// Look at this one.
    Wake(Uid),
    /// Look at this one now, whatever has failed before: an operator asks.
    Reconcile(Uid),
    /// Where would this workload be placed? Nothing is changed.
    PlanPlacement(Arc<Object<Workload>>, oneshot::Sender<Result<Name, String>>),
}

/// What all parts of a control plane share.
pub(crate) struct Plane {
    pub(crate) options: Options,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: Arc<RwLock<World>>,
    /// Whose turn it is to book hosts.
    pub(crate) booking: tokio::sync::Mutex<()>,
    /// A permit for each search for an earliest start that may run at once.
    pub(crate) searches: Semaphore,
    pub(crate) agents: Arc<Agents>,
    pub(crate) logs: LogBroker,
    /// How watchers are told of commits.
    pub(crate) fanout: Arc<Fanout>,
    /// A permit for each watch that may be open.
    pub(crate) watch_places: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) to_loop: mpsc::UnboundedSender<LoopMessage>,
    /// How whoever speaks with the engine is told that there is something for it.
    pub(crate) engine: Arc<EngineBell>,
    pub(crate) health: Health,
    pub(crate) rush: Rush,
    /// Cancelled when the control plane stops: what waits for news ends.
    pub(crate) stopping: CancellationToken,
}

/// Whether so much is being placed that agents are told of it together.
#[derive(Debug, Default)]
pub(crate) struct Rush {
    /// By the clock that counts from boot, in milliseconds.
    began_ms: AtomicU64,
    /// By the same.
    until_ms: AtomicU64,
}

/// A pass of the reconciler that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    /// How much it has written.
    pub(crate) written: usize,
    /// How much is still to be looked at.
    pub(crate) due: usize,
    pub(crate) took: Duration,
}

/// A rush that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rushing {
    pub(crate) began: BootTime,
    /// For how long it lasts, if nothing more is written.
    pub(crate) left: Duration,
}

/// An agent is told once in so long, however long the rush.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// It is told once in so long where something that it has is to be stopped or to be another: that does not wait for
/// the rush.
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// A pass that writes so much begins a rush, and one that leaves so much to be looked at goes on with it.
const RUSH_SIZE: usize = 500;
/// It lasts so long after such a pass, and twice as long as that pass took: so long may the next one take.
const RUSH_LASTS: Duration = Duration::from_millis(500);
/// What a pass took counts no further: one whose commit a disk has held up says nothing of the next.
const PASS_COUNTS: Duration = Duration::from_secs(5);

impl Rush {
    /// A pass has ended.
    pub(crate) fn passed(&self, pass: Passed, now: BootTime) {
        let goes_on = self.goes_on(now).is_some();
        if pass.written >= RUSH_SIZE || (goes_on && pass.due >= RUSH_SIZE) {
            if !goes_on {
                self.began_ms.store(now.as_millis(), Ordering::Relaxed);
            }
            let until = now.plus(RUSH_LASTS).plus(pass.took.min(PASS_COUNTS).times(2));
            self.until_ms.store(until.as_millis(), Ordering::Relaxed);
        }
    }

    /// The rush, if there is one.
    pub(crate) fn goes_on(&self, now: BootTime) -> Option<Rushing> {
        let until = BootTime::from_millis(self.until_ms.load(Ordering::Relaxed));
        let began = BootTime::from_millis(self.began_ms.load(Ordering::Relaxed));
        let left = until.since(now);
        (left > Duration::ZERO).then_some(Rushing { began, left })
    }
}

impl Rushing {
    /// When an agent that was told at `told` is told more. Each time it waits as long as the rush had
    /// lasted then: what has been placed waits about as long as all has taken so far, and a rush of any
    /// length costs few answers.
    pub(crate) fn tells_at(self, told: BootTime) -> BootTime {
        let told = told.max(self.began);
        told.plus(told.since(self.began).min(TOLD_WITHIN))
    }
}

impl Plane {
    /// Commits `writes` now.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<Outcome, CommitError> {
        self.store.commit(Commit::new(writes, clock::now())).await
    }

    /// Commits `writes` in its turn: agents tell so much at once that others would wait behind it for seconds.
    pub(crate) async fn commit_in_turn(&self, writes: Vec<Write>) -> Result<Outcome, CommitError> {
        self.store.commit(Commit { lane: Lane::Bulk, ..Commit::new(writes, clock::now()) }).await
    }

    /// Commits `writes` once for `key`, however often it is asked.
    pub(crate) async fn commit_once(
        &self,
        writes: Vec<Write>,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome, CommitError> {
        self.store.commit(Commit { idempotency: key, ..Commit::new(writes, clock::now()) }).await
    }

    /// Tells the reconcile loop something. It is gone only when all stops.
    pub(crate) fn tell_loop(&self, message: LoopMessage) {
        let _ = self.to_loop.send(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_lasts_a_little_beyond_the_last_large_pass() {
        let (rush, at) = (Rush::default(), BootTime::from_millis);
        let written = |written| Passed { written, ..Passed::default() };
        let large = written(RUSH_SIZE);
        rush.passed(written(RUSH_SIZE - 1), at(1000));
        rush.passed(Passed { due: RUSH_SIZE, ..Passed::default() }, at(1000));
        assert_eq!(rush.goes_on(at(1000)), None);
        rush.passed(large, at(1000));
        rush.passed(written(1), at(1100));
        let rushing =
            |began, left| Some(Rushing { began: at(began), left: Duration::from_millis(left) });
        assert_eq!(rush.goes_on(at(1499)), rushing(1000, 1));
        rush.passed(Passed { due: RUSH_SIZE, ..Passed::default() }, at(1499));
        assert_eq!(rush.goes_on(at(1500)), rushing(1000, 499));
        assert_eq!(rush.goes_on(at(1999)), None);
        rush.passed(large, at(2000));
        assert_eq!(rush.goes_on(at(2000)), rushing(2000, 500), "that is another");
        rush.passed(Passed { took: Duration::from_secs(1), ..large }, at(2100));
        assert_eq!(rush.goes_on(at(2100)), rushing(2000, 2500), "the next takes as long");
        rush.passed(Passed { took: Duration::from_secs(60), ..large }, at(2200));
        assert_eq!(rush.goes_on(at(2200)), rushing(2000, 10_500), "a commit was held up");
    }

    #[test]
    fn an_agent_is_told_ever_more_seldom() {
        let at = |seconds: u64| BootTime::from_millis(seconds * 1000);
        let rush = Rushing { began: at(100), left: Duration::from_secs(1) };
        for (told, again) in
            [(0, 100), (100, 100), (103, 106), (106, 112), (112, 124), (124, 144), (144, 164)]
        {
            assert_eq!(rush.tells_at(at(told)), at(again), "told at {told}");
        }
    }
}
