//! Who the program is: its manifest, its service, and its place in the hub.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tessera_manifest::Problem;
use tessera_types::{Name, Timestamp};

use crate::environment::Environment;
use crate::hub::Hub;
use crate::manifest::{FILE_NAME, Manifest};

pub(super) struct Tenant {
    pub(super) manifest: Manifest,
    pub(super) service: Option<Name>,
    pub(super) hub: Option<Hub>,
    pub(super) environment: Environment,
}

impl Tenant {
    /// Finds out who the program is, or says what is wrong.
    pub(super) fn load(environment: Environment) -> Result<Self, String> {
        let path = match &environment.manifest {
            Some(path) => path.clone(),
            None => find(&env::current_dir().map_err(|error| error.to_string())?)?,
        };
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
        let manifest = Manifest::parse(&shown, &text).map_err(|problems| rendered(&problems))?;
        let service = manifest
            .service(&environment.service)
            .map_err(|why| format!("TESSERA_SERVICE: {why}"))?;
        let textfiles = environment.textfiles.as_deref();
        let hub = environment.hub.as_deref();
        let hub = hub.map(|root| Hub::new(root, textfiles, &manifest.name));
        Ok(Self { manifest, service, hub, environment })
    }

    /// The suffix of the service that runs; nothing for the primary.
    pub(super) fn suffix(&self) -> Option<&str> {
        self.service.as_ref().map(Name::as_str)
    }

    pub(super) fn say(&self, text: &str) {
        crate::context::say(&self.manifest.name, text);
    }

    /// Tells people that something of a run is not in the hub. The run's outcome stays what it is.
    pub(super) fn say_unrecorded(&self, why: &str) {
        self.say(&format!("could not be recorded: {why}"));
    }
}

/// Why there is no hub.
pub(super) const NO_HUB: &str =
    "no folder for telemetry: set TESSERA_TELEMETRY_DIR, XDG_STATE_HOME or HOME";

/// What the wall clock shows, in whole milliseconds.
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 1000));
    Timestamp::from_micros(ms * 1000)
}

fn find(folder: &Path) -> Result<PathBuf, String> {
    let mut paths = folder.ancestors().map(|folder| folder.join(FILE_NAME));
    paths.find(|path| path.exists()).ok_or_else(|| {
        format!(
            "there is no {FILE_NAME} in {} or above: set TESSERA_TENANT_MANIFEST",
            folder.display()
        )
    })
}

fn rendered(problems: &[Problem]) -> String {
    problems.iter().map(Problem::render).collect()
}
