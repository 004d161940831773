//! Carrying out what prospects say.
//!
//! The one idea: what is begun is marked, and the mark goes last. Each step leaves the machine in a
//! state from which a new plan leads to what is wanted, and the mark tells that plan what it cannot
//! see: that systemd may not have read what is on the disk.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tessera_tenant::plan::{Seen, Step};

use crate::error::{MachineError, file};
use crate::files;
use crate::lock::Lock;
use crate::machine::{Machine, Prospect};
use crate::observe::elsewhere;
use crate::systemctl::SystemctlError;

impl Machine {
    /// Makes it as these prospects say, with one reload for all. What goes wrong with one leaves the
    /// others.
    #[expect(unused_variables, reason = "the lock is asked for so that it is held")]
    pub fn carry_out(&self, lock: &Lock, prospects: &[&Prospect]) -> Vec<Result<(), MachineError>> {
        let mut results: Vec<Result<bool, MachineError>> =
            prospects.iter().map(|prospect| self.begin(prospect)).collect();
        if results.iter().any(|result| matches!(result, Ok(true)))
            && let Err(error) = self.manager.reload()
        {
            let told = error.to_string();
            for result in results.iter_mut().filter(|result| matches!(result, Ok(true))) {
                let command = "daemon-reload".to_owned();
                *result = Err(SystemctlError::Refused { command, said: told.clone() }.into());
            }
        }
        let end = |(prospect, result): (&&Prospect, Result<bool, MachineError>)| {
            result.and_then(|_| self.end(prospect))
        };
        prospects.iter().zip(results).map(end).collect()
    }

    /// What comes before the reload; says whether there is to be one.
    fn begin(&self, prospect: &Prospect) -> Result<bool, MachineError> {
        let steps = prospect.plan.steps()?;
        if !prospect.faults.is_empty() {
            return Err(MachineError::Faulty(prospect.faults.clone()));
        }
        if steps.is_empty() {
            return Ok(false);
        }
        // Before anything is changed: a manager that is away stays away.
        self.manager.states(&[])?;
        self.mark(prospect)?;
        let is_before = |step: &&Step| !matches!(step, Step::Reload);
        for step in steps.iter().take_while(is_before) {
            self.step(step)?;
        }
        Ok(steps.contains(&Step::Reload))
    }

    /// What comes after it.
    fn end(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let steps = prospect.plan.steps()?;
        if steps.is_empty() {
            return Ok(());
        }
        let is_before = |step: &&Step| !matches!(step, Step::Reload);
        for step in steps.iter().skip_while(is_before).skip(1) {
            self.step(step)?;
        }
        self.check(prospect)?;
        self.unmark(prospect)
    }

    /// Notes what is begun: the units that may be gone when somebody looks again.
    fn mark(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let mut units: BTreeSet<String> = prospect.declared.units();
        units.extend(prospect.plan.forget.iter().cloned());
        let path = self.places.unfinished(&prospect.tenant);
        // systemd makes these when a timer is started.
        let stamps = missing(&self.places.stamps);
        self.make_folder(&self.places.tenant(&prospect.tenant))?;
        self.note_made(&stamps)?;
        let lines: String = units.iter().map(|unit| format!("{unit}\n")).collect();
        files::write(&path, &lines).map_err(file("written", &path))
    }

