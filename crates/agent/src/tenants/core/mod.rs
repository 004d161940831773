//! What one node does with the tenants that are assigned to it: a pure state machine.
//!
//! It has no clock and does no I/O. It is told the time, what the control plane wants and what came of each [`Job`],
//! and answers with the next job and with reports. The rules:
//!
//! - The list of assignments is all there is to know. A tenant that is remembered and not listed is removed.
//! - One job at a time: each is decided from what the last one found, so nothing here can overlap.
//! - What is needed to go on after a crash is saved before anything depends on it. A job may be cut off anywhere, and
//!   is then done again: installing and removing twice is as once, and a start is preceded by its note.
//! - A run that was asked for is started once. See [`runs`](self).
//! - A service manager that does not answer one job is not asked the next: that is told of all tenants, and tried
//!   again after a pause.
//! - A report says what is. One is made when it differs from the last, so a node where nothing happens says nothing.

mod job;
mod note;
mod runs;
mod tenant;

use std::collections::{BTreeMap, BTreeSet};

use tessera_planted::{Bug, planted};
use tessera_types::{Duration, Revision, Timestamp, Uid};

pub use job::{
    Before, Converged, Declared, Done, Job, Look, ServiceUnit, Start, Started, UnitSeen,
};
pub use note::{Installed, Note, Phase, RunNote, Wish};

use runs::NOT_THERE;
use tenant::Tenant;

use tessera_types::sync::{TenantAssignment, TenantReport};
use tessera_types::tenant::RunRequestId;

/// How often units are looked at while a run that was asked for is under way.
const WATCH: Duration = Duration::from_millis(300);
/// How often while anything runs.
const WATCH_RUNNING: Duration = Duration::from_secs(2);
/// How long after a timer is due its run is looked for.
const TIMER_SLACK: Duration = Duration::from_millis(1500);

/// The tenants of one node.
#[derive(Debug)]
pub struct TenantsCore {
    tenants: BTreeMap<Uid, Tenant>,
    /// How often the machine is compared with what is declared.
    interval: Duration,
    /// When units are looked at next.
    look_at: Timestamp,
    /// The list that is applied.
    revision: Revision,
    /// Some assignment came without the spec that is needed.
    incomplete: bool,
    under_way: Option<UnderWay>,
    /// The number of the last report. One count for all tenants: one that leaves and comes back has no number twice.
    seq: u64,
}

/// What is remembered of the job that is under way.
#[derive(Debug)]
enum UnderWay {
    Save(Uid),
    Forget(Uid),
    Converge(Uid, u64),
    Remove(Uid),
    Start(Uid, RunRequestId),
    Look,
}

impl TenantsCore {
    /// What an earlier agent remembered, and how often the machine is compared with it.
    #[must_use]
    pub fn restore(now: Timestamp, notes: Vec<Note>, interval: Duration) -> Self {
        let tenants = notes.into_iter().map(|note| (note.id, Tenant::restored(note, now)));
        Self {
            tenants: tenants.collect(),
            interval,
            look_at: now,
            revision: Revision::ZERO,
            incomplete: false,
            under_way: None,
            seq: 0,
        }
    }

    /// Whether the control plane is to be asked for everything, as some spec is needed.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// What to ask the control plane with, where that of workloads would ask with `workloads`; zero for everything.
    /// One list that is newer than the other says that of the other there was nothing new.
    #[must_use]
    pub fn since(&self, workloads: Revision) -> Revision {
        match workloads {
            Revision::ZERO => Revision::ZERO,
            _ if self.incomplete => Revision::ZERO,
            since => since.max(self.revision),
        }
    }

    /// The revision of the list that is applied.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The agent has registered: the control plane may be another one, and is told everything again.
    pub fn registered(&mut self) {
        self.revision = Revision::ZERO;
        self.tenants.values_mut().for_each(Tenant::tell_again);
        self.refresh_reports();
    }

    /// All tenants of the node, as the control plane wants them.
    ///
    /// A list that is older than what is applied is ignored.
    pub fn assigned(&mut self, now: Timestamp, revision: Revision, list: &[TenantAssignment]) {
        if revision < self.revision {
            return;
        }
        self.revision = revision;
        self.incomplete = false;
        for assignment in list {
            let complete = match self.tenants.get_mut(&assignment.id) {
                Some(tenant) => {
                    if assignment.report {
                        tenant.tell_again();
                    }
                    tenant.update(assignment, now)
                }
                None => match Tenant::assigned(assignment, now) {
                    Some(tenant) => self.tenants.insert(assignment.id, tenant).is_none(),
                    None => false,
                },
            };
            self.incomplete |= !complete;
        }
        let listed: BTreeSet<Uid> = list.iter().map(|assignment| assignment.id).collect();
        let gone = self.tenants.iter_mut().filter(|(id, _)| !listed.contains(id));
        gone.for_each(|(_, tenant)| tenant.unassign(now));
        self.give_up_removed(now);
        if self.tenants.values().any(Tenant::wants_look) {
            self.look_at = now;
        }
        self.refresh_reports();
    }

