//! One tenant of the node: what is wanted of it, what was done, and what there is to tell.

use std::collections::BTreeMap;

use tessera_types::{Duration, Name, Timestamp, limits};

use super::job::{Converged, Look, UnitSeen};
use super::note::{Installed, Note, Phase, RunNote, Wish};
use super::runs::{Attempt, NOT_THERE};
use tessera_types::sync::{InstallState, TenantAssignment, TenantReport};
use tessera_types::tenant::{
    LastRun, Repaired, RunRequestId, RunSource, TenantConflict, TenantService,
};

/// After a failure it is tried again after this, then after twice as long, at most after the interval of looks.
const RETRY: Duration = Duration::from_secs(1);
/// Doublings of that pause: more would make no difference.
const DOUBLINGS_MAX: u32 = 10;

/// The exit code of a run that cannot begin for what is in the tenant's way.
const CONFLICT: i32 = 4;
/// The exit code of a run that cannot begin as there is nobody to start it.
const UNREACHABLE: i32 = 5;

/// One tenant.
#[derive(Debug)]
pub(super) struct Tenant {
    /// What is remembered.
    pub(super) note: Note,
    /// The note is to be saved.
    pub(super) dirty: bool,
    /// It is being saved.
    pub(super) saving: bool,
    /// Why it could not be saved, if so.
    pub(super) unsaved: Option<String>,
    /// When it is to be saved, or made as declared, next.
    pub(super) due: Timestamp,
    /// Failures in a row.
    pub(super) failures: u32,
    /// What is known of starts that are not confirmed.
    pub(super) attempts: BTreeMap<RunRequestId, Attempt>,
    standing: Standing,
    services: Vec<TenantService>,
    /// The last report that was made.
    made: Option<TenantReport>,
    /// The number of the last report that was acknowledged.
    acknowledged: u64,
}

/// How it stands, in words.
#[derive(Clone, Debug, PartialEq)]
struct Standing {
    state: InstallState,
    reason: String,
    conflicts: Vec<TenantConflict>,
}

impl Standing {
    fn new(state: InstallState, reason: &str) -> Self {
        let reason = limits::clip(reason, limits::REASON_BYTES_MAX);
        Self { state, reason, conflicts: Vec::new() }
    }

    /// How it stands before anything is tried.
    fn of(note: &Note, reason: &str) -> Self {
        match note.wish {
            Wish::Installed => Self::new(InstallState::Installing, reason),
            _ if note.removed => Self::new(InstallState::Removed, ""),
            Wish::Removed | Wish::Forgotten => Self::new(InstallState::Removing, reason),
        }
    }
}

impl Tenant {
    /// A tenant as it was remembered. It is looked at first.
    pub(super) fn restored(note: Note, now: Timestamp) -> Self {
        let standing = Standing::of(&note, "not looked at yet");
        Self {
            note,
            dirty: false,
            saving: false,
            unsaved: None,
            due: now,
            failures: 0,
            attempts: BTreeMap::new(),
            standing,
            services: Vec::new(),
            made: None,
            acknowledged: 0,
        }
    }

    /// A tenant that was just assigned. None where its spec is needed and not there.
    pub(super) fn assigned(assignment: &TenantAssignment, now: Timestamp) -> Option<Self> {
        if assignment.spec.is_none() && !assignment.remove {
            return None;
        }
        let note = Note {
            id: assignment.id,
            name: assignment.name.clone(),
            wish: wish(assignment),
            generation: assignment.generation,
            turn: assignment.turn,
            hash: assignment.hash,
            spec: assignment.spec.clone(),
            installed: None,
            removed: false,
            repaired: None,
            services: Vec::new(),
            runs: BTreeMap::new(),
        };
        let mut tenant = Self { dirty: true, ..Self::restored(note, now) };
        tenant.requested(&assignment.runs);
        Some(tenant)
    }

    /// Takes in what is wanted. Answers whether that is all there: false where the spec is needed.
    pub(super) fn update(&mut self, assignment: &TenantAssignment, now: Timestamp) -> bool {
        let news = self.note.generation != assignment.generation || self.note.spec.is_none();
        if news && assignment.spec.is_none() && !assignment.remove {
            return false;
        }
        let before = (self.note.wish, self.note.generation);
        self.dirty |= self.note.turn != assignment.turn;
        self.note.turn = assignment.turn;
        self.note.wish = wish(assignment);
        self.note.generation = assignment.generation;
        self.note.hash = assignment.hash;
        if let Some(spec) = &assignment.spec {
            self.note.spec = Some(spec.clone());
        }
        if before != (self.note.wish, self.note.generation) {
            self.note.removed &= self.note.wish != Wish::Installed;
            self.changed(now);
        }
        self.requested(&assignment.runs);
        if self.note.runs.values().any(|run| run.phase == Phase::Asked) && !self.is_installed() {
            // Whoever asked waits to hear why it does not begin.
            self.due = now;
        }
        true
    }

