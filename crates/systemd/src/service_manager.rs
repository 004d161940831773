//! What a machine's service manager is asked for, and what is asked of those who read units.
//!
//! The one idea: a trait, so that tests can stand at every step between two calls. The real one is
//! [`Systemctl`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use tessera_tenant::plan::Step;

use crate::quadlet;
use crate::systemctl::{self, Said, SystemctlError};

/// What is asked of the service manager of a user, and of the programs that belong to it.
pub trait ServiceManager: Debug + Send + Sync {
    /// It reads its units anew.
    ///
    /// # Errors
    /// It cannot be asked, or refuses. So it is with all of these.
    fn reload(&self) -> Result<(), SystemctlError>;
    /// Enables a timer, without reading units anew.
    fn enable(&self, timer: &str) -> Result<(), SystemctlError>;
    /// Disables a timer, and stops it, without reading units anew.
    fn disable(&self, timer: &str) -> Result<(), SystemctlError>;
    /// Starts a timer, anew if it is active.
    fn restart(&self, timer: &str) -> Result<(), SystemctlError>;
    /// Stops a unit.
    fn stop(&self, unit: &str) -> Result<(), SystemctlError>;
    /// Forgets that a unit failed.
    fn reset_failed(&self, unit: &str) -> Result<(), SystemctlError>;
    /// How units are, by their names.
    fn states(&self, units: &[String]) -> Result<BTreeMap<String, UnitState>, SystemctlError>;
    /// The folders that it reads units from.
    fn unit_folders(&self) -> Result<Vec<PathBuf>, SystemctlError>;
    /// A step of a plan is about to be taken.
    fn before(&self, _step: &Step) -> Result<(), SystemctlError> {
        Ok(())
    }
    /// What systemd's own check says of these units, by their paths. They are in these folders, which
    /// may have others that they refer to.
    ///
    /// # Errors
    /// The program cannot be started.
    fn verify(&self, folders: &[PathBuf], units: &[PathBuf]) -> io::Result<String> {
        let mut command = Command::new("systemd-analyze");
        command.args(["--user", "verify"]).args(units);
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        // A `:` at the end stands for all that are read otherwise.
        command.env("SYSTEMD_UNIT_PATH", folders.join(":") + ":").env("LC_ALL", "C");
        Ok(ended(command, "systemd-analyze verify")?.stderr)
    }
    /// What Quadlet makes of the files in a folder, and what it says; none if there is no Quadlet.
    ///
    /// # Errors
    /// The program cannot be started.
    fn generate(&self, folder: &Path) -> io::Result<Option<Generated>> {
        let Some(program) = quadlet::find() else { return Ok(None) };
        let mut command = Command::new(&program);
        command.args(["-dryrun", "-user"]).env("QUADLET_UNIT_DIRS", folder);
        let said = ended(command, &program.display().to_string())?;
        Ok(Some(Generated { printed: said.stdout, said: said.stderr }))
    }
}

/// Runs a program to its end, which must come in time.
fn ended(mut command: Command, name: &str) -> io::Result<Said> {
    command.stdin(Stdio::null());
    let said = systemctl::bounded(command, systemctl::PATIENCE)?;
    said.ok_or_else(|| io::Error::other(format!("{name} does not end")))
}

/// What Quadlet did.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// The units that it made, one after the other.
    pub printed: String,
    /// Its messages.
    pub said: String,
}

/// How a unit is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// Such as `loaded` and `not-found`.
    pub load: String,
    /// Such as `active`, `activating` and `failed`.
    pub active: String,
    /// More of that, such as `running` and `exited`.
    pub sub: String,
    /// What is on the disk was not read.
    pub is_outdated: bool,
    /// When a timer is due next.
    pub next: Option<Timestamp>,
}

impl UnitState {
    /// Whether it does something at this moment.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let is_up = matches!(self.active.as_str(), "active" | "reloading") && self.sub != "exited";
        is_up || matches!(self.active.as_str(), "activating" | "deactivating")
    }
}

/// The service manager of the user whose environment this is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemctl;

const PROPERTIES: [&str; 6] =
    ["Id", "LoadState", "ActiveState", "SubState", "NeedDaemonReload", "NextElapseUSecRealtime"];

impl ServiceManager for Systemctl {
    fn reload(&self) -> Result<(), SystemctlError> {
        systemctl::daemon_reload()
    }

    fn enable(&self, timer: &str) -> Result<(), SystemctlError> {
        systemctl::enable(timer)
    }

    fn disable(&self, timer: &str) -> Result<(), SystemctlError> {
        systemctl::disable_now(timer)
    }

    fn restart(&self, timer: &str) -> Result<(), SystemctlError> {
        systemctl::restart(timer)
    }

    fn stop(&self, unit: &str) -> Result<(), SystemctlError> {
        systemctl::stop(unit)
    }

    fn reset_failed(&self, unit: &str) -> Result<(), SystemctlError> {
        systemctl::reset_failed(unit)
    }

    fn states(&self, units: &[String]) -> Result<BTreeMap<String, UnitState>, SystemctlError> {
        let mut states = BTreeMap::new();
        for properties in systemctl::show_all(units, &PROPERTIES)? {
            let get = |name: &str| properties.get(name).cloned().unwrap_or_default();
            let next = get("NextElapseUSecRealtime");
            let state = UnitState {
                load: get("LoadState"),
                active: get("ActiveState"),
                sub: get("SubState"),
                is_outdated: get("NeedDaemonReload") == "yes",
                next: time(&next),
            };
            states.insert(get("Id"), state);
        }
        Ok(states)
    }

    fn unit_folders(&self) -> Result<Vec<PathBuf>, SystemctlError> {
        let properties = systemctl::show_manager(&["UnitPath"])?;
        let folders = properties.get("UnitPath").map(String::as_str).unwrap_or_default();
        Ok(folders.split_whitespace().map(PathBuf::from).collect())
    }
}

/// A time in UTC, such as `@1795334400` or `Sun 2026-11-22 08:00:00 UTC`.
#[must_use]
pub fn time(told: &str) -> Option<Timestamp> {
    if let Some(seconds) = told.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    let told = told.strip_suffix(" UTC")?;
    let civil = jiff::civil::DateTime::strptime("%a %Y-%m-%d %H:%M:%S", told).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        let at: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        assert_eq!(time("Sun 2026-11-22 08:00:00 UTC"), Some(at));
        assert_eq!(time(&format!("@{}", at.as_second())), Some(at));
        assert_eq!(time(""), None);
    }
}
