//! What is done between batches: checkpoint, trim, drop what is too old, tidy.
//!
//! The one idea: everything is cut into steps of a few milliseconds, and the
//! writer does one step between two batches, so no commit waits for more than
//! one step.

use std::time::{Duration, Instant};

use tessera_planted::{Bug, planted};
use tessera_types::{Revision, Timestamp};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use crate::engine::Engine;
use crate::engine::backend::{Backend, Fault, LogRow, Meta};
use crate::engine::backlog::RoundEnd;
use crate::error::StoreError;
use crate::options::IDEMPOTENCY_KEPT;
use crate::stats::add;

/// Rows that one step writes or drops, unless the batches are larger: some milliseconds, for
/// which a commit may have to wait.
const STEP_ROWS: usize = 64;

/// A store that has had no commit for so long writes its checkpoint.
const IDLE: Duration = Duration::from_secs(1);

/// A chore that failed is not tried again sooner.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(5);

/// When the next step is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// After the next batch, or at once if there is none.
    Now,
    /// When there was no commit for so long.
    In(Duration),
    /// There is nothing to do.
    Never,
}

/// Somebody who waits for a compaction.
struct Compaction {
    up_to: Revision,
    answer: oneshot::Sender<Result<Revision, StoreError>>,
}

/// What is to be done, and how far it is.
pub(crate) struct Chores {
    /// As the backend has it.
    pub(crate) meta: Meta,
    compactions: Vec<Compaction>,
    /// Whether what is too old is to be looked for.
    sweep: bool,
    step_rows: usize,
    last_commit_at: Instant,
    paused_until: Option<Instant>,
}

impl Chores {
    pub(crate) fn new(meta: Meta) -> Self {
        Self {
            meta,
            compactions: Vec::new(),
            sweep: true,
            step_rows: STEP_ROWS,
            last_commit_at: Instant::now(),
            paused_until: None,
        }
    }

    /// Notes a batch. A step writes more rows than a batch dirties, so that a
    /// checkpoint ends also under a load that never pauses.
    pub(crate) fn committed(&mut self, writes: usize, at: Instant) {
        self.step_rows = STEP_ROWS.max(2 * writes);
        self.last_commit_at = at;
    }
}

impl<B: Backend> Engine<B> {
    /// When the next step is to be done.
    pub(crate) fn urgency(&self) -> Urgency {
        let now = Instant::now();
        if let Some(left) =
            self.chores.paused_until.and_then(|until| until.checked_duration_since(now))
            && !left.is_zero()
        {
            return Urgency::In(left);
        }
        if self.has_pressing_chore() {
            return Urgency::Now;
        }
        if self.backlog.commits == 0 {
            return Urgency::Never;
        }
        match (self.chores.last_commit_at + IDLE).checked_duration_since(now) {
            Some(left) if !left.is_zero() => Urgency::In(left),
            _ => Urgency::Now,
        }
    }

    fn has_pressing_chore(&self) -> bool {
        self.backlog.has_round()
            || self.backlog_is_large()
            || self.chores.sweep
            || !self.chores.compactions.is_empty()
            || self.backend.needs_tidying()
    }

    fn backlog_is_large(&self) -> bool {
        self.backlog.commits >= self.options.checkpoint_commits
            || self.backlog.bytes >= self.options.checkpoint_bytes
    }

    /// Does one step of what there is to do now, whatever the time is; false when there is
    /// nothing, or it failed.
    pub(crate) fn press_on(&mut self) -> bool {
        if !self.has_pressing_chore() {
            return false;
        }
        self.chore();
        self.chores.paused_until.is_none()
    }

    /// Does one step. A step that fails is left for later: what it would have
    /// written is in the log.
    pub(crate) fn chore(&mut self) {
        let begun_at = Instant::now();
        match self.step() {
            Ok(what) => {
                let duration_us = begun_at.elapsed().as_micros() as u64;
                debug!(target: "tessera::store", what, duration_us, "chore");
            }
            Err(fault) => {
                warn!(target: "tessera::store", %fault, "housekeeping failed, and is tried again");
                self.chores.paused_until = Some(Instant::now() + PAUSE_AFTER_FAULT);
                for compaction in self.chores.compactions.drain(..) {
                    let _ = compaction.answer.send(Err(fault.clone().into()));
                }
            }
        }
    }

