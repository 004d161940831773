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
use crate::places::text;
use crate::quadlet::{self, DEPTH_MAX};
use crate::search::{search, search_linked};
use crate::service_manager::UnitState;
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
        let mut found = |path, seen| drop(observed.paths.insert(path, seen));
        search_linked(Path::new(&layout.quadlet), DEPTH_MAX, &mut found)?;
        search(Path::new(&layout.systemd), DEPTH_MAX, &mut found)?;
        observed.enabled = enabled(&observed.paths);
        observed.texts = texts(&self.places.units(tenant))?;
        observed.unfinished = unfinished(&self.places.unfinished(tenant))?;
        observed.of_others = self.of_others(tenant)?;
        let unreachable = self.ask(declared, tenant, &mut observed);
        Ok((observed, unreachable.err()))
    }

    /// Where the units of the other tenants are.
    fn of_others(&self, tenant: &Name) -> Result<Vec<String>, MachineError> {
        let others = self.installed()?.into_iter().filter(|other| other != tenant);
        let folders = others.flat_map(|other| {
            let noted = fs::read_link(self.places.folder_link(&other)).ok();
            [Some(self.places.units(&other)), noted].into_iter().flatten()
        });
        Ok(folders.filter_map(|folder| text(&folder).ok()).collect())
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
        self.foreign(&mut observed.paths)?;
        observed.elsewhere = elsewhere(&states, &observed.paths);
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
        Ok(())
    }

    /// Adds what is in folders of units beside those of the layout.
    pub(crate) fn foreign(&self, paths: &mut BTreeMap<String, Seen>) -> Result<(), SystemctlError> {
        for Foreign { folder, is_of_quadlet, depth } in self.foreign_folders()? {
            let mut found = |path: String, seen| {
                let name = path.rsplit('/').next().unwrap_or_default();
                if is_quadlet(name) == is_of_quadlet {
                    paths.entry(path).or_insert(seen);
                }
            };
            // One that cannot be read is not read by systemd either.
            let _unreadable = match is_of_quadlet {
                true => search_linked(&folder, depth, &mut found),
                false => search(&folder, depth, &mut found),
            };
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
        let (mut folders, untold): (Vec<_>, Vec<_>) =
            self.manager.unit_folders()?.into_iter().partition(|folder| folder.is_absolute());
        if !untold.is_empty() {
            // systemctl does not print what has a space, as all has that is in such a home.
            folders.extend(self.places.unit_folders());
        }
        let folders = folders.into_iter().filter(|folder| !is_made(folder));
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

/// Where units were read from that are brought by none of these paths.
pub(crate) fn elsewhere(
    states: &BTreeMap<String, UnitState>,
    paths: &BTreeMap<String, Seen>,
) -> BTreeMap<String, String> {
    let mut brought: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    for path in paths.keys() {
        let unit = path.rsplit('/').next().and_then(unit_of_file);
        if let Some(unit) = unit.filter(|unit| states.contains_key(unit)) {
            brought.extend(fs::canonicalize(path).ok().map(|path| (unit, path)));
        }
    }
    let read = states.iter().filter_map(|(unit, state)| Some((unit, state.source.as_ref()?)));
    let unknown = read.filter(|(unit, source)| {
        // One that is gone is only in systemd's memory.
        let path = fs::canonicalize(source).ok().filter(|path| path.is_file());
        path.is_some_and(|path| !brought.contains(&((*unit).clone(), path)))
    });
    let texts = unknown.filter_map(|(unit, source)| Some((unit.clone(), text(source).ok()?)));
    texts.collect()
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
