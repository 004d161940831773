//! A service manager that is a model: it reads real folders and links, and starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tessera_systemd::systemctl::SystemctlError;
use tessera_systemd::{Generated, Places, ServiceManager, UnitState, Verified};
use tessera_tenant::plan::is_quadlet;
use tessera_tenant::registry::unit_of_file;

/// The model, with what it remembers.
#[derive(Debug)]
pub(crate) struct Model {
    places: Places,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The units that were read, with their texts.
    pub(crate) loaded: BTreeMap<String, String>,
    pub(crate) active: BTreeSet<String>,
    pub(crate) failed: BTreeSet<String>,
    pub(crate) reloads: usize,
    /// After so many changes nothing more can be done.
    pub(crate) changes_left: Option<usize>,
    pub(crate) is_away: bool,
    /// How systemd's check ends, without a word.
    pub(crate) verify_fails: Option<String>,
}

type Done = Result<(), SystemctlError>;

fn refused(said: &str) -> SystemctlError {
    SystemctlError::Refused { command: "model".to_owned(), said: said.to_owned() }
}

impl Model {
    pub(crate) fn new(places: &Places) -> Self {
        Self { places: places.clone(), memory: Mutex::default() }
    }

    pub(crate) fn memory<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap())
    }

    fn systemd(&self, name: &str) -> PathBuf {
        Path::new(&self.places.layout.systemd).join(name)
    }

    /// What is on the disk, as systemd and Quadlet would read it.
    fn on_disk(&self) -> BTreeMap<String, String> {
        let mut units = BTreeMap::new();
        for path in paths(&self.systemd("")) {
            if let (Some(unit), Some(text)) = (unit_of(&path), text_of(&path)) {
                units.insert(unit, text);
            }
        }
        for folder in paths(Path::new(&self.places.layout.quadlet)) {
            let files: Vec<_> =
                paths(&folder).into_iter().filter(|path| is_for_quadlet(path)).collect();
            // One that leads nowhere takes the others with it.
            if files.iter().all(|path| path.exists()) {
                let read = |path: &PathBuf| Some((unit_of(path)?, text_of(path)?));
                units.extend(files.iter().filter_map(read));
            }
        }
        units
    }

    /// Links to rendered units that lead nowhere: there must never be one.
    fn dangling(&self) -> Vec<PathBuf> {
        let mut folders = paths(Path::new(&self.places.layout.quadlet));
        folders.push(self.systemd(""));
        let all = folders.iter().flat_map(|folder| paths(folder));
        let is_own = |path: &PathBuf| {
            fs::read_link(path).is_ok_and(|target| target.starts_with(&self.places.state))
        };
        all.filter(|path| unit_of(path).is_some() && is_own(path) && !path.exists()).collect()
    }
}

fn is_for_quadlet(path: &Path) -> bool {
    path.file_name().is_some_and(|name| is_quadlet(&name.to_string_lossy()))
}

/// What a file says; a pipe says nothing.
fn text_of(path: &Path) -> Option<String> {
    path.is_file().then(|| fs::read_to_string(path).unwrap())
}

fn unit_of(path: &Path) -> Option<String> {
    unit_of_file(path.file_name()?.to_str()?)
}

pub(crate) fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

impl ServiceManager for Model {
    fn reload(&self) -> Done {
        let disk = self.on_disk();
        self.memory(|memory| {
            memory.reloads += 1;
            // A service that runs goes on.
            let is_gone = |unit: &&String| unit.ends_with(".timer") && !disk.contains_key(*unit);
            let gone: Vec<_> = memory.active.iter().filter(is_gone).cloned().collect();
            for unit in gone {
                memory.active.remove(&unit);
                memory.failed.insert(unit);
            }
            memory.loaded = disk;
        });
        Ok(())
    }

    fn enable(&self, timer: &str) -> Done {
        let target = fs::read_link(self.systemd(timer)).map_err(|_| refused("no such file"))?;
        let wants = self.systemd("timers.target.wants");
        fs::create_dir_all(&wants).unwrap();
        let link = wants.join(timer);
        let _old = fs::remove_file(&link);
        symlink(target, link).unwrap();
        Ok(())
    }

    fn disable(&self, timer: &str) -> Done {
        if !self.systemd(timer).exists() {
            return Err(refused("Unit file does not exist"));
        }
        let wants = self.systemd("timers.target.wants");
        let _not_enabled = fs::remove_file(wants.join(timer));
        let _used = fs::remove_dir(wants);
        fs::remove_file(self.systemd(timer)).unwrap();
        self.stop(timer)
    }

    fn restart(&self, timer: &str) -> Done {
        self.memory(|memory| match memory.loaded.contains_key(timer) {
            true => {
                memory.failed.remove(timer);
                memory.active.insert(timer.to_owned());
                Ok(())
            }
            false => Err(refused("Unit not found")),
        })
    }

    fn stop(&self, unit: &str) -> Done {
        self.memory(|memory| match memory.loaded.contains_key(unit) {
            true => {
                memory.active.remove(unit);
                Ok(())
            }
            false => Err(refused("Unit not loaded")),
        })
    }

    fn reset_failed(&self, unit: &str) -> Done {
        match self.memory(|memory| memory.failed.remove(unit)) {
            true => Ok(()),
            false => Err(refused("Unit not loaded")),
        }
    }

    fn states(&self, units: &[String]) -> Result<BTreeMap<String, UnitState>, SystemctlError> {
        let disk = self.on_disk();
        self.memory(|memory| {
            if memory.is_away {
                return Err(SystemctlError::NoManager("nobody is there".to_owned()));
            }
            let state = |unit: &String| {
                let loaded = memory.loaded.get(unit);
                let active = match (memory.active.contains(unit), memory.failed.contains(unit)) {
                    (true, _) => "active",
                    (_, true) => "failed",
                    _ => "inactive",
                };
                UnitState {
                    load: if loaded.is_some() { "loaded" } else { "not-found" }.to_owned(),
                    active: active.to_owned(),
                    is_outdated: loaded.is_some() && disk.get(unit) != loaded,
                    ..UnitState::default()
                }
            };
            Ok(units.iter().map(|unit| (unit.clone(), state(unit))).collect())
        })
    }

    fn unit_folders(&self) -> Result<Vec<PathBuf>, SystemctlError> {
        // As of a home with a space in its path.
        Ok(["[unprintable]", "[unprintable]"].map(PathBuf::from).into())
    }

    fn before_change(&self) -> Done {
        assert_eq!(self.dangling(), Vec::<PathBuf>::new());
        self.memory(|memory| match &mut memory.changes_left {
            Some(0) => Err(refused("cut off")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        })
    }

    fn verify(&self, _folders: &[PathBuf], _units: &[PathBuf]) -> io::Result<Verified> {
        Ok(Verified {
            failure: self.memory(|memory| memory.verify_fails.clone()),
            ..Default::default()
        })
    }

    /// Each file is its own service.
    fn generate(&self, folder: &Path) -> io::Result<Option<Generated>> {
        let files = paths(folder).into_iter().flat_map(|folder| paths(&folder));
        let made = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            format!("---{}---\n{text}", unit_of(&path).unwrap())
        };
        Ok(Some(Generated { printed: files.map(made).collect(), ..Default::default() }))
    }
}
