//! What is noted of a plan that is being carried out, and of folders that were made for it.
//!
//! The one idea: what is noted is noted before it is done, so that whoever comes later finds it,
//! wherever the one before was cut off. What even that misses lies in Tessera's own folders, and is
//! swept away by the next one who changes anything.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tessera_types::Name;

use crate::error::{MachineError, file};
use crate::files;
use crate::lock::Lock;
use crate::machine::{Machine, Prospect};

impl Machine {
    /// Notes what is begun: the units that may be gone when somebody looks again. Where that fails,
    /// as on a disk that is full, nothing was begun and nothing of it is left.
    pub(crate) fn mark(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let mut units: BTreeSet<String> = prospect.declared.units();
        units.extend(prospect.plan.forget.iter().cloned());
        let lines: String = units.iter().map(|unit| format!("{unit}\n")).collect();
        let marked = self.write_mark(&prospect.tenant, &lines);
        if marked.is_err() {
            let _left_for_the_next_one = self.take_back(&prospect.tenant);
        }
        marked
    }

    /// Removes what was made for a mark that could not be written, unless there is an earlier one.
    fn take_back(&self, tenant: &Name) -> Result<(), MachineError> {
        self.before_change()?;
        let _used = fs::remove_dir(self.places.tenant(tenant));
        self.remove_made()
    }

    fn write_mark(&self, tenant: &Name, lines: &str) -> Result<(), MachineError> {
        // systemd makes these when a timer is started.
        self.note_made(&missing(&self.places.stamps))?;
        self.make_folder(&self.places.tenant(tenant))?;
        let path = self.places.unfinished(tenant);
        self.before_change()?;
        files::write(&path, lines).map_err(file("written", &path))
    }

    /// All is done. Of a tenant that is gone nothing is left.
    pub(crate) fn unmark(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let tenant = &prospect.tenant;
        self.before_change()?;
        self.note_folder(prospect)?;
        self.before_change()?;
        // Not everything may be there, and what somebody put there stays.
        let _used = fs::remove_dir(self.places.units(tenant));
        self.before_change()?;
        let mark = self.places.unfinished(tenant);
        files::remove(&mark).map_err(file("removed", &mark))?;
        self.before_change()?;
        let is_gone = prospect.declared.links().is_empty();
        if is_gone && fs::remove_dir(self.places.tenant(tenant)).is_ok() {
            self.remove_made()?;
        }
        Ok(())
    }

    /// Notes where units are that were written by hand.
    fn note_folder(&self, prospect: &Prospect) -> Result<(), MachineError> {
        let link = self.places.folder_link(&prospect.tenant);
        match &prospect.folder {
            Some(folder) if fs::read_link(&link).ok().as_ref() == Some(folder) => Ok(()),
            Some(folder) => files::relink(folder, &link).map_err(file("linked", &link)),
            None => files::remove(&link).map_err(file("removed", &link)),
        }
    }

    /// Makes a folder and those above it, having noted which ones there are not.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<(), MachineError> {
        self.note_made(&missing(folder))?;
        self.before_change()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(file("created", folder))
    }

    /// Notes folders that go with the last tenant. Those of tenants go with each.
    fn note_made(&self, made: &[PathBuf]) -> Result<(), MachineError> {
        let (noted, own) = (self.places.made(), self.places.tenants());
        // What the note is in cannot be noted before it is there.
        let first = missing(&own);
        let before = fs::read_to_string(&noted).unwrap_or_default();
        let mut lines = before.clone();
        let made = made.iter().filter(|folder| !folder.starts_with(&own));
        for folder in first.iter().chain(made) {
            let folder = folder.display().to_string();
            if !lines.lines().any(|line| line == folder) {
                lines += &format!("{folder}\n");
            }
        }
        if lines == before {
            return Ok(());
        }
        self.before_change()?;
        let created = fs::create_dir_all(&own).map_err(file("created", &own));
        let written =
            created.and_then(|()| files::write(&noted, &lines).map_err(file("written", &noted)));
        if written.is_err() {
            remove_empty(first);
        }
        written
    }

    /// With the last tenant go the folders that were made for tenants, unless others use them.
    fn remove_made(&self) -> Result<(), MachineError> {
        let (own, noted) = (self.places.tenants(), self.places.made());
        let mut entries = fs::read_dir(&own).map_err(file("read", &own))?.flatten();
        if entries.any(|entry| entry.path() != noted) {
            return Ok(());
        }
        let lines = fs::read_to_string(&noted).unwrap_or_default();
        let folders = lines.lines().map(PathBuf::from);
        // The note goes after all but the folders that it is in.
        let (mut holders, others): (Vec<_>, Vec<_>) =
            folders.partition(|folder| own.starts_with(folder));
        remove_empty(others);
        self.before_change()?;
        files::remove(&noted).map_err(file("removed", &noted))?;
        holders.push(own);
        remove_empty(holders);
        Ok(())
    }

    /// Removes what one who was cut off has left in Tessera's own folders, and no plan sees. What
    /// cannot be removed is no matter of who comes next.
    pub(crate) fn sweep(&self, _nobody_else_is_at_it: &Lock) {
        let own = self.places.tenants();
        let Ok(entries) = fs::read_dir(&own) else { return };
        for folder in entries.flatten().map(|entry| entry.path()) {
            remove_scraps(&folder);
            // Only where nothing is in it.
            let _used = fs::remove_dir(folder.join("units"));
            let _used = fs::remove_dir(folder);
        }
        remove_scraps(&own);
        let _used = self.remove_made();
    }

    /// Something is about to be changed.
    pub(crate) fn before_change(&self) -> Result<(), MachineError> {
        Ok(self.manager.before_change()?)
    }
}

/// The folders that would have to be made for this one.
fn missing(folder: &Path) -> Vec<PathBuf> {
    folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
}

/// Removes those of the folders in which nothing is.
fn remove_empty(mut folders: Vec<PathBuf>) {
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    for folder in folders {
        let _used = fs::remove_dir(folder);
    }
}

fn remove_scraps(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| files::is_scrap(&entry.file_name().to_string_lossy())) {
        let _gone = files::remove(&entry.path());
    }
}
