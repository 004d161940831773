//! What on a machine keeps tenants from running, or will.
//!
//! The one idea: each finding says what was looked at and what to do about it. Nothing is changed, and
//! one thing that cannot be looked at hides no other.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Access, access};
use serde::Serialize;
use tessera_tenant::plan::{Seen, is_quadlet};
use tessera_tenant::registry::unit_of_file;
use tessera_types::Name;

use crate::error::MachineError;
use crate::machine::Machine;
use crate::observe::elsewhere;
use crate::quadlet::{self, DEPTH_MAX};
use crate::search::{search, search_linked};
use crate::systemctl;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It will matter sooner or later.
    Warning,
    /// Tenants do not run as declared.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Findings as they are made.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, said: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, said: said.into(), remedy: None });
    }

    fn bad(
        &mut self,
        check: &'static str,
        level: Level,
        said: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding { check, level, said: said.into(), remedy: Some(remedy.into()) });
    }

    /// That all is well with something, unless anything was found.
    fn ok_unless_bad(&mut self, check: &'static str, said: impl Into<String>) {
        if !self.0.iter().any(|finding| finding.check == check) {
            self.ok(check, said);
        }
    }
}

/// The units of a tenant that is installed, with the paths that bring them.
type UnitPaths = BTreeMap<String, String>;

impl Machine {
    /// Looks at everything; `hub` is the folder in which tenants keep their telemetry.
    ///
    /// # Errors
    /// The folders of units cannot be read.
    pub fn examine(&self, hub: &Path) -> Result<Vec<Finding>, MachineError> {
        let mut findings = Findings::default();
        let paths = self.paths()?;
        let mut tenants: BTreeMap<Name, UnitPaths> = BTreeMap::new();
        for tenant in self.installed()? {
            let units = self.units_of(&tenant, &paths);
            tenants.insert(tenant, units);
        }
        let needs_containers = paths.keys().any(|path| is_quadlet(path));
        let is_there = self.manager_answers(&mut findings);
        linger(&mut findings);
        programs(&mut findings, needs_containers);
        self.folders(&mut findings, hub);
        self.quadlet_folders(&mut findings, &paths);
        if is_there {
            self.tenants_run(&mut findings, &tenants);
        }
        self.same_names(&mut findings, &tenants, &paths);
        self.overridden(&mut findings, &tenants);
        clock(&mut findings);
        Ok(findings.0)
    }

    /// All that is in the folders of units.
    fn paths(&self) -> Result<BTreeMap<String, Seen>, MachineError> {
        let mut paths = BTreeMap::new();
        let layout = &self.places.layout;
        let mut found = |path, seen| drop(paths.insert(path, seen));
        search_linked(Path::new(&layout.quadlet), DEPTH_MAX, &mut found)?;
        search(Path::new(&layout.systemd), 1, &mut found)?;
        Ok(paths)
    }

    /// The units that links of a tenant bring: those that lead to where its units are.
    fn units_of(&self, tenant: &Name, paths: &BTreeMap<String, Seen>) -> UnitPaths {
        let mut folders = vec![self.places.units(tenant)];
        folders.extend(fs::read_link(self.places.folder_link(tenant)));
        let links = paths.iter().filter(|(_, seen)| match seen {
            Seen::Link { target, .. } => {
                folders.iter().any(|folder| Path::new(target).parent() == Some(folder))
            }
            _ => false,
        });
        links.filter_map(|(path, _)| Some((unit_of_file(name_of(path))?, path.clone()))).collect()
    }

    fn manager_answers(&self, findings: &mut Findings) -> bool {
        let version = systemctl::show_manager(&["Version"]);
        match version {
            Ok(properties) => {
                let version = properties.get("Version").cloned().unwrap_or_default();
                findings.ok("user manager", format!("systemd {version} answers"));
                true
            }
            Err(error) => {
                let remedy = "log in as this user, or `loginctl enable-linger`";
                findings.bad("user manager", Level::Problem, error.to_string(), remedy);
                false
            }
        }
    }

