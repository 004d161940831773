//! Carrying out what prospects say.
//!
//! The one idea: what is begun is marked, and the mark goes last. Each step leaves the machine in a
//! state from which a new plan leads to what is wanted, and the mark tells that plan what it cannot
//! see: that systemd may not have read what is on the disk. Between look and change somebody else may
//! have been there, so what is removed or replaced is looked at once more.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use tessera_tenant::plan::{Observed, Seen, Step};

use crate::error::{MachineError, file};
use crate::files;
use crate::lock::Lock;
use crate::machine::{Machine, Prospect};
use crate::observe::elsewhere;
use crate::systemctl::SystemctlError;

/// What came of one prospect.
#[derive(Debug)]
pub struct CarriedOut {
    /// Whether a step was taken, be it in vain.
    pub has_changed: bool,
    /// Whether all is as it is wanted.
    pub result: Result<(), MachineError>,
}

/// What came of the part before the reload.
struct Begun {
    has_changed: bool,
    is_to_reload: Result<bool, MachineError>,
}

impl Machine {
    /// Makes it as these prospects say, with one reload for all. What goes wrong with one leaves the
    /// others.
    #[expect(unused_variables, reason = "the lock is asked for so that it is held")]
    pub fn carry_out(&self, lock: &Lock, prospects: &[&Prospect]) -> Vec<CarriedOut> {
        let mut all: Vec<Begun> = prospects.iter().map(|prospect| self.begin(prospect)).collect();
        let waits = |begun: &Begun| matches!(begun.is_to_reload, Ok(true));
        if all.iter().any(waits)
            && let Err(error) = self.manager.reload()
        {
            for begun in all.iter_mut().filter(|begun| waits(begun)) {
                begun.is_to_reload = Err(error.again().into());
            }
        }
        let end = |(prospect, Begun { has_changed, is_to_reload }): (&&Prospect, Begun)| {
            let result = is_to_reload.and_then(|_| self.end(prospect));
            CarriedOut { has_changed, result }
        };
        prospects.iter().zip(all).map(end).collect()
    }

    /// What comes before the reload.
    fn begin(&self, prospect: &Prospect) -> Begun {
        let mut has_changed = false;
        let is_to_reload = self.try_begin(prospect, &mut has_changed);
        Begun { has_changed, is_to_reload }
    }

    fn try_begin(&self, prospect: &Prospect, changed: &mut bool) -> Result<bool, MachineError> {
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
        *changed = true;
        let switches_off = |step: &&Step| matches!(step, Step::Disable(_) | Step::Stop(_));
        for step in steps.iter().take_while(switches_off) {
            self.step(prospect, step)?;
        }
        self.none_has_begun(prospect)?;
        let is_before = |step: &&Step| !matches!(step, Step::Reload);
        for step in steps.iter().skip_while(switches_off).take_while(is_before) {
            self.step(prospect, step)?;
        }
        Ok(steps.contains(&Step::Reload))
    }

    /// Of a tenant that goes, no service runs that is not to be stopped: until just now its timer may
    /// have started it.
    fn none_has_begun(
        &self,
        Prospect { plan, declared, .. }: &Prospect,
    ) -> Result<(), MachineError> {
        if !declared.links().is_empty() {
            return Ok(());
        }
        let goes = |unit: &&String| unit.ends_with(".service") && !unit.contains('@');
        let services = plan.forget.iter().filter(goes).filter(|unit| !plan.stop.contains(unit));
        let services: Vec<String> = services.cloned().collect();
        if services.is_empty() {
            return Ok(());
        }
        let mut states = self.manager.states(&services)?.into_iter();
        match states.find(|(_, state)| state.is_running()) {
            Some((service, _)) => Err(MachineError::HasBegun(service)),
            None => Ok(()),
        }
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

    fn step(&self, prospect: &Prospect, step: &Step) -> Result<(), MachineError> {
        self.before_change()?;
        let Prospect { observed, .. } = prospect;
        match step {
            Step::Disable(timer) => {
                // systemd removes its link.
                still_leads(observed, &Path::new(&self.places.layout.systemd).join(timer))?;
                self.disable(timer)
            }
            // What systemd does not have is stopped.
            Step::Stop(unit) => Ok(tolerant(self.manager.stop(unit))?),
            Step::Halt(timer) => self.halt(timer),
            Step::SetAside(aside) => {
                let path = Path::new(&aside.path);
                still_is(observed, path)?;
                let set_aside = files::set_aside(path, Path::new(&aside.backup));
                set_aside.map_err(file("renamed", path))
            }
            Step::Write(write) => {
                let path = Path::new(&write.path);
                self.make_folder(path.parent().unwrap_or(path))?;
                still_says(observed, path)?;
                if let Some(backup) = &write.backup {
                    keep(path, Path::new(backup)).map_err(file("copied", path))?;
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
        self.before_change()?;
        tolerant(self.manager.stop(timer))?;
        self.before_change()?;
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
        self.before_change()?;
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
        self.before_change()?;
        tolerant(self.manager.reset_failed(unit))?;
        self.before_change()?;
        // A timer of the same name that is installed later would catch up a run otherwise.
        let stamp = self.places.stamp(unit);
        files::remove(&stamp).map_err(file("removed", &stamp))?;
        // A run that goes on needs what it has there, to stop its container and to tell how it ended.
        if unit.ends_with(".service") && !state.is_running() {
            for left in self.places.left_by_runs(unit) {
                files::remove(&left).map_err(file("removed", &left))?;
            }
        }
        Ok(())
    }
}

/// Keeps what is to be replaced. A link that leads nowhere has nothing to copy, and is renamed; what is
/// gone by now needs no keeping.
fn keep(path: &Path, backup: &Path) -> io::Result<()> {
    match files::copy(path, backup) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.is_symlink() {
            true => files::set_aside(path, backup),
            false => Ok(()),
        },
        copied => copied,
    }
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

/// What is set aside is still of the kind that was seen, or is gone.
fn still_is(observed: &Observed, path: &Path) -> Result<(), MachineError> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    let is_same = match path.to_str().and_then(|path| observed.paths.get(path)) {
        Some(Seen::Link { .. }) => return still_leads(observed, path),
        Some(Seen::Folder) => there.is_dir(),
        Some(Seen::File) => !there.is_dir() && !there.is_symlink(),
        None => false,
    };
    if is_same { Ok(()) } else { Err(MachineError::Changed(path.to_owned())) }
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
