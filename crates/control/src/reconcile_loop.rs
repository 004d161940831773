//! The reconcile loop: the one task that owns the [`Reconciler`].
//!
//! It takes no input but the world and the time; messages only say that it is
//! worth looking. It first takes in every commit that the world has, then looks
//! at what is due, then commits what came of it in one batch. What the
//! store's answer means for each resource, [`Batch`] decides.

use std::sync::Arc;
use std::time::Instant;

use tessera_reconciler::{Answer, Batch, Pass, PassStats, Reconciler, Resync};
use tessera_store::{Commit, CommitError, Outcome};
use tessera_types::{BootTime, Duration, Now, Write};
use tokio::sync::mpsc;

use crate::clock;
use crate::plane::{LoopMessage, Passed, Plane};

/// Resources looked at in one pass, so that other work gets its turn. Most of them need
/// nothing written; those that do are bounded by the limits of a commit.
const LOOKS_MAX: usize = 4000;
/// The loop wakes up at least so often, to notice that the wall clock was set:
/// windows open and close by it, and [`Resync`] has everything looked at then.
const NAP_MAX: Duration = Duration::from_secs(5);
/// A turn of the loop that takes so much longer than its nap means that the process
/// did not run, or as good as.
const STALL_MAX: Duration = Duration::from_secs(3);
const STALL_MIN: Duration = Duration::from_secs(1);

/// Runs until the control plane stops.
pub(crate) async fn run(plane: Arc<Plane>, mut messages: mpsc::UnboundedReceiver<LoopMessage>) {
    let mut reconcile = Loop::new(Arc::clone(&plane));
    while !plane.stopping.is_cancelled() {
        while let Ok(message) = messages.try_recv() {
            reconcile.take_in(message);
        }
        let now = clock::both();
        reconcile.turns.begin(now.boot, &plane);
        let time = reconcile.next_in(now);
        if time == Duration::ZERO {
            reconcile.pass(now).await;
            continue;
        }
        let nap = reconcile.turns.nap(time);
        tokio::select! {
            () = plane.stopping.cancelled() => return,
            () = tokio::time::sleep(nap.as_std()) => {}
            message = messages.recv() => match message {
                Some(message) => reconcile.take_in(message),
                None => return,
            },
        }
    }
}

/// The turns of the loop, by which it is seen that the process did not run for a while.
/// Whatever a turn does, frozen in a nap, in a pass or in a commit is the same: the time
/// between two beginnings is compared. What a turn decides it decides by the time at its
/// beginning, so what lapses while it is frozen is seen by the next one only, after this.
struct Turns {
    lease: Duration,
    began: BootTime,
    nap: Duration,
}

impl Turns {
    fn new(now: BootTime, lease: Duration) -> Self {
        Self { lease, began: now, nap: Duration::ZERO }
    }

    /// How long to sleep, where there is nothing to do for `time`: a third of the lease at
    /// most, so that being frozen for longer than agents can afford is never taken for a nap.
    fn nap(&mut self, time: Duration) -> Duration {
        self.nap = time.min(NAP_MAX).min(self.third());
        self.nap
    }

    fn third(&self) -> Duration {
        Duration::from_millis(self.lease.as_millis() / 3)
    }

    /// By how much the last turn took too long, if it did.
    fn stalled(&mut self, now: BootTime) -> Option<Duration> {
        let expected = self.began.plus(std::mem::take(&mut self.nap));
        self.began = now;
        let late = now.since(expected);
        (late >= self.third().clamp(STALL_MIN, STALL_MAX)).then_some(late)
    }

    /// A turn begins. A control plane that was frozen, or whose machine was suspended, has
    /// heard nobody meanwhile: that must not make every node Offline.
    fn begin(&mut self, now: BootTime, plane: &Plane) {
        if let Some(late) = self.stalled(now) {
            tracing::warn!(target: "tessera::reconcile", %late, "the control plane did not run for a while: every lease is renewed");
            plane.world.write().renew_leases(now, self.lease);
        }
    }
}

struct Loop {
    plane: Arc<Plane>,
    reconciler: Reconciler,
    resync: Resync,
    turns: Turns,
}

impl Loop {
    fn new(plane: Arc<Plane>) -> Self {
        let reconciler = Reconciler::new(&plane.world.read());
        let now = clock::both();
        let turns = Turns::new(now.boot, plane.options.lease);
        Self { plane, reconciler, resync: Resync::new(now), turns }
    }

    fn take_in(&mut self, message: LoopMessage) {
        match message {
            LoopMessage::Committed(committed) => {
                self.reconciler.observe(&committed, &self.plane.world.read());
            }
            LoopMessage::Wake(id) => self.reconciler.wake(id),
            LoopMessage::Reconcile(id) => self.reconciler.reconcile_now(id),
            LoopMessage::PlanPlacement(workload, answer) => {
                let choice = {
                    let world = self.plane.world.read();
                    self.reconciler.plan_placement(&workload, &world, clock::both())
                };
                let _ = answer.send(choice.map_err(|refusal| refusal.to_string()));
            }
        }
    }

    /// How long there is nothing to do.
    fn next_in(&self, now: Now) -> Duration {
        let resync = self.resync.next_in(now);
        self.reconciler.next_in(now).map_or(resync, |time| time.min(resync))
    }

    fn decide(&mut self, now: Now) -> Pass {
        let world = self.plane.world.read();
        if self.resync.take(now) {
            self.reconciler.resync(&world);
        }
        self.reconciler.pass(&world, now, LOOKS_MAX)
    }

    async fn pass(&mut self, now: Now) {
        let started = Instant::now();
        let plane = Arc::clone(&self.plane);
        let mut pass = self.decide(now);
        // Nobody else books a host meanwhile. If somebody has while it waited for
        // its turn, it is decided once more, and now nobody can.
        let turn = if pass.books() { Some(plane.booking.lock().await) } else { None };
        if turn.is_some() && plane.world.read().revision() != pass.decided_at {
            let world = plane.world.read();
            pass.writes.iter().for_each(|(id, _)| self.reconciler.conflicted(*id, &world));
            drop(world);
            pass = self.decide(now);
        }
        let planned = started.elapsed();
        let (stats, writes) = (pass.stats, pass.writes.len());
        let committed = self.commit(pass).await;
        let (backlog, took) = (
            self.reconciler.backlog(),
            Duration::from_millis(started.elapsed().as_millis() as u64),
        );
        self.plane
            .rush
            .passed(Passed { written: committed, due: backlog.news(), took }, clock::boot());
        self.plane.metrics.reconciled(&stats, planned, backlog);
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
            batch.answered(answer, &mut self.reconciler, &world, clock::both());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_millis(ms)
    }

    #[test]
    fn being_frozen_is_noticed_whatever_the_loop_did() {
        for lease in [1, 3, 15, 60].map(Duration::from_secs) {
            let mut turns = Turns::new(at(0), lease);
            assert_eq!(turns.stalled(at(10)), None);
            // In a pass.
            assert_eq!(turns.stalled(at(10 + 3000)), Some(Duration::from_secs(3)));
            // In a nap, which is cut short by nothing.
            let nap = turns.nap(Duration::from_secs(600));
            assert!(nap.as_millis() * 3 <= lease.as_millis().max(15_000));
            let woke = 3010 + nap.as_millis();
            assert_eq!(turns.stalled(at(woke + 20)), None);
            let nap = turns.nap(Duration::from_secs(600));
            let frozen = woke + 20 + nap.as_millis() + 3000;
            assert_eq!(turns.stalled(at(frozen)), Some(Duration::from_secs(3)));
        }
    }
}