    fn folders(&self, findings: &mut Findings, hub: &Path) {
        let check = "folders";
        let layout = &self.places.layout;
        let state = self.places.tenants();
        let folders = [Path::new(&layout.quadlet), Path::new(&layout.systemd), &state, hub];
        for folder in folders {
            let there = folder.ancestors().find(|folder| folder.exists());
            let is_folder = there.is_some_and(Path::is_dir);
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            if !is_folder || there.is_some_and(|folder| access(folder, rights).is_err()) {
                let there = there.unwrap_or(folder).display();
                let said = format!("{} cannot be written: {there} forbids it", folder.display());
                let remedy = format!("make {there} a folder that you can write");
                findings.bad(check, Level::Problem, said, remedy);
            }
        }
        self.folder_is_read(findings, check);
        findings.ok_unless_bad(check, "those of units and of telemetry can be written");
    }

    /// A manager that was started with another configuration looks elsewhere.
    fn folder_is_read(&self, findings: &mut Findings, check: &'static str) {
        let folder = &self.places.layout.systemd;
        let Ok(folders) = self.manager.unit_folders() else { return };
        if !folders.iter().any(|read| read == Path::new(folder)) && !folder.contains(' ') {
            let said = format!("systemd reads no units in {folder}");
            let remedy = "is XDG_CONFIG_HOME the same here and for the user manager?";
            findings.bad(check, Level::Problem, said, remedy);
        }
    }

    /// What makes units vanish.
    fn quadlet_folders(&self, findings: &mut Findings, paths: &BTreeMap<String, Seen>) {
        let check = "unit files";
        for (path, seen) in paths {
            let Seen::Link { target, dangling: true } = seen else { continue };
            let name = name_of(path);
            if unit_of_file(name).is_none() {
                continue;
            }
            let lost = if is_quadlet(name) { beside(path, paths) } else { Vec::new() };
            let also = match lost.is_empty() {
                true => String::new(),
                false => format!(", and takes {} with it", lost.join(", ")),
            };
            let said = format!("{path} leads to {target}, which is not there{also}");
            findings.bad(check, Level::Problem, said, "remove the link, or correct it");
        }
        let folder = Path::new(&self.places.layout.quadlet);
        let generated = folder.exists().then(|| self.manager.generate(folder));
        if let Some(Ok(Some(generated))) = generated {
            for line in generated.said.lines() {
                let message = line.split_once("]: ").map_or(line, |(_, message)| message);
                let is_broken =
                    ["error loading", "converting"].iter().any(|start| message.starts_with(start));
                // What is not there was told with what vanishes beside it.
                if is_broken && !message.contains("no such file or directory") {
                    let remedy = "correct that file: units beside it may be missing";
                    findings.bad(check, Level::Problem, format!("Quadlet: {message}"), remedy);
                }
            }
        }
        findings.ok_unless_bad(check, "every link leads somewhere, and every file can be read");
    }

    fn tenants_run(&self, findings: &mut Findings, tenants: &BTreeMap<Name, UnitPaths>) {
        let check = "tenants";
        for (tenant, units) in tenants {
            let names: Vec<String> = units.keys().cloned().collect();
            let Ok(states) = self.manager.states(&names) else { continue };
            let remedy = format!("tesseractl tenant install {tenant}");
            for unit in names {
                let state = states.get(&unit).cloned().unwrap_or_default();
                let is_timer = unit.ends_with(".timer");
                let said = if state.load != "loaded" {
                    format!("{unit} is {}", state.load)
                } else if is_timer && state.active != "active" {
                    format!("{unit} is {}, so {tenant} does not run by it", state.active)
                } else if state.is_outdated {
                    format!("systemd has not read what {unit} says now")
                } else {
                    continue;
                };
                findings.bad(check, Level::Problem, said, remedy.clone());
            }
            if self.places.unfinished(tenant).exists() {
                let said = format!("installing {tenant} was begun and not finished");
                findings.bad(check, Level::Problem, said, remedy);
            }
        }
        let count = match tenants.len() {
            1 => "1 is installed".to_owned(),
            count => format!("{count} are installed"),
        };
        findings.ok_unless_bad(check, format!("{count}, and systemd has their units"));
    }

    /// Whoever installs does not know what these say.
    fn overridden(&self, findings: &mut Findings, tenants: &BTreeMap<Name, UnitPaths>) {
        let check = "drop-ins";
        for (tenant, units) in tenants {
            for path in self.drop_ins(units.keys().cloned()) {
                let said = format!("{path} changes a unit of {tenant}");
                let remedy = "remove it, unless that is meant";
                findings.bad(check, Level::Warning, said, remedy);
            }
        }
        findings.ok_unless_bad(check, "no unit of a tenant is changed by one");
    }

