//! Compares what is declared with what was observed.

use std::collections::BTreeSet;

use super::layout::{file_name, is_quadlet, split};
use super::texts::{is_backup, is_scrap, is_signed};
use super::{
    Conflict, Create, Declared, Erase, Found, Observed, Plan, Reason, Seen, SetAside, Write,
};
use crate::registry::unit_of_file;

/// What the plan is for a tenant. With `force`, what is in the way is renamed and kept.
#[must_use]
pub fn plan(declared: &Declared, observed: &Observed, force: bool) -> Plan {
    let mut decision = Decision { declared, observed, force, plan: Plan::default() };
    decision.folder();
    decision.texts();
    decision.links();
    decision.leftovers();
    decision.left();
    decision.same_units();
    decision.timers();
    decision.emptied_folder();
    decision.gone();
    decision.anew();
    decision.plan
}

pub(super) struct Decision<'a> {
    pub(super) declared: &'a Declared,
    pub(super) observed: &'a Observed,
    pub(super) force: bool,
    pub(super) plan: Plan,
}

impl Decision<'_> {
    /// The tenant's folder of Quadlet must be a folder, if it has links in it.
    fn folder(&mut self) {
        let folder = self.declared.folder();
        if !self.declared.links.keys().any(|path| split(path).0 == folder) {
            return;
        }
        match self.observed.paths.get(&folder) {
            Some(Seen::Folder) => return,
            Some(found) => self.conflict(&folder, found, Reason::InTheWay),
            None => {}
        }
        self.plan.make_folder = Some(folder);
    }

    /// Rendered units: an edit is kept and undone.
    fn texts(&mut self) {
        let there = &self.observed.texts;
        for (path, text) in &self.declared.texts {
            let found = match there.get(path) {
                Some(found) if found == text => continue,
                Some(found) if is_signed(found) => Found::Earlier,
                Some(_) => Found::Edited,
                None => Found::Nothing,
            };
            let backup = (found == Found::Edited).then(|| self.backup_of(path));
            let write = Write { path: path.clone(), text: text.clone(), found, backup };
            self.plan.write.push(write);
        }
        for (path, text) in there {
            let name = file_name(path);
            if self.declared.texts.contains_key(path) || is_backup(name) {
                continue;
            }
            let is_edited = !is_scrap(name) && !is_signed(text);
            let backup = is_edited.then(|| self.backup_of(path));
            self.plan.erase.push(Erase { path: path.clone(), backup });
        }
    }

    fn links(&mut self) {
        for (path, target) in &self.declared.links {
            let mut replaces = None;
            match self.observed.paths.get(path) {
                None => {}
                Some(Seen::Link { target: there, .. }) if there == target => {
                    self.plan.already_ok.push(path.clone());
                    continue;
                }
                Some(Seen::Link { target: there, .. }) if self.declared.owns(there) => {
                    replaces = Some(there.clone());
                }
                Some(found) => {
                    self.conflict(path, found, Reason::InTheWay);
                    if !self.force {
                        continue;
                    }
                }
            }
            let create = Create { path: path.clone(), target: target.clone(), replaces };
            self.plan.create.push(create);
        }
    }

    /// What is in the tenant's places and not declared: its own links go, and what would break its
    /// folder is in the way. All else is not its business.
    fn leftovers(&mut self) {
        let folder = self.declared.folder();
        for (path, seen) in &self.observed.paths {
            let (parent, name) = split(path);
            let Seen::Link { target, dangling } = seen else { continue };
            let (in_folder, in_systemd) = (parent == folder, self.is_own_name(parent, name));
            if self.declared.links.contains_key(path) || !(in_folder || in_systemd) {
                continue;
            }
            if self.declared.owns(target) {
                self.plan.remove.push(path.clone());
            } else if in_folder && *dangling && is_quadlet(name) && !self.declared.links.is_empty()
            {
                self.conflict(path, seen, Reason::BreaksFolder);
            }
        }
    }

    /// Whether a path is directly in the folder of systemd, under the tenant's name.
    pub(super) fn is_own_name(&self, parent: &str, name: &str) -> bool {
        // A link that was being made has a `.` before its name.
        let name = name.strip_prefix('.').unwrap_or(name);
        let rest = name.strip_prefix(self.declared.tenant.as_str());
        parent == self.declared.layout.systemd
            && rest.is_some_and(|rest| rest.starts_with(['.', '-']))
    }

    /// Only one of two units of the same name would be read, and nobody would be told.
    fn same_units(&mut self) {
        let files = self.declared.links.keys().map(|path| file_name(path));
        let units: BTreeSet<String> = files.filter_map(unit_of_file).collect();
        for (path, seen) in &self.observed.paths {
            let own = self.declared.links.contains_key(path) || self.plan.remove.contains(path);
            if own || *seen == Seen::Folder || !self.is_read(path) {
                continue;
            }
            if let Some(unit) = unit_of_file(file_name(path)).filter(|unit| units.contains(unit)) {
                self.conflict(path, seen, Reason::SameUnit(unit));
            }
        }
        for (unit, path) in &self.observed.elsewhere {
            if units.contains(unit) && !self.declared.owns(path) {
                self.conflict(path, &Seen::File, Reason::SameUnit(unit.clone()));
            }
        }
    }

    /// Whether units are read at a path. systemd reads no folders below its own: those are for
    /// links of enabled units and for drop-ins.
    fn is_read(&self, path: &str) -> bool {
        let (parent, name) = split(path);
        let Self { declared: Declared { layout, .. }, .. } = self;
        let below = parent.strip_prefix(layout.systemd.as_str()).unwrap_or_default();
        let set_aside = self.plan.set_aside.iter().any(|aside| aside.path == path);
        let in_quadlet = path.starts_with(&format!("{}/", layout.quadlet));
        !set_aside && !below.starts_with('/') && (!in_quadlet || is_quadlet(name))
    }

    fn timers(&mut self) {
        let enabled = &self.observed.enabled;
        // Where a link is created, the tenant's own that enables the unit may lead elsewhere.
        let wants = format!("{}/timers.target.wants", self.declared.layout.systemd);
        let is_own = |timer: &str| {
            let wish = self.observed.paths.get(&format!("{wants}/{timer}"));
            matches!(wish, Some(Seen::Link { target, .. }) if self.declared.owns(target))
        };
        let linked = |timer: &&String| {
            let is_link = |create: &Create| file_name(&create.path) == timer.as_str();
            is_own(timer) && self.plan.create.iter().any(is_link)
        };
        let enable = self.declared.timers.iter();
        let enable = enable.filter(|timer| !enabled.contains(*timer) || linked(timer));
        self.plan.enable = enable.cloned().collect();
        // Only what is directly in the folder of systemd is the timer that is enabled.
        let removed = self.plan.remove.iter().map(|path| split(path));
        let removed = removed.filter(|(parent, _)| *parent == self.declared.layout.systemd);
        let disable = removed.map(|(_, name)| name).filter(|name| enabled.contains(*name));
        self.plan.disable = disable.map(str::to_owned).collect();
        self.lost_timers();
    }

    /// A timer that is enabled by a link that leads to the tenant, where its own link is gone.
    fn lost_timers(&mut self) {
        let wants = format!("{}/timers.target.wants", self.declared.layout.systemd);
        for (path, seen) in &self.observed.paths {
            let (parent, name) = split(path);
            let Seen::Link { target, .. } = seen else { continue };
            let declared = self.declared.timers.contains(name);
            let disabled = self.plan.disable.iter().any(|timer| timer == name);
            if parent == wants && !declared && !disabled && self.declared.owns(target) {
                self.plan.remove.push(path.clone());
            }
        }
    }

    /// Where the last link goes, the folder goes.
    fn emptied_folder(&mut self) {
        let folder = self.declared.folder();
        let inside = format!("{folder}/");
        let used = self.declared.links.keys().any(|path| path.starts_with(&inside));
        let mut there = self.observed.paths.keys().filter(|path| path.starts_with(&inside));
        let emptied = there.all(|path| self.plan.remove.contains(path));
        if !used && emptied && self.observed.paths.get(&folder) == Some(&Seen::Folder) {
            self.plan.remove_folder = Some(folder);
        }
    }

    /// The units that are no more, and what of them runs.
    fn gone(&mut self) {
        let mut gone: BTreeSet<String> = self.observed.unfinished.clone().unwrap_or_default();
        let removed = self.plan.remove.iter().map(|path| file_name(path));
        gone.extend(removed.filter_map(unit_of_file));
        let declared = self.declared.units();
        gone.retain(|unit| !declared.contains(unit));
        for unit in &gone {
            let is_enabled = self.plan.disable.contains(unit);
            if unit.ends_with(".timer") && !is_enabled {
                self.plan.stop.push(unit.clone());
            } else if unit.ends_with(".service") && self.declared.links.is_empty() {
                self.service_gone(unit);
            }
        }
        self.plan.forget = gone.into_iter().collect();
    }

    /// A service whose tenant is to go. One that only its tenant drops may end.
    fn service_gone(&mut self, unit: &str) {
        // Its timer may start it until that is disabled.
        if self.force {
            self.plan.stop.push(unit.to_owned());
        } else if self.observed.running.contains(unit) {
            self.running(unit);
        }
    }

    fn running(&mut self, unit: &str) {
        let brings = |path: &&String| unit_of_file(file_name(path)).as_deref() == Some(unit);
        let path = self.plan.remove.iter().find(brings).cloned();
        let path = path.unwrap_or_else(|| unit.to_owned());
        let found = self.observed.paths.get(&path).cloned().unwrap_or(Seen::File);
        let reason = Reason::Running(unit.to_owned());
        self.plan.conflicting.push(Conflict { path, found, reason });
    }

    /// What systemd is to read anew, and the timers that are to be started by what it has read.
    fn anew(&mut self) {
        let Observed { stale, inactive, unfinished, .. } = self.observed;
        let units = self.declared.units();
        self.plan.reload = unfinished.is_some() || units.iter().any(|unit| stale.contains(unit));
        let is_anew = |timer: &String| {
            stale.contains(timer) || unfinished.is_some() || self.has_another_text(timer)
        };
        let timers = self.declared.timers.iter();
        let anew: Vec<String> = timers.filter(|timer| is_anew(timer)).cloned().collect();
        let restart = self.declared.timers.iter().filter(|timer| {
            let is_enabled = self.plan.enable.contains(timer);
            !is_enabled && (inactive.contains(*timer) || anew.contains(timer))
        });
        self.plan.restart = restart.cloned().collect();
        self.plan.anew = anew;
    }

    /// Whether a timer's file is written or linked.
    fn has_another_text(&self, timer: &str) -> bool {
        let Plan { write, create, .. } = &self.plan;
        write.iter().any(|write| file_name(&write.path) == timer)
            || create.iter().any(|create| file_name(&create.path) == timer)
    }

    /// Something in the way: to be set aside where that is forced.
    fn conflict(&mut self, path: &str, found: &Seen, reason: Reason) {
        if self.force && reason.can_be_forced() {
            let backup = self.backup_of(path);
            self.plan.set_aside.push(SetAside { path: path.to_owned(), backup });
        } else {
            let conflict = Conflict { path: path.to_owned(), found: found.clone(), reason };
            self.plan.conflicting.push(conflict);
        }
    }

    /// A name at which nothing is.
    pub(super) fn backup_of(&self, path: &str) -> String {
        let first = format!("{path}.tessera-backup");
        let further = (2..).map(|number| format!("{first}-{number}"));
        let mut names = std::iter::once(first.clone()).chain(further);
        let Observed { paths, texts, .. } = self.observed;
        let free = |name: &String| !paths.contains_key(name) && !texts.contains_key(name);
        names.find(free).unwrap_or(first)
    }
}
