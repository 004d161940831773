//! What a machine's service manager is asked for, and what is asked of those who read units.
//!
//! The one idea: a trait, so that tests can stand at every step between two calls. The real one is
//! [`Systemctl`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

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
    /// Something on the disk or of the manager's is about to be changed.
    fn before_change(&self) -> Result<(), SystemctlError> {
        Ok(())
    }
    /// What systemd's own check says of these units, by their paths. They are in these folders, which
    /// may have others that they refer to.
    ///
    /// # Errors
    /// The program cannot be started.
    fn verify(&self, folders: &[PathBuf], units: &[PathBuf]) -> io::Result<Verified> {
        let mut command = Command::new("systemd-analyze");
        command.args(["--user", "verify"]).args(units);
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        // A `:` at the end stands for all that are read otherwise.
        command.env("SYSTEMD_UNIT_PATH", folders.join(":") + ":").env("LC_ALL", "C");
        let said = ended(command, "systemd-analyze verify")?;
        Ok(Verified { failure: said.failure(), said: said.stderr })
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
        let failure = said.failure();
        Ok(Some(Generated { printed: said.stdout, said: said.stderr, failure }))
    }
}

/// Runs a program to its end, which must come in time.
fn ended(mut command: Command, name: &str) -> io::Result<Said> {
    command.stdin(Stdio::null());
    let said = systemctl::bounded(command, systemctl::PATIENCE)?;
    said.ok_or_else(|| io::Error::other(format!("{name} does not end")))
}

/// What systemd's check found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Its messages.
    pub said: String,
    /// How it ended, if it failed.
    pub failure: Option<String>,
}

/// What Quadlet did.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// The units that it made, one after the other.
    pub printed: String,
    /// Its messages.
    pub said: String,
    /// How it ended, if it failed.
    pub failure: Option<String>,
}

impl Generated {
    /// The units that it made, by their names.
    pub(crate) fn units(&self) -> BTreeMap<String, String> {
        let mut units: BTreeMap<String, String> = BTreeMap::new();
        let mut name = None;
        for line in self.printed.lines() {
            let title = line.strip_prefix("---").and_then(|rest| rest.strip_suffix("---"));
            if let Some(title) = title {
                name = Some(title.to_owned());
            } else if let Some(name) = &name {
                let text = units.entry(name.clone()).or_default();
                text.push_str(line);
                text.push('\n');
            }
        }
        units
    }
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
    /// The file that it was read from, or that it was made of.
    pub source: Option<PathBuf>,
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
///
/// Who has several questions waits once: a manager that did not answer is not asked again for as long
/// as it was waited for.
#[derive(Debug, Default)]
pub struct Systemctl {
    /// When it was found silent last, and how that was said.
    silence: Mutex<Option<(Instant, SystemctlError)>>,
}

impl Systemctl {
    fn ask<T>(
        &self,
        question: impl FnOnce() -> Result<T, SystemctlError>,
    ) -> Result<T, SystemctlError> {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, error)) = &*silence
            && at.elapsed() < systemctl::PATIENCE
        {
            return Err(error.again());
        }
        let answer = question();
        *silence = match &answer {
            Err(error @ SystemctlError::Silent(_)) => Some((Instant::now(), error.again())),
            _ => None,
        };
        answer
    }
}

const PROPERTIES: [&str; 8] = [
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "NeedDaemonReload",
    "FragmentPath",
    "SourcePath",
    "NextElapseUSecRealtime",
];

impl ServiceManager for Systemctl {
    fn reload(&self) -> Result<(), SystemctlError> {
        self.ask(systemctl::daemon_reload)
    }

    fn enable(&self, timer: &str) -> Result<(), SystemctlError> {
        self.ask(|| systemctl::enable(timer))
    }

    fn disable(&self, timer: &str) -> Result<(), SystemctlError> {
        self.ask(|| systemctl::disable_now(timer))
    }

    fn restart(&self, timer: &str) -> Result<(), SystemctlError> {
        self.ask(|| systemctl::restart(timer))
    }

    fn stop(&self, unit: &str) -> Result<(), SystemctlError> {
        self.ask(|| systemctl::stop(unit))
    }

    fn reset_failed(&self, unit: &str) -> Result<(), SystemctlError> {
        self.ask(|| systemctl::reset_failed(unit))
    }

    fn states(&self, units: &[String]) -> Result<BTreeMap<String, UnitState>, SystemctlError> {
        let mut states = BTreeMap::new();
        for properties in self.ask(|| systemctl::show_all(units, &PROPERTIES))? {
            let get = |name: &str| properties.get(name).cloned().unwrap_or_default();
            let next = get("NextElapseUSecRealtime");
            let files = [get("SourcePath"), get("FragmentPath")];
            let state = UnitState {
                load: get("LoadState"),
                active: get("ActiveState"),
                sub: get("SubState"),
                is_outdated: get("NeedDaemonReload") == "yes",
                source: files.into_iter().find(|file| !file.is_empty()).map(PathBuf::from),
                next: time(&next),
            };
            states.insert(get("Id"), state);
        }
        Ok(states)
    }

    fn unit_folders(&self) -> Result<Vec<PathBuf>, SystemctlError> {
        let properties = self.ask(|| systemctl::show_manager(&["UnitPath"]))?;
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
    fn who_is_silent_is_not_asked_again() {
        let manager = Systemctl::default();
        let silent = || Err::<(), _>(SystemctlError::Silent("show".to_owned()));
        let refused = || {
            Err::<(), _>(SystemctlError::Refused { command: String::new(), said: String::new() })
        };
        assert!(matches!(manager.ask(refused), Err(SystemctlError::Refused { .. })));
        assert!(manager.ask(|| Ok(())).is_ok());
        assert!(manager.ask(silent).is_err());
        let asked = manager.ask(|| -> Result<(), SystemctlError> { panic!("it was asked") });
        assert!(matches!(asked, Err(SystemctlError::Silent(_))));
    }

    #[test]
    fn what_quadlet_prints_is_taken_apart() {
        let printed = "---a.service---\n[Unit]\n\n[Service]\n---b-network.service---\n[Unit]\n";
        let units = Generated { printed: printed.to_owned(), ..Generated::default() }.units();
        assert_eq!(units["a.service"], "[Unit]\n\n[Service]\n");
        assert_eq!(units.len(), 2);
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let at: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        assert_eq!(time("Sun 2026-11-22 08:00:00 UTC"), Some(at));
        assert_eq!(time(&format!("@{}", at.as_second())), Some(at));
        assert_eq!(time(""), None);
    }
}
