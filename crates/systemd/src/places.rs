//! The folders of one user on which all of this works.

use std::path::{Path, PathBuf};

use tessera_tenant::plan::Layout;
use tessera_types::Name;

/// The folders of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where units are linked.
    pub layout: Layout,
    /// What Tessera keeps for this user, such as rendered units.
    pub state: PathBuf,
    /// Where systemd keeps when timers were last due.
    pub stamps: PathBuf,
    /// What lives as long as the user is there; the lock is in it.
    pub runtime: PathBuf,
}

/// A folder that units cannot be linked to.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// Nobody says where the user's files are.
    #[error("HOME is not set to an absolute path: set it")]
    NoHome,
    /// Links are compared as text.
    #[error("{0:?} is no UTF-8: choose another folder")]
    NotUtf8(PathBuf),
}

impl Places {
    /// Those of the user whose environment this is, as systemd and Quadlet find them.
    ///
    /// # Errors
    /// There is no home, or its path is no text.
    pub fn of_user() -> Result<Self, PlacesError> {
        let set = |name: &str| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let below = |name: &str, default: &str| {
            set(name).or_else(|| Some(set("HOME")?.join(default))).ok_or(PlacesError::NoHome)
        };
        let runtime = set("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            Path::new("/run/user").join(rustix::process::getuid().as_raw().to_string())
        });
        let config = below("XDG_CONFIG_HOME", ".config")?;
        Self::new(&config, &below("XDG_DATA_HOME", ".local/share")?, runtime)
    }

    /// Those below these folders of configuration, of data and of what does not last.
    ///
    /// # Errors
    /// A path is no text.
    pub fn new(config: &Path, data: &Path, runtime: PathBuf) -> Result<Self, PlacesError> {
        let layout = Layout {
            quadlet: text(&config.join("containers/systemd"))?,
            systemd: text(&config.join("systemd/user"))?,
        };
        text(data)?;
        let (state, stamps) = (data.join("tessera"), data.join("systemd/timers"));
        Ok(Self { layout, state, stamps, runtime })
    }

    /// The folders of this user that systemd reads units from, beside the one for links.
    pub(crate) fn unit_folders(&self) -> [PathBuf; 2] {
        let control = Path::new(&self.layout.systemd).with_file_name("user.control");
        [control, self.stamps.with_file_name("user")]
    }

    /// The file whose time is that at which systemd last saw a timer due.
    pub(crate) fn stamp(&self, timer: &str) -> PathBuf {
        self.stamps.join(format!("stamp-{timer}"))
    }

    /// The folder with a folder for each tenant that was installed.
    pub(crate) fn tenants(&self) -> PathBuf {
        self.state.join("tenants")
    }

    /// What is kept of one tenant.
    pub(crate) fn tenant(&self, tenant: &Name) -> PathBuf {
        self.tenants().join(tenant.as_str())
    }

    /// Where its rendered units are.
    #[must_use]
    pub fn units(&self, tenant: &Name) -> PathBuf {
        self.tenant(tenant).join("units")
    }

    /// A link to the folder of the units that were written by hand, by which they are found when
    /// the registry does not have the tenant any more.
    pub(crate) fn folder_link(&self, tenant: &Name) -> PathBuf {
        self.tenant(tenant).join("folder")
    }

    /// There while a plan is carried out: the units that it is about.
    pub(crate) fn unfinished(&self, tenant: &Name) -> PathBuf {
        self.tenant(tenant).join("unfinished")
    }

    /// The folders that were made for units, to be removed with the last tenant.
    pub(crate) fn made(&self) -> PathBuf {
        self.tenants().join(".made")
    }
}

pub(crate) fn text(path: &Path) -> Result<String, PlacesError> {
    path.to_str().map(str::to_owned).ok_or_else(|| PlacesError::NotUtf8(path.to_owned()))
}
