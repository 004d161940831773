//! What is on the machine: links and files below the folders of units, and what systemd says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tessera_tenant::plan::{Declared, Observed, Seen, is_quadlet};
use tessera_tenant::registry::unit_of_file;
use tessera_types::Name;

use crate::error::{MachineError, file};
use crate::files;
use crate::machine::Machine;
use crate::quadlet::{self, DEPTH_MAX};
use crate::systemctl::SystemctlError;

/// A folder of units that is not one of the layout.
struct Foreign {
    folder: PathBuf,
    is_of_quadlet: bool,
    depth: usize,
}

impl Machine {
    /// What matters for this tenant; with the reason why systemd could not be asked, if so.
    pub(crate) fn observe(
        &self,
        declared: &Declared,
        tenant: &Name,
    ) -> Result<(Observed, Option<SystemctlError>), MachineError> {
        let mut observed = Observed::default();
        let layout = &self.places.layout;
        for folder in [&layout.quadlet, &layout.systemd] {
            search(Path::new(folder), DEPTH_MAX, &mut |path, seen| {
                observed.paths.insert(path, seen);
            })?;
        }
        observed.enabled = enabled(&observed.paths);
        observed.texts = texts(&self.places.units(tenant))?;
        observed.unfinished = unfinished(&self.places.unfinished(tenant))?;
        let unreachable = self.ask(declared, tenant, &mut observed);
        Ok((observed, unreachable.err()))
    }

    /// What systemd knows, and the folders of others.
    fn ask(
        &self,
        declared: &Declared,
        tenant: &Name,
        observed: &mut Observed,
    ) -> Result<(), SystemctlError> {
        let mut units = declared.units();
        units.extend(self.own_units(tenant, observed));
        let names: Vec<String> = units.into_iter().filter(|unit| !unit.contains('@')).collect();
        let states = self.manager.states(&names)?;
        for unit in names {
            let state = states.get(&unit).cloned().unwrap_or_default();
            if state.is_outdated || state.load != "loaded" {
                observed.stale.insert(unit.clone());
            }
            if unit.ends_with(".timer") && state.active != "active" {
                observed.inactive.insert(unit);
            } else if unit.ends_with(".service") && state.is_running() {
                observed.running.insert(unit);
            }
        }
        self.foreign(&mut observed.paths)
    }

    /// Adds what is in folders of units beside those of the layout.
    pub(crate) fn foreign(&self, paths: &mut BTreeMap<String, Seen>) -> Result<(), SystemctlError> {
        for Foreign { folder, is_of_quadlet, depth } in self.foreign_folders()? {
            // One that cannot be read is not read by systemd either.
            let _unreadable = search(&folder, depth, &mut |path, seen| {
                let name = path.rsplit('/').next().unwrap_or_default();
                if is_quadlet(name) == is_of_quadlet {
                    paths.entry(path).or_insert(seen);
                }
            });
        }
        Ok(())
    }

    /// The units that are in the tenant's places, wherever they lead.
    fn own_units(&self, tenant: &Name, observed: &Observed) -> BTreeSet<String> {
        let layout = &self.places.layout;
        let own_folder = format!("{}/{tenant}", layout.quadlet);
        let is_own = |path: &str| {
            let (folder, name) = path.rsplit_once('/').unwrap_or_default();
            let rest = name.strip_prefix(tenant.as_str()).unwrap_or_default();
            folder == own_folder || (folder == layout.systemd && rest.starts_with(['.', '-']))
        };
        let paths = observed.paths.keys().filter(|path| is_own(path));
        let names = paths.filter_map(|path| unit_of_file(path.rsplit('/').next()?));
        names.chain(observed.unfinished.iter().flatten().cloned()).collect()
    }

    /// Folders of units that are not those of the layout. What a generator made is made of what is
    /// in the others.
    fn foreign_folders(&self) -> Result<Vec<Foreign>, SystemctlError> {
        let made = ["generator", "generator.early", "generator.late"];
        let is_made = |folder: &Path| {
            folder.file_name().is_some_and(|name| made.iter().any(|made| name == *made))
        };
        let folders = self.manager.unit_folders()?.into_iter().filter(|folder| !is_made(folder));
        // systemd reads no folders below its own.
        let folders = folders.map(|folder| Foreign { folder, is_of_quadlet: false, depth: 1 });
        let quadlet = quadlet::folders(&self.places.runtime).into_iter();
        let quadlet = quadlet.map(|(folder, depth)| Foreign { folder, is_of_quadlet: true, depth });
        let layout = &self.places.layout;
        let own = [&layout.quadlet, &layout.systemd].map(|own| fs::canonicalize(own).ok());
        let is_foreign = |foreign: &Foreign| {
            let place = fs::canonicalize(&foreign.folder).ok();
            place.is_some() && !own.contains(&place)
        };
        Ok(folders.chain(quadlet).filter(is_foreign).collect())
    }
}

/// The timers that are enabled: systemd goes by the name of the link, wherever it leads.
fn enabled(paths: &BTreeMap<String, Seen>) -> BTreeSet<String> {
    let links = paths.iter().filter(|(_, seen)| matches!(seen, Seen::Link { dangling: false, .. }));
    let parts = links.filter_map(|(path, _)| path.rsplit_once('/'));
    let wishes = parts.filter(|(folder, name)| {
        let is_wish = folder.ends_with(".wants") || folder.ends_with(".requires");
        is_wish && name.ends_with(".timer")
    });
    wishes.map(|(_, name)| name.to_owned()).collect()
}

/// Tells of all that is in a folder and below. Links are not followed.
pub(crate) fn search(
    folder: &Path,
    depth: usize,
    found: &mut impl FnMut(String, Seen),
) -> Result<(), MachineError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file("read", folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(file("read", folder))?.path();
        // No unit has another name, and nothing of a tenant's.
        let Some(name) = path.to_str().map(str::to_owned) else { continue };
        match seen(&path) {
            Some(Seen::Folder) => {
                found(name, Seen::Folder);
                if depth > 1 {
                    search(&path, depth - 1, found)?;
                }
            }
            Some(seen) => found(name, seen),
            None => {}
        }
    }
    Ok(())
}

/// What is at a path.
fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(if metadata.is_symlink() {
        let target = fs::read_link(path).ok()?.to_string_lossy().into_owned();
        Seen::Link { target, dangling: !path.exists() }
    } else if metadata.is_dir() {
        Seen::Folder
    } else {
        Seen::File
    })
}

/// The files of a folder, if it is there, with what they say.
fn texts(folder: &Path) -> Result<BTreeMap<String, String>, MachineError> {
    let mut texts = BTreeMap::new();
    let mut files = Vec::new();
    search(folder, 1, &mut |path, seen| {
        if seen != Seen::Folder {
            files.push(path);
        }
    })?;
    for path in files {
        let bytes = match files::read(Path::new(&path)) {
            Ok(bytes) => bytes,
            // A link that leads nowhere says nothing, and is no file of Tessera's.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(file("read", Path::new(&path))(error)),
        };
        texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(texts)
}

fn unfinished(path: &Path) -> Result<Option<BTreeSet<String>>, MachineError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}