    /// What has not begun on a tenant that is to go never will.
    fn give_up_removed(&mut self, now: Timestamp) {
        for tenant in self.tenants.values_mut().filter(|it| it.note.wish != Wish::Installed) {
            tenant.give_up_asked(now, NOT_THERE, "the tenant is not to be on this node any more");
        }
    }

    /// The next thing to do, if there is any and none is under way.
    pub fn next(&mut self, now: Timestamp) -> Option<Job> {
        if self.under_way.is_some() {
            return None;
        }
        let job = self
            .save(now)
            .or_else(|| self.forget())
            .or_else(|| self.start())
            .or_else(|| self.look(now))
            .or_else(|| self.remove(now))
            .or_else(|| self.converge(now))?;
        self.under_way = Some(match &job {
            Job::Save(note) => UnderWay::Save(note.id),
            Job::Forget(id) => UnderWay::Forget(*id),
            Job::Converge(declared) => {
                UnderWay::Converge(declared.id, self.tenants[&declared.id].note.generation)
            }
            Job::Remove { id, .. } => UnderWay::Remove(*id),
            Job::Start(start) => UnderWay::Start(start.id, start.run.clone()),
            Job::Look(_) => UnderWay::Look,
        });
        Some(job)
    }

    fn save(&mut self, now: Timestamp) -> Option<Job> {
        let due =
            |tenant: &&mut Tenant| tenant.dirty && (tenant.unsaved.is_none() || tenant.due <= now);
        let tenant = self.tenants.values_mut().find(due)?;
        (tenant.dirty, tenant.saving) = (false, true);
        Some(Job::Save(Box::new(tenant.note.clone())))
    }

    fn forget(&self) -> Option<Job> {
        let gone = |tenant: &&Tenant| {
            let is_removed = tenant.note.removed || planted(Bug::RemovalForgotten);
            tenant.note.wish == Wish::Forgotten && is_removed && !tenant.dirty
        };
        self.tenants.values().find(gone).map(|tenant| Job::Forget(tenant.note.id))
    }

    fn start(&self) -> Option<Job> {
        let is_noted = |tenant: &&Tenant| !tenant.dirty || planted(Bug::StartBeforeNote);
        let saved = self.tenants.values().filter(is_noted);
        saved.filter_map(Tenant::start_due).next().map(Job::Start)
    }

    fn look(&self, now: Timestamp) -> Option<Job> {
        if now < self.look_at {
            return None;
        }
        let units: BTreeSet<String> = self.tenants.values().flat_map(Tenant::units).collect();
        (!units.is_empty()).then(|| Job::Look(units.into_iter().collect()))
    }

    fn remove(&self, now: Timestamp) -> Option<Job> {
        let due = |tenant: &&Tenant| tenant.may_be_removed() && tenant.due <= now;
        let note = &self.tenants.values().find(due)?.note;
        Some(Job::Remove { id: note.id, name: note.name.clone() })
    }

    fn converge(&self, now: Timestamp) -> Option<Job> {
        let due = |tenant: &&Tenant| self.may_converge(tenant) && tenant.due <= now;
        let note = &self.tenants.values().filter(due).min_by_key(|tenant| tenant.due)?.note;
        let spec = note.spec.clone()?;
        Some(Job::Converge(Declared { id: note.id, name: note.name.clone(), spec }))
    }

    /// Whether the machine is to be as this tenant is declared: its name is free, and what is to be remembered is.
    fn may_converge(&self, tenant: &Tenant) -> bool {
        let blocks = |other: &Tenant| {
            other.note.id != tenant.note.id
                && other.note.name == tenant.note.name
                && other.note.wish != Wish::Installed
                && !other.note.removed
        };
        tenant.note.wish == Wish::Installed
            && tenant.note.spec.is_some()
            && !tenant.dirty
            && !self.tenants.values().any(blocks)
    }

