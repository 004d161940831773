//! A user's machine: what is wanted of a tenant there, and what that comes to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tessera_tenant::plan::{Declared, Observed, Plan, Seen, is_quadlet, plan};
use tessera_tenant::units::UnitFile;
use tessera_types::Name;

use crate::error::{MachineError, file};
use crate::fault::Fault;
use crate::lock::{self, Lock};
use crate::places::{Places, text};
use crate::service_manager::{ServiceManager, Systemctl};
use crate::systemctl::SystemctlError;
use crate::trial;

/// How long another one who changes units is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// The folders and the service manager of one user.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) places: Places,
    pub(crate) manager: Arc<dyn ServiceManager>,
    pub(crate) lock_patience: Duration,
}

/// What is wanted of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tenant.
    pub tenant: Name,
    /// Its units.
    pub units: Units,
}

/// The units of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Units {
    /// None: it is not to be there.
    Nothing,
    /// Files that somebody keeps in a folder, by their names. Others in it are no units.
    Kept {
        /// The folder, absolute.
        folder: PathBuf,
        /// The names of the files.
        files: Vec<String>,
    },
    /// Texts that were rendered, to be written.
    Rendered(Vec<UnitFile>),
}

/// What is to be done for a tenant, before anything was.
#[derive(Debug)]
pub struct Prospect {
    /// The tenant.
    pub tenant: Name,
    /// What is to be done.
    pub plan: Plan,
    /// Why its units would not work. With any, nothing is done.
    pub faults: Vec<Fault>,
    /// Why systemd could not be asked; then nothing is known of what it has.
    pub unreachable: Option<SystemctlError>,
    /// Files that change what the tenant's units say, in folders of systemd's beside them. Nobody
    /// touches these.
    pub drop_ins: Vec<String>,
    pub(crate) declared: Declared,
    /// What the plan was made for.
    pub(crate) observed: Observed,
    /// The folder of the units that are written by hand.
    pub(crate) folder: Option<PathBuf>,
}

impl Prospect {
    /// Whether all is as it is wanted.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.plan.is_empty() && self.faults.is_empty()
    }

    /// The timers that run the tenant.
    #[must_use]
    pub fn timers(&self) -> &BTreeSet<String> {
        self.declared.timers()
    }
}

impl Machine {
    /// That of the user whose environment this is.
    ///
    /// # Errors
    /// There is no home, or its path is no text.
    pub fn of_user() -> Result<Self, MachineError> {
        Ok(Self::new(Places::of_user()?, Arc::new(Systemctl::default())))
    }

    /// One with these folders and this service manager.
    #[must_use]
    pub fn new(places: Places, manager: Arc<dyn ServiceManager>) -> Self {
        Self { places, manager, lock_patience: LOCK_PATIENCE }
    }

    /// The same, waiting for others who change units no longer than this.
    #[must_use]
    pub fn with_lock_patience(self, lock_patience: Duration) -> Self {
        Self { lock_patience, ..self }
    }

    /// Its folders.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Its service manager.
    #[must_use]
    pub fn manager(&self) -> &dyn ServiceManager {
        &*self.manager
    }

    /// Waits until nobody else changes units, and keeps others from it. What one who was cut off has
    /// left goes.
    ///
    /// # Errors
    /// Somebody goes on for too long; or the file cannot be used.
    pub fn lock(&self) -> Result<Lock, MachineError> {
        let path = self.places.session()?.join("units.lock");
        let lock = lock::take(&path, "changed", self.lock_patience)?;
        self.sweep(&lock);
        Ok(lock)
    }

