//! What is in the log and not yet in the tables of current state.
//!
//! The one idea: a checkpoint writes each object once, however often it has
//! changed. It may write a version that is newer than the revision it will
//! claim, since replaying the log from that revision ends at the same state.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::{ResourceKey, Revision, Uid};

use crate::contract::AuditEntry;
use crate::engine::Index;
use crate::engine::backend::{LogEntry, Step, UsedKey};

/// What is in the log and not yet in the tables. Transitions that wait are in
/// [`crate::shared::Shared::pending`], where the history can see them.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// By identity, the order in which the tables are written best.
    objects: BTreeMap<Uid, ResourceKey>,
    keys: HashMap<String, UsedKey>,
    keys_in_order: VecDeque<String>,
    pub(crate) commits: u64,
    pub(crate) bytes: u64,
    round: Option<Round>,
}

/// A checkpoint under way.
#[derive(Debug)]
struct Round {
    /// The revision that it will claim.
    target: Revision,
    objects: BTreeMap<Uid, ResourceKey>,
    transitions: usize,
    keys: usize,
    log_bytes: u64,
}

/// What is true when a checkpoint is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundEnd {
    /// Every commit up to this one is in the tables.
    pub(crate) revision: Revision,
    /// The size of the log up to there.
    pub(crate) log_bytes: u64,
}

impl Backlog {
    /// Notes what a commit has left to do.
    pub(crate) fn note(&mut self, entry: &LogEntry, bytes: u64) {
        let dirty = entry.changes.iter().map(|change| (change.id, change.key.clone()));
        self.objects.extend(dirty);
        if let Some(used) = entry.used_key() {
            self.keys_in_order.push_back(used.key.clone());
            self.keys.insert(used.key.clone(), used);
        }
        self.commits += 1;
        self.bytes += bytes;
    }

    pub(crate) fn used_key(&self, key: &str) -> Option<&UsedKey> {
        self.keys.get(key)
    }

    pub(crate) fn has_round(&self) -> bool {
        self.round.is_some()
    }

    /// Begins a checkpoint of everything up to `target`.
    pub(crate) fn begin(&mut self, target: Revision, transitions: usize, log_bytes: u64) {
        self.round = Some(Round {
            target,
            objects: std::mem::take(&mut self.objects),
            transitions,
            keys: self.keys_in_order.len(),
            log_bytes,
        });
        self.commits = 0;
        self.bytes = 0;
    }

    /// The next part of the checkpoint, of about `rows_max` rows, and what holds
    /// after it if it is the last.
    pub(crate) fn step(
        &self,
        rows_max: usize,
        index: &Index,
        pending: &VecDeque<Arc<AuditEntry>>,
    ) -> Option<(Step, Option<RoundEnd>)> {
        let round = self.round.as_ref()?;
        let mut step = Step::default();
        for (id, key) in round.objects.iter().take(rows_max) {
            match index.get(key).filter(|versioned| versioned.resource.id() == *id) {
                Some(versioned) => step.put.push(versioned.clone()),
                None if planted(Bug::DeletionNotCheckpointed) => {}
                None => step.removed.push(*id),
            }
        }
        step.transitions = pending.iter().take(round.transitions.min(rows_max)).cloned().collect();
        let keys = self.keys_in_order.iter().take(round.keys.min(rows_max));
        let keys = keys.filter(|_| !planted(Bug::KeyForgotten));
        step.keys = keys.filter_map(|key| self.keys.get(key)).cloned().collect();
        let most = round.objects.len().max(round.transitions).max(round.keys);
        let end = RoundEnd { revision: round.target, log_bytes: round.log_bytes };
        Some((step, (most <= rows_max).then_some(end)))
    }

    /// Notes that the part which [`Backlog::step`] gave is written.
    pub(crate) fn stepped(&mut self, rows_max: usize, pending: &mut VecDeque<Arc<AuditEntry>>) {
        let Some(round) = &mut self.round else { return };
        for _ in 0..rows_max.min(round.objects.len()) {
            round.objects.pop_first();
        }
        let transitions = round.transitions.min(rows_max);
        pending.drain(..transitions);
        round.transitions -= transitions;
        let keys = round.keys.min(rows_max);
        for key in self.keys_in_order.drain(..keys) {
            self.keys.remove(&key);
        }
        round.keys -= keys;
        if round.objects.is_empty() && round.transitions == 0 && round.keys == 0 {
            self.round = None;
        }
    }
}