    /// It is not in the list any more.
    pub(super) fn unassign(&mut self, now: Timestamp) {
        if self.note.wish != Wish::Forgotten {
            self.note.wish = Wish::Forgotten;
            self.changed(now);
        }
    }

    fn changed(&mut self, now: Timestamp) {
        self.dirty = true;
        self.failures = 0;
        self.due = now;
        let reason = self.waits_for_run().unwrap_or_else(|| "the agent has been told".to_owned());
        self.standing = Standing::of(&self.note, &reason);
    }

    /// What is on the machine is not enough for what is to be done there.
    pub(super) fn is_to_be_put_right(&mut self, now: Timestamp) {
        self.due = now;
        self.standing = Standing::of(&self.note, "a timer is not on");
    }

    /// What its removal waits for, if a run that was asked for is under way.
    fn waits_for_run(&self) -> Option<String> {
        let live = self.note.runs.values().find(|run| run.is_live())?;
        let is_removed = self.note.wish != Wish::Installed;
        is_removed.then(|| format!("waits for the end of {}, which is running", self.unit_of(live)))
    }

    /// Whether it is on the machine as it is declared, as far as is known.
    pub(super) fn is_installed(&self) -> bool {
        self.note.wish == Wish::Installed && self.standing.state == InstallState::Installed
    }

    /// Whether it is to be removed, and nothing forbids it.
    pub(super) fn may_be_removed(&self) -> bool {
        self.note.wish != Wish::Installed
            && !self.note.removed
            && !self.dirty
            && !self.has_live_runs()
    }

    /// The unit of a run.
    pub(super) fn unit_of(&self, run: &RunNote) -> String {
        unit_of(&self.note.name, run.service.as_ref())
    }

    /// The units that are looked at.
    pub(super) fn units(&self) -> impl Iterator<Item = String> {
        let services = self.note.services.iter();
        let own = services.flat_map(|service| [service.service_unit(), service.timer_unit()]);
        own.chain(self.note.runs.values().map(|run| self.unit_of(run)))
    }

    /// It was saved, or not.
    pub(super) fn saved(&mut self, now: Timestamp, interval: Duration, result: Result<(), String>) {
        self.saving = false;
        match result {
            Ok(()) => {
                self.failures = if self.unsaved.take().is_some() { 0 } else { self.failures };
            }
            Err(why) => {
                self.dirty = true;
                self.unsaved = Some(why);
                self.failed(now, interval);
            }
        }
    }

    fn failed(&mut self, now: Timestamp, interval: Duration) {
        let pause = RETRY.times(1 << self.failures.min(DOUBLINGS_MAX));
        self.due = now.plus(if pause < interval { pause } else { interval });
        self.failures = self.failures.saturating_add(1);
    }

    /// It was made as it was declared then, or not.
    pub(super) fn converged(
        &mut self,
        now: Timestamp,
        interval: Duration,
        generation: u64,
        converged: Converged,
    ) {
        if self.note.wish != Wish::Installed || self.note.generation != generation {
            // What was wanted has changed meanwhile, and is due.
            return;
        }
        self.failures = if matches!(converged, Converged::Failed(_)) { self.failures } else { 0 };
        self.due = now.plus(interval);
        match converged {
            Converged::Installed { services, changed } => {
                self.installed(now, &changed);
                if self.note.services != services {
                    self.note.services = services;
                    self.dirty = true;
                }
            }
            Converged::Conflict(conflicts) => {
                let reason = match conflicts.as_slice() {
                    [one] => format!("{} is in the way: {}", one.path, one.found),
                    more => format!("{} things are in the way; nothing was changed", more.len()),
                };
                self.give_up_asked(now, CONFLICT, &reason);
                self.standing =
                    Standing { conflicts, ..Standing::new(InstallState::Conflict, &reason) };
            }
            Converged::Failed(why) => {
                self.give_up_asked(now, NOT_THERE, &why);
                self.standing = Standing::new(InstallState::Failed, &why);
                self.failed(now, interval);
            }
        }
    }

    fn installed(&mut self, now: Timestamp, changed: &[String]) {
        let note = &mut self.note;
        let known = Installed { generation: note.generation, hash: note.hash };
        if note.installed.as_ref() != Some(&known) {
            note.installed = Some(known);
            self.dirty = true;
        } else if !changed.is_empty() {
            let count = note.repaired.as_ref().map_or(0, |repaired| repaired.count) + 1;
            let what = limits::clip(&changed.join(", "), limits::REASON_BYTES_MAX);
            note.repaired = Some(Repaired { count, last_at: now, what });
            self.dirty = true;
        }
        self.standing = Standing::new(InstallState::Installed, "");
    }

    /// It was removed, or not.
    pub(super) fn removed(
        &mut self,
        now: Timestamp,
        interval: Duration,
        result: Result<(), String>,
    ) {
        if self.note.wish == Wish::Installed {
            // What of it is gone is seen by the next look.
            return;
        }
        match result {
            Ok(()) => {
                self.note.removed = true;
                self.note.installed = None;
                self.note.services.clear();
                self.services.clear();
                self.dirty = true;
                self.failures = 0;
                self.standing = Standing::new(InstallState::Removed, "");
            }
            Err(why) => {
                self.standing = Standing::new(InstallState::Removing, &why);
                self.failed(now, interval);
            }
        }
    }

