//! Carrying out what prospects say.
//!
//! The one idea: what is begun is marked, and the mark goes last. Each step leaves the machine in a
//! state from which a new plan leads to what is wanted, and the mark tells that plan what it cannot
//! see: that systemd may not have read what is on the disk. Between look and change somebody else may
//! have been there, so what is removed or replaced is looked at once more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tessera_tenant::plan::{Observed, Seen, Step};

use crate::error::{MachineError, file};
use crate::files;
use crate::lock::Lock;
use crate::machine::{Machine, Prospect};
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
            self.step(prospect, step)?;
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
            self.step(prospect, step)?;
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
        let mut wrong = Vec::new();
        for unit in units {
            let state = states.get(&unit).cloned().unwrap_or_default();
            if state.load != "loaded" {
                wrong.push(format!("{unit} is {}", state.load));
            } else if prospect.declared.timers().contains(&unit) && state.active != "active" {
                wrong.push(format!("{unit} is {}", state.active));
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

    fn step(&self, prospect: &Prospect, step: &Step) -> Result<(), MachineError> {
        self.manager.before(step)?;
        let Prospect { observed, .. } = prospect;
        match step {
            Step::Disable(timer) => {
                // systemd removes its link.
                still_leads(observed, &Path::new(&self.places.layout.systemd).join(timer))?;
                self.disable(timer)
            }
            // What systemd does not have is stopped.
            Step::Stop(unit) => Ok(tolerant(self.manager.stop(unit))?),
            Step::SetAside(aside) => {
                let path = Path::new(&aside.path);
                let set_aside = files::set_aside(path, Path::new(&aside.backup));
                set_aside.map_err(file("renamed", path))
            }
            Step::Write(write) => {
                let path = Path::new(&write.path);
                self.make_folder(path.parent().unwrap_or(path))?;
                still_says(observed, path)?;
                if let Some(backup) = &write.backup {
                    files::copy(path, Path::new(backup)).map_err(file("copied", path))?;
                }
                files::write(path, &write.text).map_err(file("written", path))
            }
            Step::MakeFolder(folder) => self.make_folder(Path::new(folder)),
            Step::Remove(path) => {
                let path = Path::new(path);
                still_leads(observed, path)?;
                files::remove(path).map_err(file("removed", path))
            }
            Step::Link(create) => {
                let path = Path::new(&create.path);
                self.make_folder(path.parent().unwrap_or(path))?;
                let linked = match create.replaces {
                    Some(_) => {
                        still_leads(observed, path)?;
                        files::relink(Path::new(&create.target), path)
                    }
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
                still_says(observed, path)?;
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

    fn forget(&self, unit: &str) -> Result<(), MachineError> {
        let state = self.manager.states(&[unit.to_owned()])?.remove(unit).unwrap_or_default();
        // Such as a network that was made, and counts as active ever since.
        if state.active == "active" && !state.is_running() {
            tolerant(self.manager.stop(unit))?;
        }
        tolerant(self.manager.reset_failed(unit))?;
        // A timer of the same name that is installed later would catch up a run otherwise.
        let stamp = self.places.stamps.join(format!("stamp-{unit}"));
        files::remove(&stamp).map_err(file("removed", &stamp))
    }

    /// Makes a folder and those above it, and notes which ones there were not.
    fn make_folder(&self, folder: &Path) -> Result<(), MachineError> {
        let missing = missing(folder);
        fs::create_dir_all(folder).map_err(file("created", folder))?;
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

/// A link that is removed or replaced still leads where it led when it was looked at, or is gone.
fn still_leads(observed: &Observed, path: &Path) -> Result<(), MachineError> {
    let led = path.to_str().and_then(|path| observed.paths.get(path));
    match fs::read_link(path) {
        Ok(target) => match led {
            Some(Seen::Link { target: led, .. }) if target == Path::new(led) => Ok(()),
            _ => Err(MachineError::Changed(path.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(MachineError::Changed(path.to_owned())),
    }
}

/// A file that is removed or replaced still says what it said when it was looked at, or is gone.
fn still_says(observed: &Observed, path: &Path) -> Result<(), MachineError> {
    let said = path.to_str().and_then(|path| observed.texts.get(path));
    match files::read(path) {
        Ok(bytes) if said.is_some_and(|said| *said == String::from_utf8_lossy(&bytes)) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(MachineError::Changed(path.to_owned())),
    }
}

/// What systemd does not know needs not be stopped, disabled or forgotten.
fn tolerant(result: Result<(), SystemctlError>) -> Result<(), SystemctlError> {
    match result {
        Err(SystemctlError::Refused { .. }) => Ok(()),
        other => other,
    }
}
