//! A machine with a service manager, a disk that notes are kept on, and a control plane: as small as can be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_agent::tenants::core::{
    Converged, Done, Job, Look, Note, ServiceUnit, Started, TenantsCore, UnitSeen,
};
use tessera_types::sync::{InstallState, RunEnd, RunRequest, TenantAssignment, TenantReport};
use tessera_types::tenant::{RunRequestId, RunSource, TenantConflict, TenantSpec};
use tessera_types::{Duration, Name, Revision, Timestamp, Uid};

pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
const STEPS_MAX: usize = 2000;

/// One unit of systemd.
#[derive(Clone, Debug, Default)]
struct Unit {
    invocation: u64,
    running: bool,
    exit_code: i32,
    ended_at: Timestamp,
}

/// What the control plane has of one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) id: Uid,
    pub(crate) name: Name,
    pub(crate) generation: u64,
    pub(crate) spec: Arc<TenantSpec>,
    pub(crate) remove: bool,
    pub(crate) gone: bool,
    pub(crate) runs: Vec<RunRequest>,
    pub(crate) report: Option<TenantReport>,
    told: u64,
}

pub(crate) struct World {
    pub(crate) core: TenantsCore,
    pub(crate) now: Timestamp,
    /// The control plane.
    pub(crate) wanted: BTreeMap<Uid, Wanted>,
    pub(crate) ends: BTreeMap<RunRequestId, RunEnd>,
    revision: u64,
    next: u64,
    /// The disk: notes, and what is installed, by name.
    notes: BTreeMap<Uid, Note>,
    pub(crate) installed: BTreeMap<Name, String>,
    /// What is in somebody's way, and what does not work.
    pub(crate) conflicts: BTreeSet<Name>,
    pub(crate) disk_full: bool,
    pub(crate) no_manager: bool,
    /// Somebody else changes units.
    pub(crate) is_held: bool,
    /// The service manager.
    manager: u64,
    units: BTreeMap<String, Unit>,
    /// The tenants whose timers are on. The unit of another is forgotten once it has ended well.
    timers: BTreeSet<Name>,
    /// The tenants that run again as soon as they have ended, as their timers have fired meanwhile.
    pub(crate) busy: BTreeSet<u8>,
    /// How often a run was really started.
    pub(crate) starts: BTreeMap<RunRequestId, u32>,
    pub(crate) jobs: u32,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        Self {
            core: TenantsCore::restore(now, Vec::new(), INTERVAL),
            now,
            wanted: BTreeMap::new(),
            ends: BTreeMap::new(),
            revision: 1,
            next: 1,
            notes: BTreeMap::new(),
            installed: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            disk_full: false,
            no_manager: false,
            is_held: false,
            manager: 1,
            units: BTreeMap::new(),
            timers: BTreeSet::new(),
            busy: BTreeSet::new(),
            starts: BTreeMap::new(),
            jobs: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    // The control plane.

    /// Declares a tenant, or changes it.
    pub(crate) fn declare(&mut self, which: u8) {
        let name = name(&format!("t{which}"));
        let text = format!("v{}", self.number());
        let spec = Arc::new(TenantSpec { manifest: text, ..TenantSpec::default() });
        self.revision += 1;
        if let Some(known) = self.wanted.values_mut().find(|it| it.name == name && !it.gone) {
            if !known.remove {
                known.generation += 1;
                known.spec = spec;
            }
            return;
        }
        let id = Uid(self.number());
        let (runs, report) = (Vec::new(), None);
        let wanted = Wanted {
            id,
            name,
            generation: 1,
            spec,
            remove: false,
            gone: false,
            runs,
            report,
            told: 0,
        };
        self.wanted.insert(id, wanted);
    }

    fn of(&mut self, which: u8) -> Option<&mut Wanted> {
        let name = name(&format!("t{which}"));
        self.revision += 1;
        self.wanted.values_mut().find(|it| it.name == name && !it.gone)
    }

    pub(crate) fn delete(&mut self, which: u8) {
        if let Some(wanted) = self.of(which) {
            wanted.remove = true;
            wanted.generation += 1;
        }
    }

    /// The control plane forgets it without waiting.
    pub(crate) fn drop(&mut self, which: u8) {
        if let Some(id) = self.of(which).map(|wanted| wanted.id) {
            self.wanted.remove(&id);
        }
    }

    pub(crate) fn ask(&mut self, which: u8) {
        let id: RunRequestId = format!("r{}", self.number()).parse().unwrap();
        if let Some(wanted) = self.of(which).filter(|wanted| !wanted.remove) {
            wanted.runs.push(RunRequest { id, service: None });
        }
    }

    pub(crate) fn list(&self) -> Vec<TenantAssignment> {
        let full = self.core.revision() == Revision::ZERO || self.core.is_incomplete();
        let live = self.wanted.values().filter(|wanted| !wanted.gone);
        let list = live.map(|wanted| TenantAssignment {
            id: wanted.id,
            name: wanted.name.clone(),
            generation: wanted.generation,
            turn: 1,
            hash: wanted.spec.hash(),
            remove: wanted.remove,
            report: false,
            // What may be news: everything where little is known.
            spec: (full || wanted.generation > 1).then(|| wanted.spec.clone()),
            runs: wanted.runs.clone(),
        });
        list.collect()
    }

    pub(crate) fn deliver(&mut self) {
        let list = self.list();
        self.core.assigned(self.now, Revision(self.revision), &list);
    }

    /// The agent posts its reports; the answer may be lost.
    pub(crate) fn post(&mut self, answered: bool) {
        let reports: Vec<_> = self.core.unreported().cloned().collect();
        for report in reports {
            self.take(&report);
            if answered {
                self.core.acknowledged(&report);
            }
        }
    }

    fn take(&mut self, report: &TenantReport) {
        let Some(wanted) = self.wanted.get_mut(&report.id).filter(|wanted| !wanted.gone) else {
            return;
        };
        if report.seq <= wanted.told {
            return;
        }
        wanted.told = report.seq;
        for run in &report.runs {
            if let Some(end) = &run.end {
                self.revision += u64::from(wanted.runs.iter().any(|it| it.id == run.id));
                wanted.runs.retain(|it| it.id != run.id);
                self.ends.entry(run.id.clone()).or_insert_with(|| end.clone());
            }
        }
        if wanted.remove && report.state == InstallState::Removed {
            wanted.gone = true;
            self.revision += 1;
        }
        wanted.report = Some(report.clone());
    }

    // The machine.

    /// Does the next job. `cut`: the agent dies before it hears what came of it.
    pub(crate) fn step(&mut self, cut: bool) -> bool {
        let Some(job) = self.core.next(self.now) else { return false };
        self.jobs += 1;
        let done = self.carry_out(job);
        if cut {
            self.restart();
        } else {
            self.core.done(self.now, done);
        }
        true
    }

    /// The agent dies, and another begins with what was written down.
    pub(crate) fn restart(&mut self) {
        let notes = self.notes.values().cloned().collect();
        self.core = TenantsCore::restore(self.now, notes, INTERVAL);
        // A new session.
        self.wanted.values_mut().for_each(|wanted| wanted.told = 0);
    }

    pub(crate) fn restart_manager(&mut self) {
        self.manager += 1;
        self.units.values_mut().for_each(|unit| *unit = Unit::default());
    }

    fn unit(&mut self, tenant: &Name) -> &mut Unit {
        self.units.entry(format!("{tenant}.service")).or_default()
    }

    pub(crate) fn fire(&mut self, which: u8) {
        let name = name(&format!("t{which}"));
        let invocation = self.number();
        let there = self.installed.contains_key(&name) && self.timers.contains(&name);
        let unit = self.unit(&name);
        if there && !unit.running {
            *unit = Unit { invocation, running: true, ..Unit::default() };
        }
    }

    pub(crate) fn end_run(&mut self, which: u8, exit_code: i32) {
        let now = self.now;
        let tenant = name(&format!("t{which}"));
        let unit = self.unit(&tenant);
        if unit.running {
            (unit.running, unit.exit_code, unit.ended_at) = (false, exit_code, now);
        }
        self.forget_unreferred(&tenant);
    }

    /// Somebody stops a timer.
    pub(crate) fn stop_timer(&mut self, which: u8) {
        let tenant = name(&format!("t{which}"));
        self.timers.remove(&tenant);
        self.forget_unreferred(&tenant);
    }

    fn forget_unreferred(&mut self, tenant: &Name) {
        let is_referred = self.timers.contains(tenant);
        let unit = self.unit(tenant);
        if !is_referred && !unit.running && unit.exit_code == 0 {
            *unit = Unit::default();
        }
    }

    pub(crate) fn drift(&mut self, which: u8) {
        self.installed.remove(&name(&format!("t{which}")));
        self.stop_timer(which);
    }

    fn carry_out(&mut self, job: Job) -> Done {
        let refused = || Err("the disk is full".to_owned());
        match job {
            Job::Save(_) if self.disk_full => Done::Saved(refused()),
            Job::Save(note) => {
                self.notes.insert(note.id, *note);
                Done::Saved(Ok(()))
            }
            Job::Forget(_) if self.disk_full => Done::Forgotten(refused()),
            Job::Forget(id) => {
                self.notes.remove(&id);
                Done::Forgotten(Ok(()))
            }
            Job::Converge(_) | Job::Remove { .. } if self.is_held => {
                Done::HeldUp("somebody installs".to_owned())
            }
            Job::Converge(_) | Job::Remove { .. } | Job::Look(_) if self.no_manager => {
                Done::Unanswered("no manager".to_owned())
            }
            Job::Converge(declared) => {
                assert!(self.notes.contains_key(&declared.id), "installed before it was noted");
                Done::Converged(self.install(&declared.name, &declared.spec.manifest))
            }
            Job::Remove { name, .. } => {
                self.timers.remove(&name);
                self.forget_unreferred(&name);
                if self.unit(&name).running {
                    return Done::Removed(Err("it runs".to_owned()));
                }
                self.installed.remove(&name);
                Done::Removed(Ok(()))
            }
            Job::Start(start) => Done::Started(self.start(&start)),
            Job::Look(units) => Done::Looked(self.look(units)),
        }
    }

    fn install(&mut self, name: &Name, text: &str) -> Converged {
        if self.conflicts.contains(name) {
            let (path, found) = (format!("/{name}"), "a file".to_owned());
            return Converged::Conflict(vec![TenantConflict { path, found }]);
        }
        let before = self.installed.insert(name.clone(), text.to_owned());
        let was_on = !self.timers.insert(name.clone());
        let is_same = was_on && before.as_deref() == Some(text);
        let changed = if is_same { vec![] } else { vec!["it".to_owned()] };
        let services = vec![ServiceUnit { service: None, unit: name.to_string() }];
        Converged::Installed { services, changed }
    }

    fn start(&mut self, start: &tessera_agent::tenants::core::Start) -> Started {
        if self.no_manager {
            return Started::Unclear;
        }
        let (manager, invocation) = (self.manager.to_string(), self.number());
        let is_referred = self.timers.iter().any(|it| start.unit == format!("{it}.service"));
        let unit = self.units.entry(start.unit.clone()).or_default();
        if !is_referred
            || manager != start.before.manager
            || said(unit.invocation) != start.before.invocation
        {
            return Started::Unclear;
        }
        *self.starts.entry(start.run.clone()).or_default() += 1;
        *unit = Unit { invocation, running: true, ..Unit::default() };
        Started::Accepted
    }

    fn look(&self, units: Vec<String>) -> Look {
        let seen = |unit: String| {
            let found = self.units.get(&unit).cloned().unwrap_or_default();
            let tenant = unit.strip_suffix(".service").map(name);
            let there = tenant.as_ref().is_some_and(|it| self.installed.contains_key(it));
            let is_referred = tenant.is_some_and(|tenant| self.timers.contains(&tenant));
            let end = |exit_code| RunEnd {
                at: found.ended_at,
                result: None,
                exit_code,
                source: Some(RunSource::Tenant),
                message: None,
            };
            let ended = found.invocation > 0 && !found.running;
            let seen = UnitSeen {
                unusable: (!there).then(|| end(3)),
                invocation: said(found.invocation),
                queued: false,
                forgets: !is_referred,
                running: found.running,
                started_at: None,
                ended: ended.then(|| end(found.exit_code)),
                next_run_at: None,
            };
            (unit, seen)
        };
        let manager = self.manager.to_string();
        Look { manager, units: units.into_iter().map(seen).collect() }
    }

    /// Lets everything settle: nothing fails any more, time passes, runs end.
    pub(crate) fn settle(&mut self) {
        (self.disk_full, self.no_manager, self.is_held) = (false, false, false);
        for _ in 0..STEPS_MAX {
            self.deliver();
            for which in 0..4 {
                self.end_run(which, 7 * i32::from(which % 2));
                if self.busy.contains(&which) {
                    self.fire(which);
                }
            }
            let mut worked = false;
            for _ in 0..20 {
                worked |= self.step(false);
            }
            let told = self.core.unreported().next().is_some();
            self.post(true);
            self.now = self.now.plus(Duration::from_millis(1000));
            let open =
                self.wanted.values().any(|it| !it.gone && (it.remove || !it.runs.is_empty()));
            if !worked && !told && !open {
                return;
            }
        }
        panic!("it does not settle: {:?}", self.wanted);
    }
}

fn said(invocation: u64) -> String {
    if invocation == 0 { String::new() } else { invocation.to_string() }
}
