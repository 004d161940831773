//! What there is of tenants on a machine whether its agent lives or not: the notes on its
//! disk, what is installed, and the units of its service manager.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tessera_agent::tenants::core::{
    Converged, Declared, Done, Job, Look, Note, Phase, ServiceUnit, Start, Started, UnitSeen,
};
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{RunRequestId, RunSource, TenantConflict, TenantHash};
use tessera_types::{Duration, Name, Timestamp, Uid};

use crate::clock::Clock;
use crate::rng::Rng;

/// The tenants of a machine.
#[derive(Debug, Default)]
pub(crate) struct Ground {
    notes: BTreeMap<Uid, Note>,
    pub(crate) installed: BTreeMap<Name, Installed>,
    /// All that ever was installed as it was declared.
    pub(crate) was_installed: HashSet<(Uid, TenantHash)>,
    /// Tenants in whose place there is something that is not theirs.
    pub(crate) foreign: BTreeSet<Name>,
    /// How often each run was started.
    pub(crate) started: BTreeMap<RunRequestId, u32>,
    /// How each invocation ended or will end, unless it was cut off.
    pub(crate) ends: BTreeMap<String, i32>,
    pub(crate) is_disk_full: bool,
    pub(crate) is_manager_away: bool,
    /// The start of the service manager; counts.
    manager: u64,
    invocations: u64,
    units: BTreeMap<String, Unit>,
    /// What an agent must never do.
    pub(crate) wrong: Option<String>,
}

/// A tenant that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) id: Uid,
    pub(crate) hash: TenantHash,
    /// It is there in part, or somebody has changed something of it. Its timer is off.
    pub(crate) is_drifted: bool,
}

/// The last run of a unit.
#[derive(Clone, Debug)]
struct Unit {
    invocation: String,
    exit_code: i32,
    started_at: Timestamp,
    /// When it ends, in truth.
    ends: Timestamp,
    /// When it ended as systemd wrote it down, once somebody looked.
    ended_at: Option<Timestamp>,
}

impl Ground {
    pub(super) fn notes(&self) -> Vec<Note> {
        self.notes.values().cloned().collect()
    }

    /// Whether no tenant has anything there.
    pub(crate) fn is_bare(&self) -> bool {
        self.notes.is_empty() && self.installed.is_empty()
    }

    /// Does a job.
    pub(super) fn carry_out(
        &mut self,
        job: Job,
        now: Timestamp,
        clock: &Clock,
        rng: &mut Rng,
    ) -> Done {
        let full = || Err("the disk is full".to_owned());
        self.forget_ended(now);
        match job {
            Job::Save(_) if self.is_disk_full => Done::Saved(full()),
            Job::Save(note) => {
                self.notes.insert(note.id, *note);
                Done::Saved(Ok(()))
            }
            Job::Forget(_) if self.is_disk_full => Done::Forgotten(full()),
            Job::Forget(id) => {
                self.notes.remove(&id);
                Done::Forgotten(Ok(()))
            }
            Job::Converge(_) | Job::Remove { .. } | Job::Look(_) if self.is_manager_away => {
                Done::Unanswered("no answer".to_owned())
            }
            Job::Converge(declared) => Done::Converged(self.converge(&declared)),
            Job::Remove { name, .. } => Done::Removed(self.remove(&name, now)),
            Job::Start(start) => Done::Started(self.start(&start, now, clock, rng)),
            Job::Look(units) => Done::Looked(self.look(units, now, clock)),
        }
    }

    /// The agent died in the middle of a job: what has many steps is done in part.
    pub(super) fn cut_off(&mut self, job: Job, now: Timestamp, clock: &Clock, rng: &mut Rng) {
        let name = match &job {
            Job::Converge(Declared { name, .. }) | Job::Remove { name, .. } => Some(name.clone()),
            _ => None,
        };
        let before = name.as_ref().and_then(|name| self.installed.get(name)).cloned();
        let _nobody_hears_of_it = self.carry_out(job, now, clock, rng);
        let Some(name) = name else { return };
        if let Some(there) = self.installed.get(&name).cloned().or(before) {
            self.installed.insert(name, Installed { is_drifted: true, ..there });
        }
    }

    fn converge(&mut self, declared: &Declared) -> Converged {
        let Declared { id, name, spec } = declared;
        let before = self.installed.get(name);
        if !self.notes.contains_key(id) {
            self.wrong = Some(format!("{name} is installed before it is noted"));
        }
        if let Some(other) = before.filter(|there| there.id != *id) {
            self.wrong = Some(format!("{name} is installed over {}", other.id));
        }
        if self.foreign.contains(name) {
            let (path, found) = (format!("/{name}.timer"), "a file".to_owned());
            return Converged::Conflict(vec![TenantConflict { path, found }]);
        }
        let hash = spec.hash();
        let is_as_declared = before.is_some_and(|it| it.hash == hash && !it.is_drifted);
        self.installed.insert(name.clone(), Installed { id: *id, hash, is_drifted: false });
        self.was_installed.insert((*id, hash));
        Converged::Installed {
            services: vec![ServiceUnit { service: None, unit: name.to_string() }],
            changed: if is_as_declared { Vec::new() } else { vec!["a link".to_owned()] },
        }
    }

