//! What one node does with the copies that are assigned to it: a pure state machine.
//!
//! It has no clock, does no I/O and draws no random numbers: it is told the time, what the control plane wants and
//! what happened to its runs, and answers with [`Action`]s and reports. The shell around it
//! (the session) carries these out; the simulation does so in its own way.
//!
//! A *copy* is one placement of a workload (its id and epoch); a *run* is one start of a copy. The rules:
//!
//! - There is never more than one run of a workload on the node. A new copy waits until the old one is gone.
//! - A copy that was told to stop, whose window closed, or that is not in the newest list of assignments, is never
//!   started again. A final state is final.
//! - What is needed to go on after a crash is saved ([`Action::Save`]) before anything depends on it.
//! - The list of assignments is all there is to know: it may be lost, repeated or late without harm. What it leaves
//!   out, as it is known here, counts as listed.

mod action;
mod copy;
mod events;
mod health;
mod heartbeat;
mod identity;
mod progress;
mod restart;
mod restore;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::node::Capacity;
use tessera_types::sync::{Assignment, Held, RefusedReport, Report, ReportResponse};
use tessera_types::workload::WorkloadSpec;
use tessera_types::{Epoch, Revision, Timestamp, Uid};

pub use action::{Action, Adopted, Launch, RunEnd, RunEvent};
pub use heartbeat::Heartbeat;
pub use identity::{CopyId, NotAnId, RunId};
pub use progress::{Ending, Progress, REPORTS_KEPT_MAX};
pub use written::Unwritten;

use copy::{Copy, Gates};

/// The state machine of one node.
#[derive(Debug, Default)]
pub struct AgentCore {
    copies: BTreeMap<CopyId, Copy>,
    /// Runs that nothing is known of, being stopped.
    orphans: BTreeSet<RunId>,
    /// The assignments that are applied.
    revision: Revision,
    /// All assignments were listed since this agent began.
    is_listed: bool,
    /// Some assignment came without the spec that is needed.
    incomplete: bool,
    lease_until: Timestamp,
    hold_until: Timestamp,
    halting: bool,
    /// What the node has, as it was registered; none if it is not bounded.
    capacity: Option<Capacity>,
    outbox: Vec<Action>,
}

/// The assignments of a node, as an answer has them.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// What has not changed after this revision is left out; nothing of it has gone. Zero where nothing is.
    pub since: Revision,
    /// The revision of the list.
    pub revision: Revision,
    /// All other assignments of the node.
    pub assignments: &'a [Assignment],
}

impl<'a> Listed<'a> {
    /// All assignments of the node.
    #[must_use]
    pub fn all(revision: Revision, assignments: &'a [Assignment]) -> Self {
        Self { since: Revision::ZERO, revision, assignments }
    }
}

impl AgentCore {
    /// A core that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds what runs on the node, stale copies included.
    #[must_use]
    pub fn with_capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// What to ask the control plane with: the revision that is applied, or zero where the full specs are needed.
    #[must_use]
    pub fn since(&self) -> Revision {
        if self.incomplete { Revision::ZERO } else { self.revision }
    }

    /// The agent has registered: the control plane may be another one, so revisions count anew.
    pub fn registered(&mut self) {
        self.revision = Revision::ZERO;
    }

    /// The control plane was heard of. Until `lease_until`, copies that must not outlive the lease may be started;
    /// `listed` has the assignments of the node, if there is anything new. A list that is older than what is applied is
    /// ignored, and so is one that leaves out what is not known here: the next is asked for with what is.
    pub fn synced(&mut self, now: Timestamp, lease_until: Timestamp, listed: Option<Listed<'_>>) {
        self.lease_until = lease_until;
        let fits = |it: &Listed<'_>| it.revision >= self.revision && it.since <= self.since();
        if let Some(listed) = listed.filter(fits) {
            self.revision = listed.revision;
            self.assignments(now, &listed);
        }
        self.advance_all(now);
    }

    /// What it has of what was listed, in short; none where not all was listed, or not all of it is known.
    #[must_use]
    pub fn held(&self) -> Option<u64> {
        let assigned = self.copies.values().filter_map(Copy::held);
        (self.is_listed && !self.incomplete).then(|| Held::digest(assigned))
    }