    /// Whether systemd has the units as they were installed.
    fn check(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let units: Vec<String> = prospect.declared.units().into_iter().collect();
        let states = self.manager.states(&units)?;
        let links = prospect.declared.links().keys().map(|path| (path.clone(), Seen::File));
        let elsewhere = elsewhere(&states, &links.collect());
        let mut wrong = Vec::new();
        for unit in units {
            let state = states.get(&unit).cloned().unwrap_or_default();
            if state.load != "loaded" {
                wrong.push(format!("{unit} is {}", state.load));
            } else if prospect.declared.timers().contains(&unit) && state.active != "active" {
                wrong.push(format!("{unit} is {}", state.active));
            } else if let Some(other) = elsewhere.get(&unit) {
                wrong.push(format!("{unit} is read from {other}"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(MachineError::NotThere(wrong)) }
    }

    /// All is done. Of a tenant that is gone nothing is left.
    fn unmark(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let tenant = &prospect.tenant;
        let link = self.places.folder_link(tenant);
        match &prospect.folder {
            Some(folder) if fs::read_link(&link).ok().as_ref() == Some(folder) => {}
            Some(folder) => files::relink(folder, &link).map_err(file("linked", &link))?,
            None => files::remove(&link).map_err(file("removed", &link))?,
        }
        let is_gone = prospect.declared.links().is_empty();
        // Not everything may be there, and what somebody put there stays.
        let _used = fs::remove_dir(self.places.units(tenant));
        let mark = self.places.unfinished(tenant);
        files::remove(&mark).map_err(file("removed", &mark))?;
        if is_gone && fs::remove_dir(self.places.tenant(tenant)).is_ok() {
            self.remove_made()?;
        }
        Ok(())
    }

    fn step(&self, step: &Step) -> Result<(), MachineError> {
        self.manager.before(step)?;
        match step {
            Step::Disable(timer) => self.disable(timer),
            // What systemd does not have is stopped.
            Step::Stop(unit) => Ok(tolerant(self.manager.stop(unit))?),
            Step::Halt(timer) => self.halt(timer),
            Step::SetAside(aside) => {
                let path = Path::new(&aside.path);
                let set_aside = files::set_aside(path, Path::new(&aside.backup));
                set_aside.map_err(file("renamed", path))
            }
            Step::Write(write) => {
                let path = Path::new(&write.path);
                self.make_folder(path.parent().unwrap_or(path))?;
                if let Some(backup) = &write.backup {
                    fs::copy(path, backup).map_err(file("copied", path))?;
                }
                files::write(path, &write.text).map_err(file("written", path))
            }
            Step::MakeFolder(folder) => self.make_folder(Path::new(folder)),
            Step::Remove(path) => {
                let path = Path::new(path);
                files::remove(path).map_err(file("removed", path))
            }
            Step::Link(create) => {
                let path = Path::new(&create.path);
                self.make_folder(path.parent().unwrap_or(path))?;
                let linked = match create.replaces {
                    Some(_) => files::relink(Path::new(&create.target), path),
                    None => files::link(&create.target, path),
                };
                linked.map_err(file("linked", path))
            }
            Step::RemoveFolder(folder) => {
                // Somebody may have put something there meanwhile.
                let _used = fs::remove_dir(folder);
                Ok(())
            }
            Step::Erase(erase) => {
                let path = Path::new(&erase.path);
                match &erase.backup {
                    Some(backup) => files::set_aside(path, Path::new(backup)),
                    None => files::remove(path),
                }
                .map_err(file("removed", path))
            }
            Step::Reload => Ok(self.manager.reload()?),
            Step::Enable(timer) => Ok(self.manager.enable(timer)?),
            Step::Restart(timer) => Ok(self.manager.restart(timer)?),
            Step::Forget(unit) => self.forget(unit),
        }
    }

    /// systemd cannot disable a timer of which the file is gone: then its links are removed.
    fn disable(&self, timer: &str) -> Result<(), MachineError> {
        let Err(error) = self.manager.disable(timer) else { return Ok(()) };
        tolerant(Err(error))?;
        tolerant(self.manager.stop(timer))?;
        let systemd = Path::new(&self.places.layout.systemd);
        let entries = fs::read_dir(systemd).map_err(file("read", systemd))?;
        for entry in entries.flatten() {
            let folder = entry.path();
            let link = folder.join(timer);
            let is_wish = folder.extension().is_some_and(|it| it == "wants" || it == "requires");
            if is_wish && link.is_symlink() {
                files::remove(&link).map_err(file("removed", &link))?;
                let _used = fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    /// Stops a timer, and has systemd believe that it was due at this moment. Where it never was,
    /// systemd notes that itself when it is started.
    fn halt(&self, timer: &str) -> Result<(), MachineError> {
        tolerant(self.manager.stop(timer))?;
        let stamp = self.places.stamp(timer);
        let touched = match File::options().write(true).open(&stamp) {
            Ok(file) => file.set_modified(SystemTime::now()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        touched.map_err(file("written", &stamp))
    }

    fn forget(&self, unit: &str) -> Result<(), MachineError> {
        let state = self.manager.states(&[unit.to_owned()])?.remove(unit).unwrap_or_default();
        // Such as a network that was made, and counts as active ever since.
        if state.active == "active" && !state.is_running() {
            tolerant(self.manager.stop(unit))?;
        }
        tolerant(self.manager.reset_failed(unit))?;
        // A timer of the same name that is installed later would catch up a run otherwise.
        let stamp = self.places.stamp(unit);
        files::remove(&stamp).map_err(file("removed", &stamp))
    }

    /// Makes a folder and those above it, and notes which ones there were not.
    fn make_folder(&self, folder: &Path) -> Result<(), MachineError> {
        let missing = missing(folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(file("created", folder))?;
        self.note_made(&missing)
    }

    /// Notes folders that go with the last tenant. Those of tenants go with each.
    fn note_made(&self, made: &[PathBuf]) -> Result<(), MachineError> {
        let (noted, own) = (self.places.made(), self.places.tenants());
        let before = fs::read_to_string(&noted).unwrap_or_default();
        let mut lines = before.clone();
        for folder in made.iter().filter(|folder| !folder.starts_with(&own) || **folder == own) {
            let folder = folder.display().to_string();
            if !lines.lines().any(|line| line == folder) {
                lines += &format!("{folder}\n");
            }
        }
        if lines == before {
            return Ok(());
        }
        files::write(&noted, &lines).map_err(file("written", &noted))
    }

    /// With the last tenant go the folders that were made for tenants, unless others use them.
    fn remove_made(&self) -> Result<(), MachineError> {
        let (folder, noted) = (self.places.tenants(), self.places.made());
        let mut entries = fs::read_dir(&folder).map_err(file("read", &folder))?.flatten();
        if entries.any(|entry| entry.path() != noted) {
            return Ok(());
        }
        let lines = fs::read_to_string(&noted).unwrap_or_default();
        let mut folders: Vec<&Path> = lines.lines().map(Path::new).collect();
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
        files::remove(&noted).map_err(file("removed", &noted))?;
        for folder in folders {
            let _used = fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// The folders that would have to be made for this one.
fn missing(folder: &Path) -> Vec<PathBuf> {
    folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
}

/// What systemd does not know needs not be stopped, disabled or forgotten.
fn tolerant(result: Result<(), SystemctlError>) -> Result<(), SystemctlError> {
    match result {
        Err(SystemctlError::Refused { .. }) => Ok(()),
        other => other,
    }
}