    fn remove(&mut self, name: &Name, now: Timestamp) -> Result<(), String> {
        let unit = unit_of(name);
        if self.units.get(&unit).is_some_and(|unit| unit.ends > now) {
            if let Some(there) = self.installed.get_mut(name) {
                there.is_drifted = true;
            }
            return Err(format!("waits for the end of {unit}, which is running"));
        }
        self.units.remove(&unit);
        self.installed.remove(name);
        Ok(())
    }

    fn start(&mut self, start: &Start, now: Timestamp, clock: &Clock, rng: &mut Rng) -> Started {
        let note = self.notes.get(&start.id).and_then(|note| note.runs.get(&start.run));
        if !note.is_some_and(|run| matches!(run.phase, Phase::Starting { .. })) {
            self.wrong = Some(format!("{} is started before it is noted", start.run));
        }
        let invocation = self.units.get(&start.unit).map_or("", |unit| &unit.invocation);
        let is_as_before = self.manager.to_string() == start.before.manager
            && invocation == start.before.invocation;
        if self.is_manager_away || !is_as_before || !self.is_referred_to(&start.unit) {
            return Started::Unclear;
        }
        *self.started.entry(start.run.clone()).or_default() += 1;
        self.begin(&start.unit, now, clock, rng);
        Started::Accepted
    }

    fn begin(&mut self, unit: &str, now: Timestamp, clock: &Clock, rng: &mut Rng) {
        self.invocations += 1;
        let (invocation, exit_code) = (self.invocations.to_string(), *rng.pick(&[0, 7]));
        self.ends.insert(invocation.clone(), exit_code);
        let ends = now.plus(Duration::from_millis(rng.between(1, 20_000)));
        let started_at = clock.wall(now);
        let run = Unit { invocation, exit_code, started_at, ends, ended_at: None };
        self.units.insert(unit.to_owned(), run);
    }

    /// A timer starts what it is of.
    pub(crate) fn fire(&mut self, name: &Name, now: Timestamp, clock: &Clock, rng: &mut Rng) {
        let unit = unit_of(name);
        let is_running = self.units.get(&unit).is_some_and(|unit| unit.ends > now);
        self.forget_ended(now);
        if self.is_referred_to(&unit) && !is_running {
            self.begin(&unit, now, clock, rng);
        }
    }

    /// Whether a timer that is on is of this unit.
    fn is_referred_to(&self, unit: &str) -> bool {
        self.installed.iter().any(|(name, there)| !there.is_drifted && unit_of(name) == unit)
    }

    /// A unit that nothing refers to is forgotten once it has ended well.
    fn forget_ended(&mut self, now: Timestamp) {
        let mut units = std::mem::take(&mut self.units);
        units.retain(|name, unit| {
            unit.ends > now || unit.exit_code != 0 || self.is_referred_to(name)
        });
        self.units = units;
    }

    /// The service manager ends and is started anew: what ran does not any more.
    pub(crate) fn restart_manager(&mut self, now: Timestamp) {
        self.manager += 1;
        let cut_off = std::mem::take(&mut self.units).into_values().filter(|unit| unit.ends > now);
        cut_off.for_each(|unit| {
            self.ends.remove(&unit.invocation);
        });
    }

    fn look(&mut self, units: Vec<String>, now: Timestamp, clock: &Clock) -> Look {
        let seen = |name: String| (name.clone(), self.seen(&name, now, clock));
        let units = units.into_iter().map(seen).collect();
        Look { manager: self.manager.to_string(), units }
    }

    fn seen(&mut self, name: &str, now: Timestamp, clock: &Clock) -> UnitSeen {
        let is_there = self.installed.keys().any(|tenant| unit_of(tenant) == name);
        let unusable = (!is_there).then(|| end(clock.wall(now), 3));
        let forgets = !self.is_referred_to(name);
        let Some(unit) = self.units.get_mut(name) else {
            return UnitSeen { unusable, forgets, ..UnitSeen::default() };
        };
        let running = unit.ends > now;
        let ended = (!running).then(|| *unit.ended_at.get_or_insert_with(|| clock.wall(unit.ends)));
        UnitSeen {
            unusable,
            invocation: unit.invocation.clone(),
            queued: false,
            forgets,
            running,
            started_at: Some(unit.started_at),
            ended: ended.map(|at| end(at, unit.exit_code)),
            next_run_at: None,
        }
    }
}

fn unit_of(tenant: &Name) -> String {
    format!("{tenant}.service")
}

fn end(at: Timestamp, exit_code: i32) -> RunEnd {
    let source = Some(RunSource::Tenant);
    RunEnd { at, result: Some("exit-code".to_owned()), exit_code, source, message: None }
}