    /// Somebody else has units changed. How it stands is not touched by that, nor what waits for it.
    pub(super) fn held_up(&mut self, now: Timestamp, interval: Duration, why: &str) {
        if self.standing.state != InstallState::Installed {
            self.standing.reason = limits::clip(why, limits::REASON_BYTES_MAX);
        }
        self.failed(now, interval);
    }

    /// What is to be done with it cannot be, as the service manager does not answer.
    pub(super) fn unanswered(&mut self, now: Timestamp, interval: Duration, why: &str) {
        match self.note.wish {
            Wish::Installed => {
                self.give_up_asked(now, UNREACHABLE, why);
                self.standing = Standing::new(InstallState::Failed, why);
            }
            Wish::Removed | Wish::Forgotten if self.note.removed => return,
            Wish::Removed | Wish::Forgotten => {
                self.standing = Standing::new(InstallState::Removing, why);
            }
        }
        self.failed(now, interval);
    }

    /// Takes in how its units are, for people to see.
    pub(super) fn seen(&mut self, look: &Look) {
        let before = std::mem::take(&mut self.services);
        let service = |unit: &super::job::ServiceUnit| {
            let service = look.units.get(&unit.service_unit());
            let timer = look.units.get(&unit.timer_unit());
            let known = before.iter().find(|known| known.unit == unit.service_unit());
            TenantService {
                service: unit.service.clone(),
                unit: unit.service_unit(),
                next_run_at: timer.and_then(|timer| timer.next_run_at),
                running_since: service.filter(|it| it.running).and_then(|it| it.started_at),
                last_run: service
                    .and_then(last_run)
                    .or_else(|| known.and_then(|known| known.last_run.clone())),
            }
        };
        self.services = self.note.services.iter().map(service).collect();
    }

    /// When one of its timers fires next.
    pub(super) fn next_run_at(&self) -> Option<Timestamp> {
        self.services.iter().filter_map(|service| service.next_run_at).min()
    }

    /// Whether one of its services runs.
    pub(super) fn is_running(&self) -> bool {
        self.services.iter().any(|service| service.running_since.is_some())
    }

    // What there is to tell.

    /// Makes a new report if there is anything to tell that is not in the last one, and numbers it. What could be lost
    /// again by a crash is not told.
    pub(super) fn refresh_report(&mut self, seq: &mut u64) {
        if self.note.wish == Wish::Forgotten
            || ((self.dirty || self.saving) && self.unsaved.is_none())
        {
            return;
        }
        let mut report = self.report();
        if self.made.as_ref().is_some_and(|made| {
            report.seq = made.seq;
            report == *made
        }) {
            return;
        }
        *seq += 1;
        report.seq = *seq;
        self.made = Some(report);
    }

    /// How it is, without a number.
    fn report(&self) -> TenantReport {
        let standing = match &self.unsaved {
            Some(why) => &Standing::new(InstallState::Failed, why),
            None => &self.standing,
        };
        TenantReport {
            id: self.note.id,
            seq: 0,
            generation: self.note.generation,
            turn: Some(self.note.turn),
            state: standing.state,
            hash: self.note.installed.as_ref().map(|installed| installed.hash),
            reason: Some(standing.reason.clone()).filter(|reason| !reason.is_empty()),
            conflicts: standing.conflicts.clone(),
            repaired: self.note.repaired.clone(),
            services: self.services.clone(),
            runs: self.run_reports(),
        }
    }

    /// What is not acknowledged.
    pub(super) fn unreported(&self) -> Option<&TenantReport> {
        self.made.as_ref().filter(|made| made.seq > self.acknowledged)
    }

    pub(super) fn acknowledged(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq);
    }

    /// All is to be told again: it may be another control plane.
    pub(super) fn tell_again(&mut self) {
        self.made = None;
    }
}

/// The unit of a tenant's service.
#[must_use]
pub(super) fn unit_of(tenant: &Name, service: Option<&Name>) -> String {
    match service {
        Some(suffix) => format!("{tenant}-{suffix}.service"),
        None => format!("{tenant}.service"),
    }
}

fn wish(assignment: &TenantAssignment) -> Wish {
    if assignment.remove { Wish::Removed } else { Wish::Installed }
}

fn last_run(seen: &UnitSeen) -> Option<LastRun> {
    let end = seen.ended.as_ref().filter(|_| !seen.running && !seen.invocation.is_empty())?;
    let own = matches!(end.source, Some(RunSource::Tenant | RunSource::Podman));
    Some(LastRun {
        invocation_id: Some(seen.invocation.clone()),
        started_at: seen.started_at,
        ended_at: Some(end.at),
        result: end.result.clone().unwrap_or_default(),
        exit_code: Some(end.exit_code).filter(|_| own),
    })
}