    /// Of two units of the same name one is read, and nobody is told.
    fn same_names(
        &self,
        findings: &mut Findings,
        tenants: &BTreeMap<Name, UnitPaths>,
        paths: &BTreeMap<String, Seen>,
    ) {
        let check = "unit names";
        let mut all = paths.clone();
        let units: Vec<String> = tenants.values().flat_map(|units| units.keys()).cloned().collect();
        // What systemd cannot tell is told elsewhere.
        let states = self.foreign(&mut all).and_then(|()| self.manager.states(&units));
        let elsewhere = elsewhere(&states.unwrap_or_default(), &all);
        for (tenant, units) in tenants {
            for (unit, own) in units {
                let others = all.iter().filter(|(path, seen)| {
                    let is_read = **seen != Seen::Folder && path != &own;
                    is_read && unit_of_file(name_of(path)).as_ref() == Some(unit)
                });
                let others = others.map(|(path, _)| path).chain(elsewhere.get(unit));
                for path in others {
                    let said = format!("{path} brings {unit}, which is a unit of {tenant}");
                    let remedy = "rename or remove one of the two: only one is read";
                    findings.bad(check, Level::Problem, said, remedy);
                }
            }
        }
        findings.ok_unless_bad(check, "no unit of a tenant is there twice");
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The units of other files of Quadlet's in the same folder.
fn beside(path: &str, paths: &BTreeMap<String, Seen>) -> Vec<String> {
    let folder = Path::new(path).parent();
    let others = paths
        .keys()
        .filter(|other| *other != path && Path::new(other).parent() == folder && is_quadlet(other));
    let units: BTreeSet<String> = others.filter_map(|other| unit_of_file(name_of(other))).collect();
    units.into_iter().collect()
}

/// What a program says on standard output, if it can be run and succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    quadlet::told(command)
}

/// Without it the user's manager ends with the last login, and its timers with it.
fn linger(findings: &mut Findings) {
    let check = "linger";
    let uid = rustix::process::getuid().as_raw().to_string();
    let user = said("id", &["-un"]).unwrap_or_else(|| uid.clone());
    let told = said("loginctl", &["show-user", &uid, "--property=Linger", "--value"]);
    // It tells nothing of a user who is not there; what it would go by is a file.
    let is_noted = || Path::new("/var/lib/systemd/linger").join(&user).exists();
    if told.map_or_else(is_noted, |told| told == "yes") {
        findings.ok(check, format!("on for {user}: timers run without a login"));
    } else {
        let said = format!("off for {user}: timers only run while {user} is logged in");
        findings.bad(check, Level::Warning, said, format!("loginctl enable-linger {user}"));
    }
}

/// Quadlet and podman, which only tenants in containers need.
fn programs(findings: &mut Findings, are_needed: bool) {
    let level = if are_needed { Level::Problem } else { Level::Warning };
    let remedy = "install podman 4.4 or newer; without it no tenant runs in a container";
    match quadlet::find() {
        Some(path) => match quadlet::version(&path) {
            Some(version) => findings.ok("quadlet", format!("{version} at {}", path.display())),
            None => {
                let said = format!("{} does not tell its version", path.display());
                let remedy = format!("correct {}, or reinstall podman", quadlet::VARIABLE);
                findings.bad("quadlet", level, said, remedy);
            }
        },
        None => findings.bad("quadlet", level, "there is none", remedy),
    }
    match said("podman", &["--version"]) {
        Some(version) => findings.ok("podman", version),
        None => findings.bad("podman", level, "there is none", remedy),
    }
}

/// The clock, by which calendars go.
fn clock(findings: &mut Findings) {
    let check = "clock";
    let zone = env::var("TZ").ok().filter(|zone| !zone.is_empty());
    let zone = zone.or_else(|| said("timedatectl", &["show", "--property=Timezone", "--value"]));
    let zone = zone.or_else(|| {
        let link = fs::canonicalize("/etc/localtime").ok()?;
        let (_, zone) = link.to_str()?.split_once("/zoneinfo/")?;
        Some(zone.to_owned())
    });
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    let synchronized = said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]);
    match synchronized.as_deref() {
        Some("no") => {
            let said = format!("{now}, time zone {zone}, and not synchronized");
            findings.bad(check, Level::Warning, said, "timedatectl set-ntp true");
        }
        _ => findings.ok(check, format!("{now}, time zone {zone}")),
    }
}