    /// The tenants that were installed, whoever declares them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn installed(&self) -> Result<BTreeSet<Name>, MachineError> {
        let folder = self.places.tenants();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(file("read", &folder)(error)),
        };
        let mut tenants = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(file("read", &folder))?;
            // What was kept of an edit stays when a tenant goes.
            let is_tenant = |tenant: &Name| self.has_more_than_backups(tenant);
            let name = entry.file_name().to_str().and_then(|name| Name::new(name).ok());
            tenants.extend(name.filter(is_tenant));
        }
        Ok(tenants)
    }

    fn has_more_than_backups(&self, tenant: &Name) -> bool {
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        // What was being made is no sign of anything that is there.
        names(&self.places.tenant(tenant)).any(|name| name != "units" && !name.starts_with('.'))
            || names(&self.places.units(tenant))
                .any(|name| !name.contains(".tessera-backup") && !name.starts_with('.'))
    }

    /// What is to be done for a tenant; nothing is changed. With `force`, what is in the way is set
    /// aside.
    ///
    /// # Errors
    /// A folder cannot be read, or systemd refuses to tell.
    pub fn look(&self, wanted: &Wanted, force: bool) -> Result<Prospect, MachineError> {
        let (declared, folder) = self.declare(wanted)?;
        let (observed, unreachable) = self.observe(&declared, &wanted.tenant)?;
        let plan = plan(&declared, &observed, force);
        let mut prospect = Prospect {
            tenant: wanted.tenant.clone(),
            plan,
            faults: Vec::new(),
            unreachable,
            drop_ins: self.drop_ins(declared.units()),
            declared,
            observed,
            folder,
        };
        // A file that somebody put beside the tenant's may keep Quadlet from making any unit. Without
        // a session nothing can be installed, and there is no place to try units in.
        let is_to_be_tried = !prospect.is_done() || self.has_strangers(&prospect);
        if is_to_be_tried && self.places.runtime.exists() {
            prospect.faults = self.trial(&prospect)?;
        }
        Ok(prospect)
    }

    /// Whether a tenant was installed from texts, and those are others than the ones that are wanted
    /// now. systemd is not asked.
    ///
    /// # Errors
    /// The path of a folder is no text.
    pub fn is_outdated(&self, wanted: &Wanted) -> Result<bool, MachineError> {
        let (declared, _) = self.declare(wanted)?;
        let differs = |(path, text): (&String, &String)| {
            std::fs::read_to_string(path).map_or(true, |found| found != *text)
        };
        let is_installed = self.places.units(&wanted.tenant).is_dir();
        Ok(is_installed && declared.texts().iter().any(differs))
    }

    /// Files in the folders of systemd's that change what these units say.
    pub(crate) fn drop_ins(&self, units: impl IntoIterator<Item = String>) -> Vec<String> {
        let folder = |unit: String| Path::new(&self.places.layout.systemd).join(unit + ".d");
        let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = units.into_iter().flat_map(|unit| entries(folder(unit)));
        let paths = paths.map(|entry| entry.path());
        let read = paths.filter(|path| path.extension().is_some_and(|it| it == "conf"));
        let mut paths: Vec<String> = read.map(|path| path.display().to_string()).collect();
        paths.sort();
        paths
    }

    fn has_strangers(&self, prospect: &Prospect) -> bool {
        let links = prospect.declared.links();
        let own = format!("{}/{}/", self.places.layout.quadlet, prospect.tenant);
        prospect.observed.paths.iter().any(|(path, seen)| {
            let is_read = path.starts_with(&own) && is_quadlet(path);
            is_read && *seen != Seen::Folder && !links.contains_key(path)
        })
    }

    fn trial(&self, prospect: &Prospect) -> Result<Vec<Fault>, MachineError> {
        let quadlet = &self.places.layout.quadlet;
        let own = format!("{quadlet}/{}/", prospect.tenant);
        trial::of(self, &prospect.declared, (quadlet, &own), &prospect.observed)
    }

    /// Looks, and makes it so.
    ///
    /// # Errors
    /// It is refused, and nothing was changed; or something could not be done, and the next call
    /// takes up what is left.
    pub fn install(&self, wanted: &Wanted, force: bool) -> Result<Prospect, MachineError> {
        let lock = self.lock()?;
        let prospect = self.look(wanted, force)?;
        let mut done = self.carry_out(&lock, &[&prospect]);
        done.remove(0).result.map(|()| prospect)
    }

    /// Removes a tenant, whether anybody still declares it or not. A service that runs is stopped
    /// with `force` alone.
    ///
    /// # Errors
    /// As [`Machine::install`].
    pub fn uninstall(&self, tenant: &Name, force: bool) -> Result<Prospect, MachineError> {
        self.install(&Wanted { tenant: tenant.clone(), units: Units::Nothing }, force)
    }

    fn declare(&self, wanted: &Wanted) -> Result<(Declared, Option<PathBuf>), MachineError> {
        let Wanted { tenant, units } = wanted;
        let layout = &self.places.layout;
        let rendered = text(&self.places.units(tenant))?;
        let mut roots = vec![rendered.clone()];
        roots.extend(self.former_folder(tenant));
        let (declared, folder) = match units {
            Units::Nothing => (Declared::nothing(layout, tenant, &roots), None),
            Units::Rendered(files) => {
                (Declared::rendered(layout, tenant, &rendered, &roots, files), None)
            }
            Units::Kept { folder, files } => {
                let folder_text = text(folder)?;
                let path = |file: &String| format!("{folder_text}/{file}");
                let files: Vec<String> = files.iter().map(path).collect();
                roots.push(folder_text);
                let files = files.iter().map(String::as_str);
                (Declared::new(layout, tenant, &roots, files), Some(folder.clone()))
            }
        };
        Ok((declared, folder))
    }

    /// Where units written by hand were when the tenant was installed.
    fn former_folder(&self, tenant: &Name) -> Option<String> {
        let folder = std::fs::read_link(self.places.folder_link(tenant)).ok()?;
        text(&folder).ok()
    }
}