    fn step(&mut self) -> Result<&'static str, Fault> {
        self.chores.paused_until = None;
        if self.backend.needs_tidying() {
            return self.backend.tidy().map(|()| "tidy");
        }
        if self.backlog.has_round() {
            return self.checkpoint_step().map(|()| "checkpoint");
        }
        if !self.chores.compactions.is_empty() {
            return self.compaction_step().map(|()| "compact");
        }
        if self.chores.sweep {
            self.chores.sweep = self.sweep_step()?;
            return Ok("sweep");
        }
        self.begin_checkpoint();
        Ok("begin checkpoint")
    }

    fn begin_checkpoint(&mut self) {
        if self.backlog.commits > 0 {
            let transitions = self.shared.pending.lock().len();
            self.backlog.begin(self.head.revision, transitions, self.shared.log_bytes());
        }
    }

    fn checkpoint_step(&mut self) -> Result<(), Fault> {
        let rows = self.chores.step_rows;
        let step = self.backlog.step(rows, &self.shared.index.read(), &self.shared.pending.lock());
        let Some((mut step, end)) = step else { return Ok(()) };
        let meta = end.map(|end| self.meta_after(end));
        step.meta = meta;
        self.backend.checkpoint(&step)?;
        self.backlog.stepped(rows, &mut self.shared.pending.lock());
        if let Some(meta) = meta {
            self.chores.meta = meta;
            self.chores.sweep = true;
            self.shared.checkpointed(meta.checkpointed);
            add(&self.shared.counters.checkpoints, 1);
        }
        Ok(())
    }

    /// What holds once a checkpoint is complete. The numbers that are handed out
    /// may be newer than the checkpoint, the size of its log must not be.
    fn meta_after(&self, end: RoundEnd) -> Meta {
        Meta {
            checkpointed: Revision(end.revision.0 + u64::from(planted(Bug::CheckpointAhead))),
            log_bytes: end.log_bytes,
            next_uid: self.head.next_uid,
            next_seq: self.head.next_seq,
            latest_at_us: self.head.latest_at.as_micros(),
            ..self.chores.meta
        }
    }

    /// Asks for a compaction; `answer` is told how far it went.
    pub(crate) fn compact(
        &mut self,
        up_to: Revision,
        answer: oneshot::Sender<Result<Revision, StoreError>>,
    ) {
        let up_to = up_to.min(self.head.revision);
        self.chores.paused_until = None;
        self.chores.compactions.push(Compaction { up_to, answer });
    }

    fn compaction_step(&mut self) -> Result<(), Fault> {
        let wanted = self.chores.compactions.iter().map(|compaction| compaction.up_to).max();
        let wanted = wanted.unwrap_or_default();
        if wanted > self.chores.meta.checkpointed {
            self.begin_checkpoint();
            return Ok(());
        }
        let has_more = wanted > self.chores.meta.compacted && self.trim(wanted, |_, _| true)?;
        let compacted = self.chores.meta.compacted;
        let is_done = |c: &mut Compaction| !has_more || c.up_to <= compacted;
        for compaction in self.chores.compactions.extract_if(.., is_done) {
            let _ = compaction.answer.send(Ok(compacted));
        }
        Ok(())
    }

    /// Drops some of what is too old; false when nothing more is.
    fn sweep_step(&mut self) -> Result<bool, Fault> {
        let now = self.head.latest_at;
        let rows = self.chores.step_rows;
        Ok(self.trim_by_retention(now)?
            || self.backend.drop_transitions(now.minus(self.options.history_age_max), rows)? > 0
            || self.backend.drop_keys(now.minus(IDEMPOTENCY_KEPT), rows)? > 0)
    }

    fn trim_by_retention(&mut self, now: Timestamp) -> Result<bool, Fault> {
        let spare = self.head.revision.0.saturating_sub(self.options.log_commits_min);
        let young = now.minus(self.options.log_age_min);
        let excess = self.shared.log_bytes().saturating_sub(self.options.log_bytes_max);
        if excess == 0 && spare <= self.chores.meta.compacted.0 {
            return Ok(false);
        }
        let goes = move |row: &LogRow, dropped_bytes: u64| {
            // What is of the future was written while the clock was ahead. How old that is nobody
            // knows, and it must not keep what comes after it until its time has come.
            let is_young = row.at >= young && row.at <= now;
            dropped_bytes < excess || (row.revision.0 <= spare && !is_young)
        };
        self.trim(self.chores.meta.checkpointed, goes)
    }

    /// Drops the oldest commits of the log for as long as `goes` says so, which
    /// is given a row and the bytes dropped before it; false if there are none.
    fn trim(
        &mut self,
        up_to: Revision,
        goes: impl Fn(&LogRow, u64) -> bool,
    ) -> Result<bool, Fault> {
        let up_to = up_to.min(self.chores.meta.checkpointed);
        let mut last = None;
        let mut bytes = 0;
        for row in self.backend.oldest_log(up_to, self.chores.step_rows)? {
            if !goes(&row, bytes) {
                break;
            }
            bytes += row.bytes;
            last = Some(row.revision);
        }
        let Some(compacted) = last else { return Ok(false) };
        let log_bytes = self.chores.meta.log_bytes.saturating_sub(bytes);
        let meta = Meta { compacted, log_bytes, ..self.chores.meta };
        self.backend.drop_log(&meta)?;
        self.chores.meta = meta;
        self.shared.compacted(compacted, bytes);
        Ok(true)
    }

    /// Writes the checkpoint of everything, and lets go of the backend.
    pub(crate) fn close(&mut self) {
        if let Err(fault) = self.complete_checkpoint() {
            warn!(target: "tessera::store", %fault, "no checkpoint at the end: the next start replays the log");
        }
        for compaction in self.chores.compactions.drain(..) {
            let _ = compaction.answer.send(Err(StoreError::Closed));
        }
        self.backend.close();
        self.shared.close();
    }

    fn complete_checkpoint(&mut self) -> Result<(), Fault> {
        while self.backlog.has_round() || self.backlog.commits > 0 {
            if !self.backlog.has_round() {
                self.begin_checkpoint();
            }
            self.checkpoint_step()?;
        }
        Ok(())
    }
}
