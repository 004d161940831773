//! The reconcile loop: the one task that owns the [`Reconciler`].
//!
//! It takes no input but the world and the time; messages only say that it is
//! worth looking. It first takes in every commit that the world has, then looks
//! at what is due, then commits what came of it in one batch. What the
//! store's answer means for each resource, [`Batch`] decides.

use std::sync::Arc;
use std::time::Instant;

use tessera_reconciler::{Answer, Batch, Pass, PassStats, Reconciler};
use tessera_store::{Commit, CommitError, Outcome};
use tessera_types::{Duration, Timestamp, Write};
use tokio::sync::mpsc;

use crate::clock::{self, JumpDetector};
use crate::plane::{LoopMessage, Plane};

/// Resources looked at in one pass, so that a batch stays within the limits of
/// a commit and other work gets its turn.
const LOOKS_MAX: usize = 1000;
/// The safety net: everything is looked at so often, whatever the changes said.
const RESYNC_EVERY: Duration = Duration::from_secs(600);
/// The loop wakes up at least so often, to notice that the clock was set.
const NAP_MAX: Duration = Duration::from_secs(5);

/// Runs until the control plane stops.
pub(crate) async fn run(plane: Arc<Plane>, mut messages: mpsc::UnboundedReceiver<LoopMessage>) {
    let mut reconcile = Loop::new(Arc::clone(&plane));
    while !plane.stopping.is_cancelled() {
        while let Ok(message) = messages.try_recv() {
            reconcile.take_in(message);
        }
        reconcile.check_clock();
        let now = clock::now();
        if reconcile.next_at(now) <= now {
            reconcile.pass(now).await;
            continue;
        }
        let nap = reconcile.nap(now).as_std();
        tokio::select! {
            () = plane.stopping.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            message = messages.recv() => match message {
                Some(message) => reconcile.take_in(message),
                None => return,
            },
        }
    }
}

struct Loop {
    plane: Arc<Plane>,
    reconciler: Reconciler,
    clock: JumpDetector,
    resync_at: Timestamp,
}

impl Loop {
    fn new(plane: Arc<Plane>) -> Self {
        let reconciler = Reconciler::new(&plane.world.read());
        let resync_at = clock::now().plus(RESYNC_EVERY);
        Self { plane, reconciler, clock: JumpDetector::new(), resync_at }
    }

    fn take_in(&mut self, message: LoopMessage) {
        match message {
            LoopMessage::Committed(committed) => {
                self.reconciler.observe(&committed, &self.plane.world.read());
            }
            LoopMessage::Wake(id) => self.reconciler.wake(id),
            LoopMessage::PlanPlacement(workload, answer) => {
                let choice = self.reconciler.plan_placement(&workload);
                let _ = answer.send(choice.map_err(|refusal| refusal.to_string()));
            }
        }
    }

    /// A wall clock that was set forward makes leases lapse that have not: every
    /// node that counts as reachable gets a fresh one, as after a restart.
    fn check_clock(&mut self) {
        if let Some(jump) = self.clock.check() {
            tracing::warn!(target: "tessera::reconcile", %jump, "the clock was set forward: every lease is renewed");
            self.plane.world.write().renew_leases(clock::now(), self.plane.options.lease);
        }
    }

    /// When there is something to do.
    fn next_at(&self, now: Timestamp) -> Timestamp {
        self.reconciler.next_at(now).unwrap_or(self.resync_at).min(self.resync_at)
    }

    fn nap(&self, now: Timestamp) -> Duration {
        // A millisecond more, since a nap ends on whole ones.
        self.next_at(now).since(now).min(NAP_MAX).max(Duration::from_millis(1))
    }

    async fn pass(&mut self, now: Timestamp) {
        let started = Instant::now();
        let pass = {
            let world = self.plane.world.read();
            if now >= self.resync_at {
                self.resync_at = now.plus(RESYNC_EVERY);
                self.reconciler.resync(&world);
            }
            self.reconciler.pass(&world, now, LOOKS_MAX)
        };
        let planned = started.elapsed();
        let (stats, writes) = (pass.stats, pass.writes.len());
        let committed = self.commit(pass).await;
        self.plane.metrics.reconciled(&stats, planned, self.reconciler.backlog());
        log_pass(&stats, writes, committed, planned, started.elapsed());
    }

    /// Commits what a pass wants written. Returns how much was.
    async fn commit(&mut self, pass: Pass) -> usize {
        let mut batch = Batch::of(pass);
        while let Some(writes) = batch.next() {
            let what = Concerns::of(&writes);
            let outcome = self.plane.store.commit(Commit::new(writes, clock::now())).await;
            let answer = answer(outcome, &what);
            let world = self.plane.world.read();
            batch.answered(answer, &mut self.reconciler, &world, clock::now());
        }
        batch.written()
    }
}

/// What a commit is about, for the log.
struct Concerns {
    writes: usize,
    /// The resource, if it is only one.
    key: Option<String>,
}

impl Concerns {
    fn of(writes: &[Write]) -> Self {
        let key = match writes {
            [one] => Some(one.key().to_string()),
            _ => None,
        };
        Self { writes: writes.len(), key }
    }
}

/// What the outcome of a commit means for its batch.
fn answer(outcome: Result<Outcome, CommitError>, what: &Concerns) -> Answer {
    let Concerns { writes, key } = what;
    match outcome {
        Ok(_) => Answer::Written,
        Err(CommitError::Conflict { key, .. }) => {
            tracing::debug!(target: "tessera::reconcile", %key, "changed meanwhile: it is looked at again");
            Answer::Conflict(key)
        }
        Err(CommitError::Closed) => Answer::Unavailable,
        Err(error @ CommitError::Full) => {
            tracing::error!(target: "tessera::reconcile", %error, writes, "nothing can be written; it is tried again");
            Answer::Unavailable
        }
        Err(error) => {
            match key {
                Some(key) => {
                    tracing::error!(target: "tessera::reconcile", %error, key, "it could not be written; it is tried again");
                }
                None => {
                    tracing::warn!(target: "tessera::reconcile", %error, writes, "a batch could not be written; it is tried in parts");
                }
            }
            Answer::Refused
        }
    }
}

fn log_pass(
    stats: &PassStats,
    writes: usize,
    committed: usize,
    planned: std::time::Duration,
    took: std::time::Duration,
) {
    tracing::debug!(
        target: "tessera::reconcile",
        evaluated = stats.evaluated,
        nodes_evaluated = stats.nodes_evaluated,
        workloads_placed = stats.workloads_placed,
        workloads_unplaced = stats.workloads_unplaced,
        nodes_offline = stats.nodes_offline,
        writes,
        committed,
        ?planned,
        ?took,
        "reconcile pass"
    );
}