    /// What it has is all that is assigned to the node, as of `revision`: as if it had been listed.
    pub fn unchanged(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision);
    }

    fn assignments(&mut self, now: Timestamp, listed: &Listed<'_>) {
        (self.is_listed, self.incomplete) = (true, false);
        self.hold_until = Timestamp::EPOCH;
        let wanted = newest_by_workload(listed.assignments);
        let is_whole = listed.since == Revision::ZERO;
        for assignment in wanted.values() {
            self.assign(now, assignment);
        }
        for (id, copy) in &mut self.copies {
            let is_wanted = match wanted.get(&id.id) {
                Some(one) => one.epoch == id.epoch || planted(Bug::OldEpochKept),
                None => !is_whole,
            };
            if !is_wanted {
                copy.unassign();
            }
        }
    }

    fn assign(&mut self, now: Timestamp, assignment: &Assignment) {
        let id = CopyId { id: assignment.id, epoch: assignment.epoch };
        if let Some(copy) = self.copies.get_mut(&id) {
            copy.update(now, assignment, &mut self.outbox);
        } else if let Some(spec) = self.spec_of(assignment) {
            self.copies.insert(id, Copy::assigned(assignment, spec));
        } else {
            self.incomplete = true;
        }
    }

    /// The spec of an assignment: its own, or the same generation's as of an earlier copy.
    fn spec_of(&self, assignment: &Assignment) -> Option<Arc<WorkloadSpec>> {
        let known = || {
            self.of_workload(assignment.id)
                .find(|copy| copy.progress.generation == assignment.generation)
                .map(|copy| copy.progress.spec.clone())
        };
        assignment.spec.clone().or_else(known)
    }

    /// Something happened to a run.
    pub fn event(&mut self, now: Timestamp, run: RunId, event: RunEvent) {
        let current = self.copies.get_mut(&run.copy).filter(|copy| copy.run() == Some(run));
        if let Some(copy) = current {
            copy.event(now, event, self.halting, &mut self.outbox);
        } else if matches!(event, RunEvent::Ended(_)) {
            self.orphans.remove(&run);
            self.outbox.push(Action::Remove { run });
        }
        let ended = self.copies.get(&run.copy).filter(|copy| copy.live.is_none());
        if ended.is_some_and(|copy| copy.is_stale() || !self.is_listed) {
            // It made room for others.
            self.advance_all(now);
        }
        self.advance_workload(now, run.copy.id);
    }

    /// The wall clock was set by so many milliseconds, forward if positive. What was to happen after a pause still
    /// happens after that pause; windows follow the clock.
    pub fn clock_set(&mut self, now: Timestamp, by_ms: i64) {
        self.lease_until = self.lease_until.moved_by_ms(by_ms);
        self.hold_until = self.hold_until.moved_by_ms(by_ms);
        for copy in self.copies.values_mut() {
            copy.clock_set(now, by_ms);
        }
        self.advance_all(now);
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: Timestamp) {
        self.advance_all(now);
    }

    /// Stops all runs without giving up their copies: they start again with the next agent.
    pub fn halt(&mut self, now: Timestamp) {
        self.halting = true;
        self.advance_all(now);
    }

    /// When [`AgentCore::tick`] has something to do, if nothing else happens before.
    #[must_use]
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        let has_stale = self.has_stale();
        let due = |copy: &Copy| copy.next_wakeup(now, &self.gates(copy.id(), has_stale));
        let rests = |copy: &&Copy| !self.halting && copy.rests();
        debug_assert!(self.copies.values().filter(rests).all(|copy| due(copy).is_none()));
        let starts = self.copies.values().filter_map(|copy| copy.tells_start_at(now));
        let awake = self.copies.values().filter(|copy| !rests(copy));
        awake.filter_map(due).chain(starts).min()
    }

    /// What is to be done, in this order. Saving comes first: a run that is started or removed before that is
    /// written down would be lost by a crash in between.
    pub fn take_actions(&mut self) -> Vec<Action> {
        let too_early = || std::mem::take(&mut self.outbox);
        let mut actions = planted(Bug::StartBeforeSave).then(too_early).unwrap_or_default();
        let known = self.copies.values_mut().filter(|copy| !copy.is_gone());
        for copy in known.filter(|copy| copy.changed) {
            copy.changed = false;
            let news = std::mem::take(&mut copy.news);
            actions.push(Action::Save { progress: Box::new(copy.progress.clone()), news });
        }
        actions.append(&mut self.outbox);
        let gone: Vec<CopyId> =
            self.copies.values().filter(|copy| copy.is_gone()).map(Copy::id).collect();
        for copy in gone {
            self.copies.remove(&copy);
            actions.push(Action::Forget { copy });
        }
        actions
    }

    /// At most `limit` reports that were not acknowledged, oldest first for each copy.
    #[must_use]
    pub fn reports(&self, limit: usize) -> Vec<Report> {
        self.unreported().take(limit).cloned().collect()
    }

    /// All reports that were not acknowledged, oldest first for each copy.
    pub fn unreported(&self) -> impl Iterator<Item = &Report> {
        self.copies.values().flat_map(Copy::reports)
    }

    /// Of these, the ones to be told now.
    pub fn due_reports(&self, now: Timestamp) -> impl Iterator<Item = &Report> {
        let due = self.copies.values().filter(move |copy| copy.tells_start_at(now).is_none());
        due.flat_map(Copy::reports)
    }

    /// Whether there is any report that was not acknowledged.
    #[must_use]
    pub fn has_reports(&self) -> bool {
        self.unreported().next().is_some()
    }

    /// The control plane has dealt with these reports. Those of stale workloads it refused, as it has other plans for
    /// them: then what it wants is asked for in full. What it cannot take now is kept.
    pub fn acknowledged(&mut self, reports: &[Report], answer: &ReportResponse) {
        let refused = |report: &Report| {
            let is_it = |it: &RefusedReport| (it.id, it.seq) == (report.id, report.seq);
            answer.refused.iter().any(is_it)
        };
        for report in reports.iter().filter(|report| !answer.postponed.contains(&report.id)) {
            if refused(report) {
                self.too_large(report);
            } else if let Some(copy) = self.copies.get_mut(&copy_of(report)) {
                copy.progress.acknowledged(report.seq);
                self.incomplete |= answer.stale.contains(&report.id);
            }
        }
    }

    /// This report is too large to be told. The newest of a copy is shortened, as it says what is; any other, and one
    /// that is as short as can be, is dropped.
    pub fn too_large(&mut self, report: &Report) {
        if let Some(copy) = self.copies.get_mut(&copy_of(report)) {
            copy.progress.refused(report.seq);
            copy.changed = true;
        }
    }

    /// All copies, by workload and epoch.
    pub fn copies(&self) -> impl Iterator<Item = &Progress> {
        self.copies.values().map(|copy| &copy.progress)
    }

    /// The runs that may be there.
    pub fn live_runs(&self) -> impl Iterator<Item = RunId> {
        self.copies.values().filter_map(Copy::run).chain(self.orphans.iter().copied())
    }

    fn of_workload(&self, id: Uid) -> impl Iterator<Item = &Copy> {
        let all = CopyId { id, epoch: Epoch(0) }..=CopyId { id, epoch: Epoch(u64::MAX) };
        self.copies.range(all).map(|(_, copy)| copy)
    }

    /// Whether copies run that the control plane does not count any more.
    fn has_stale(&self) -> bool {
        self.copies.values().any(|copy| copy.live.is_some() && copy.is_stale())
    }

    fn gates(&self, id: CopyId, has_stale: bool) -> Gates {
        let other_copy = self.of_workload(id.id).any(|copy| copy.id() != id && copy.live.is_some());
        let orphan = self.orphans.iter().any(|run| run.copy.id == id.id);
        Gates {
            blocked: (other_copy || orphan) && !planted(Bug::TwoRunsAtOnce),
            crowded: (has_stale || !self.is_listed)
                && self.is_crowded_for(id)
                && !planted(Bug::CrowdedStart),
            lease_until: self.lease_until,
            hold_until: self.hold_until,
            halting: self.halting,
        }
    }

    /// Whether stale copies, which the control plane does not count any more, leave too little room for this one: it
    /// waits until they are gone. What the control plane has placed fits by itself. Before it was listed nobody knows
    /// which are stale: the agent before may have been killed before it wrote that down.
    fn is_crowded_for(&self, id: CopyId) -> bool {
        let live =
            || self.copies.values().filter(move |copy| copy.live.is_some() && copy.id() != id);
        let counts = !self.is_listed || live().any(Copy::is_stale);
        let (Some(copy), true) = (self.copies.get(&id), counts) else { return false };
        let spec = &copy.progress.spec;
        let takes_port = |other: &Copy| {
            other.progress.spec.host_ports().any(|port| spec.host_ports().any(|mine| mine == port))
        };
        let Some(capacity) = self.capacity else { return live().any(takes_port) };
        let (cpu, memory) =
            live().fold((spec.resources.cpu.0, spec.resources.memory.0), |(cpu, memory), other| {
                let resources = other.progress.spec.resources;
                (cpu + resources.cpu.0, memory + resources.memory.0)
            });
        let is_one_too_many =
            live().count() >= capacity.workloads as usize && !planted(Bug::PlacesNotCounted);
        let is_too_much = cpu > capacity.cpu.0 || memory > capacity.memory.0;
        live().any(takes_port) || is_too_much || is_one_too_many
    }

    fn advance_all(&mut self, now: Timestamp) {
        let awake = self.copies.values().filter(|copy| self.halting || !copy.rests());
        let ids: Vec<CopyId> = awake.map(Copy::id).collect();
        self.advance_these(now, ids);
    }

    fn advance_workload(&mut self, now: Timestamp, id: Uid) {
        let ids: Vec<CopyId> = self.of_workload(id).map(Copy::id).collect();
        self.advance_these(now, ids);
    }

    /// What is stale does not depend on what is advanced, so it is looked for once.
    fn advance_these(&mut self, now: Timestamp, ids: Vec<CopyId>) {
        let waits = |id| self.copies.get(id).is_some_and(|copy| copy.live.is_none());
        let has_stale = ids.iter().any(waits) && self.has_stale();
        for id in ids {
            let gates = self.gates(id, has_stale);
            if let Some(copy) = self.copies.get_mut(&id) {
                copy.advance(now, &gates, &mut self.outbox);
            }
        }
    }
}

fn copy_of(report: &Report) -> CopyId {
    CopyId { id: report.id, epoch: report.epoch }
}

/// One assignment for each workload. Should there ever be two, the newer placement counts.
fn newest_by_workload(list: &[Assignment]) -> BTreeMap<Uid, &Assignment> {
    let mut newest: BTreeMap<Uid, &Assignment> = BTreeMap::new();
    for assignment in list {
        let known = newest.entry(assignment.id).or_insert(assignment);
        if assignment.epoch > known.epoch {
            *known = assignment;
        }
    }
    newest
}