    /// What came of the job.
    pub fn done(&mut self, now: Timestamp, done: Done) {
        let interval = self.interval;
        match (self.under_way.take(), done) {
            (Some(UnderWay::Save(id)), Done::Saved(result)) => {
                self.with(id, |tenant| tenant.saved(now, interval, result));
            }
            (Some(UnderWay::Forget(id)), Done::Forgotten(result)) => {
                self.forgotten(now, id, result);
            }
            (Some(UnderWay::Converge(id, generation)), Done::Converged(converged)) => {
                self.with(id, |tenant| tenant.converged(now, interval, generation, converged));
                // What was installed or put right is to be seen.
                self.look_at = now;
            }
            (Some(UnderWay::Remove(id)), Done::Removed(result)) => {
                self.with(id, |tenant| tenant.removed(now, interval, result));
            }
            (Some(UnderWay::Start(id, run)), Done::Started(started)) => {
                self.with(id, |tenant| tenant.started(run, started));
                self.look_at = now;
            }
            (Some(UnderWay::Look), Done::Looked(look)) => self.looked(now, &look),
            (Some(UnderWay::Converge(id, _) | UnderWay::Remove(id)), Done::HeldUp(why)) => {
                self.with(id, |tenant| tenant.held_up(now, interval, &why));
            }
            (Some(_), Done::Unanswered(why)) => self.unanswered(now, &why),
            // Nothing else is ever under way; whatever it was, it is decided anew.
            _ => {}
        }
        self.refresh_reports();
    }

    fn with(&mut self, id: Uid, act: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = self.tenants.get_mut(&id) {
            act(tenant);
        }
    }

    fn forgotten(&mut self, now: Timestamp, id: Uid, result: Result<(), String>) {
        match result {
            Ok(()) if self.tenants.get(&id).is_some_and(|it| it.note.wish == Wish::Forgotten) => {
                self.tenants.remove(&id);
            }
            // It came back meanwhile, and is written down again.
            Ok(()) => self.with(id, |tenant| tenant.dirty = true),
            Err(why) => {
                let interval = self.interval;
                self.with(id, |tenant| tenant.saved(now, interval, Err(why)));
            }
        }
    }

    fn looked(&mut self, now: Timestamp, look: &Look) {
        for tenant in self.tenants.values_mut() {
            tenant.looked(now, look);
            tenant.seen(look);
        }
        self.look_at = now.plus(self.pause(now));
    }

    /// Nobody is asked again at once for the next tenant: with a service manager that hangs, each would wait as
    /// long as the first.
    fn unanswered(&mut self, now: Timestamp, why: &str) {
        let interval = self.interval;
        self.tenants.values_mut().for_each(|tenant| tenant.unanswered(now, interval, why));
        self.look_at = now.plus(self.pause(now));
    }

    /// How long nothing is looked at.
    fn pause(&self, now: Timestamp) -> Duration {
        if self.tenants.values().any(Tenant::wants_look) {
            return WATCH;
        }
        let fires = self.tenants.values().filter_map(Tenant::next_run_at).min();
        let fires = fires.map_or(self.interval, |at| at.since(now).plus(TIMER_SLACK));
        let running = self.tenants.values().any(Tenant::is_running);
        let pause = if running { WATCH_RUNNING } else { self.interval };
        pause.min(fires).min(self.interval)
    }

    /// The wall clock was set by so many milliseconds, forward if positive.
    pub fn clock_set(&mut self, by_ms: i64) {
        self.look_at = self.look_at.moved_by_ms(by_ms);
        for tenant in self.tenants.values_mut() {
            tenant.due = tenant.due.moved_by_ms(by_ms);
        }
    }

    /// When there is something to do, if nothing happens before.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        if self.under_way.is_some() {
            return None;
        }
        let due = |tenant: &Tenant| {
            let acts = tenant.dirty || self.may_converge(tenant) || tenant.may_be_removed();
            acts.then_some(tenant.due)
        };
        let dues = self.tenants.values().filter_map(due);
        let looks = self.tenants.values().any(|tenant| tenant.units().next().is_some());
        dues.chain(looks.then_some(self.look_at)).min()
    }

    // What there is to tell.

    fn refresh_reports(&mut self) {
        self.tenants.values_mut().for_each(|tenant| tenant.refresh_report(&mut self.seq));
    }

    /// What was not acknowledged.
    pub fn unreported(&self) -> impl Iterator<Item = &TenantReport> {
        self.tenants.values().filter_map(Tenant::unreported)
    }

    /// The control plane has dealt with this report.
    pub fn acknowledged(&mut self, report: &TenantReport) {
        self.with(report.id, |tenant| tenant.acknowledged(report.seq));
    }

    /// All that is remembered.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.tenants.values().map(|tenant| &tenant.note)
    }
}
