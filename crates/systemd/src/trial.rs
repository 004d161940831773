//! Units are tried before they are installed, in a folder of their own.
//!
//! The one idea: whoever will read the units reads them now. Quadlet makes services of containers,
//! and systemd's own check reads these and all others. One broken file among Quadlet's makes all
//! units beside it vanish while the reload succeeds, so afterwards is too late.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tessera_tenant::plan::{Declared, Observed, Seen, is_quadlet};
use tessera_tenant::registry::unit_of_file;
use tessera_tenant::units::{Reach, reach};

use crate::error::{MachineError, file};
use crate::fault::Fault;
use crate::files;
use crate::machine::Machine;
use crate::quadlet;
use crate::service_manager::ServiceManager;
use crate::session::Staging;

/// Where units for systemd are staged: some are links to the real ones.
const UNITS: &str = "units";
/// Where services that Quadlet makes are staged: there is nothing else.
const MADE: &str = "made";

/// All that is wrong with a tenant's units, which Quadlet reads in the second of these folders, that
/// is in the first one.
pub(crate) fn of(
    machine: &Machine,
    declared: &Declared,
    (quadlet_folder, own): (&str, &str),
    observed: &Observed,
) -> Result<Vec<Fault>, MachineError> {
    let mut trial = Trial::of(declared);
    if trial.faults.is_empty() && !trial.units.is_empty() {
        let programs = machine.manager();
        let staging = Staging::new(&machine.places, machine.lock_patience)?;
        let mut others = others(declared, quadlet_folder, observed);
        others.retain(|other| trial.is_readable(other));
        trial.stage(staging.path(), &others).map_err(file("written", staging.path()))?;
        trial.quadlet(programs, staging.path(), &others, own)?;
        trial.systemd(programs, staging.path())?;
    }
    trial.faults.sort();
    trial.faults.dedup();
    Ok(trial.faults)
}

/// What else Quadlet reads, since units may refer to it.
fn others(declared: &Declared, quadlet_folder: &str, observed: &Observed) -> Vec<String> {
    let inside = format!("{quadlet_folder}/");
    let is_whole = |seen: &Seen| !matches!(seen, Seen::Folder | Seen::Link { dangling: true, .. });
    let others = observed.paths.iter().filter(|(path, seen)| {
        let is_other = path.starts_with(&inside) && is_quadlet(path) && is_whole(seen);
        is_other && !declared.links().contains_key(*path)
    });
    others.map(|(path, _)| path.clone()).collect()
}

/// A unit that is tried.
struct Unit<'a> {
    name: &'a str,
    /// Where it is or will be.
    path: &'a str,
    text: String,
    is_rendered: bool,
}

struct Trial<'a> {
    units: Vec<Unit<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Trial<'a> {
    /// Reads the units, and looks for what only matters to Tessera.
    fn of(declared: &'a Declared) -> Self {
        let mut trial = Self { units: Vec::new(), faults: Vec::new() };
        for path in declared.links().values() {
            let name = path.rsplit('/').next().unwrap_or(path);
            let rendered = declared.texts().get(path);
            let text = match rendered {
                Some(text) => Ok(text.clone().into_bytes()),
                None => files::read(Path::new(path)),
            };
            match text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)) {
                Ok(text) => {
                    let unit = Unit { name, path, text, is_rendered: rendered.is_some() };
                    trial.rules(&unit);
                    trial.units.push(unit);
                }
                Err(error) => trial.wrong(path, None, format!("it cannot be read: {error}")),
            }
        }
        trial
    }

    /// Whether Quadlet gets to the end of a file of somebody else's, which it reads together with the
    /// tenant's.
    fn is_readable(&mut self, other: &str) -> bool {
        match files::read(Path::new(other)) {
            Err(error) if error.kind() == io::ErrorKind::Other => {
                self.wrong(other, None, format!("{error}: remove it, Quadlet would wait for it"));
                false
            }
            _ => true,
        }
    }

    fn wrong(&mut self, path: &str, line: Option<usize>, message: String) {
        self.faults.push(Fault { path: path.to_owned(), line, message });
    }

    fn rules(&mut self, unit: &Unit<'_>) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !unit.name.chars().all(is_plain) {
            let message =
                "the name of a unit has letters, digits, `-`, `_` and `.` alone: rename it";
            self.wrong(unit.path, None, message.to_owned());
        }
        for Reach { line, message } in reach(unit.name, &unit.text) {
            self.wrong(unit.path, line, message);
        }
    }

    /// Puts the units into folders as they will be.
    fn stage(&self, staging: &Path, others: &[String]) -> io::Result<()> {
        fs::create_dir_all(staging.join("quadlet/tenant"))?;
        fs::create_dir_all(staging.join(UNITS))?;
        fs::create_dir_all(staging.join(MADE))?;
        for unit in &self.units {
            let path = staging.join(unit.folder()).join(unit.name);
            if unit.is_rendered {
                fs::write(path, &unit.text)?;
            } else {
                symlink(unit.path, path)?;
            }
        }
        for (number, other) in others.iter().enumerate() {
            // Each alone: one that is broken breaks no other.
            let folder = staging.join(format!("quadlet/other-{number}"));
            fs::create_dir(&folder)?;
            symlink(other, folder.join(other.rsplit('/').next().unwrap_or(other)))?;
        }
        Ok(())
    }

    /// Has Quadlet make services, which are put beside the other units.
    fn quadlet(
        &mut self,
        programs: &dyn ServiceManager,
        staging: &Path,
        others: &[String],
        own: &str,
    ) -> Result<(), MachineError> {
        let units: Vec<(String, String)> = self.for_quadlet();
        if units.is_empty() {
            return Ok(());
        }
        let folder = staging.join("quadlet");
        let generated = programs.generate(&folder).map_err(file("read by Quadlet", &folder))?;
        let Some(generated) = generated else {
            for (_, path) in units {
                let message = format!(
                    "it needs Quadlet, and there is none: install podman 4.4 or newer, or name the \
                     program in {}",
                    quadlet::VARIABLE
                );
                self.wrong(&path, None, message);
            }
            return Ok(());
        };
        let is_understood = self.heed(&generated.said, staging, others, own);
        let said = generated.said.trim();
        let failure = generated.failure.as_deref();
        let why = if said.is_empty() { failure.unwrap_or("it says nothing") } else { said };
        if let (Some(failure), false) = (failure, is_understood) {
            self.wrong(&units[0].1, None, format!("Quadlet fails ({failure}): {why}"));
        }
        let made = generated.units();
        // Those of others as well: units may depend on them.
        for (name, text) in &made {
            let place = staging.join(MADE).join(name);
            fs::write(&place, text).map_err(file("written", &place))?;
        }
        for (name, path) in units {
            let service = unit_of_file(&name).unwrap_or_default();
            if made.contains_key(&service) || self.faults.iter().any(|fault| fault.path == path) {
                continue;
            }
            let message = format!("Quadlet makes no {service} of it: {why}");
            self.wrong(&path, None, message);
        }
        Ok(())
    }

    /// Takes in what Quadlet says. Says whether anything of that is about a unit or somebody else's.
    fn heed(&mut self, said: &str, staging: &Path, others: &[String], own: &str) -> bool {
        let is_of_another = |line: &str| {
            let mut names = others.iter().filter_map(|other| other.rsplit('/').next());
            names.any(|name| line.contains(&format!("\"{name}\"")))
        };
        let mut is_understood = false;
        for line in said.lines() {
            is_understood |= self.told_of_others(line, staging, others, own)
                || self.told_by_quadlet(line, staging)
                || is_of_another(line);
        }
        is_understood
    }

    /// The units that Quadlet reads: their names and paths.
    fn for_quadlet(&self) -> Vec<(String, String)> {
        let units = self.units.iter().filter(|unit| is_quadlet(unit.name));
        units.map(|unit| (unit.name.to_owned(), unit.path.to_owned())).collect()
    }

    /// A file of somebody else's that Quadlet cannot load. It matters in the tenant's own folder: of
    /// what is beside it nothing is made.
    fn told_of_others(&mut self, line: &str, staging: &Path, others: &[String], own: &str) -> bool {
        for (number, other) in others.iter().enumerate() {
            let name = other.rsplit('/').next().unwrap_or(other);
            let staged = staging.join(format!("quadlet/other-{number}")).join(name);
            let staged = format!("{}\"", staged.display());
            let Some((before, rest)) = line.split_once(&staged) else { continue };
            if before.contains("error loading") && other.starts_with(own) {
                let message = rest.trim_start_matches([':', ',', ' ']);
                let said = if message.is_empty() { "Quadlet cannot read it" } else { message };
                let message =
                    format!("{said}: correct or remove it, Quadlet drops the units beside it");
                let line = line_in(said);
                self.wrong(other, line, message);
            }
            return true;
        }
        false
    }

    /// A line such as `quadlet-generator[7]: converting "x.container": no Image …`. Says whether it is
    /// about one of the units.
    fn told_by_quadlet(&mut self, line: &str, staging: &Path) -> bool {
        let message = line.split_once("]: ").map_or(line, |(_, message)| message);
        let is_news = !message.starts_with("Loading source unit file");
        if !is_news || message.starts_with("Warning: ") {
            return false;
        }
        // Such a message has the path or the name in quotation marks.
        let named = |unit: &&Unit<'_>| {
            ["/", "\""].iter().any(|before| message.contains(&format!("{before}{}\"", unit.name)))
        };
        let Some(unit) = self.units.iter().find(named) else { return false };
        let path = staging.join(unit.folder()).join(unit.name).display().to_string();
        let message = message.replace(&path, unit.path);
        let (path, line) = (unit.path.to_owned(), unit.line_of(&message));
        let message = message.split_once(&format!("{}\"", unit.name));
        let message = message.map_or("", |(_, rest)| rest.trim_start_matches([':', ',', ' ']));
        let said = if message.is_empty() { "Quadlet cannot read it" } else { message };
        self.wrong(&path, line, said.to_owned());
        true
    }

    /// Has systemd check services and timers, those that Quadlet made as well.
    fn systemd(
        &mut self,
        programs: &dyn ServiceManager,
        staging: &Path,
    ) -> Result<(), MachineError> {
        if !self.faults.is_empty() {
            return Ok(());
        }
        let folders = [UNITS, MADE].map(|folder| staging.join(folder));
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut paths = Vec::new();
        for (index, unit) in self.units.iter().enumerate() {
            let Some(name) = unit_of_file(unit.name) else { continue };
            let folder = &folders[usize::from(is_quadlet(unit.name))];
            paths.push(folder.join(&name));
            names.insert(name, index);
        }
        let verified = programs.verify(&folders, &paths).map_err(file("verified", staging))?;
        let said = verified.said.trim();
        let mut told: BTreeSet<(String, Option<usize>, String)> = BTreeSet::new();
        for line in said.lines() {
            told.extend(self.told_by_systemd(line, &folders, &names));
        }
        if let (Some(failure), Some(unit), true) =
            (verified.failure, self.units.first(), told.is_empty())
        {
            let message = format!("systemd-analyze verify fails ({failure}): {said}");
            told.insert((unit.path.to_owned(), None, message));
        }
        for (path, line, message) in told {
            self.wrong(&path, line, message);
        }
        Ok(())
    }

    /// A line such as `/folder/x.service:7: Unknown key …` or `x.service: Command … is not …`.
    fn told_by_systemd(
        &self,
        told: &str,
        folders: &[PathBuf; 2],
        names: &BTreeMap<String, usize>,
    ) -> Option<(String, Option<usize>, String)> {
        let inside = folders.each_ref().map(|folder| format!("{}/", folder.display()));
        let rest = inside.iter().find_map(|inside| told.strip_prefix(inside.as_str()));
        let rest = rest.unwrap_or(told);
        let (name, rest) = rest.split_once(':')?;
        let unit = &self.units[*names.get(name)?];
        let (line, message) = match rest.split_once(": ") {
            Some((number, message)) => match number.trim().parse::<usize>() {
                Ok(line) => (Some(line), message),
                Err(_) => (None, rest),
            },
            None => (None, rest),
        };
        let message = message.trim();
        if is_mild(message) || unit.has_unquoted_mount(message) {
            return None;
        }
        let line = line.and_then(|line| match is_quadlet(unit.name) {
            false => Some(line),
            // The line is one of what Quadlet made: it may be one of its source, too.
            true => {
                let made = fs::read_to_string(folders[1].join(name)).ok()?;
                let made = made.lines().nth(line.checked_sub(1)?)?.to_owned();
                Some(unit.text.lines().position(|line| line.trim() == made.trim())? + 1)
            }
        });
        let mut message = inside
            .iter()
            .fold(message.to_owned(), |message, inside| message.replace(inside.as_str(), ""));
        if unit.is_rendered && message.contains("is not executable") {
            // The file is not there yet, or is an earlier one: nobody finds the program in it.
            message += "; it is the `entrypoint` of the manifest: a name without `/` is looked up \
                        in systemd's own path, so write a path";
        }
        Some((unit.path.to_owned(), line, message))
    }
}

impl Unit<'_> {
    fn folder(&self) -> &'static str {
        if is_quadlet(self.name) { "quadlet/tenant" } else { UNITS }
    }

    /// Whether a message is about the line that Quadlet writes for each volume, in which a path with a
    /// space is not quoted: only an order of starting is lost by that.
    fn has_unquoted_mount(&self, message: &str) -> bool {
        let own = "RequiresMountsFor=";
        let is_made = is_quadlet(self.name) && !self.text.contains(own);
        is_made && message.starts_with(&format!("{own} path is not absolute, ignoring"))
    }

    /// The line that a message of Quadlet's is about.
    fn line_of(&self, message: &str) -> Option<usize> {
        if message.contains(" line ") {
            return line_in(message);
        }
        let (_, rest) = message.split_once("key '")?;
        let (key, _) = rest.split_once('\'')?;
        let sets = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
        Some(self.text.lines().position(sets)? + 1)
    }
}

/// The line that a message names.
fn line_in(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once(" line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether a message of systemd's says no more than that there is a newer way: such a unit works.
fn is_mild(message: &str) -> bool {
    let is_fault = ["Unknown", "Failed", "Invalid"].iter().any(|it| message.starts_with(it));
    let mild = ["deprecated", "obsolete", "legacy directory", "will be removed soon"];
    !is_fault && mild.iter().any(|mild| message.contains(mild))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Unit<'_> {
        let text = text.to_owned();
        Unit { name: "x.container", path: "/units/x.container", text, is_rendered: true }
    }

    fn told(text: &str, line: &str) -> Vec<Fault> {
        let mut trial = Trial { units: vec![unit(text)], faults: vec![] };
        trial.told_by_quadlet(line, Path::new("/staging"));
        trial.faults
    }

    #[test]
    fn what_quadlet_says_is_told_with_file_and_line() {
        let fault = |line, message: &str| {
            vec![Fault { path: "/units/x.container".to_owned(), line, message: message.to_owned() }]
        };
        let text = "[Container]\nImage=a\nFoo=1\n";
        let path = "/staging/quadlet/tenant/x.container";
        for (line, expected) in [
            (format!("quadlet-generator[7]: Loading source unit file {path}"), vec![]),
            ("quadlet-generator[7]: converting \"y.container\": no Image".to_owned(), vec![]),
            (
                "quadlet-generator[7]: Warning: x.container specifies the image \"a\"".to_owned(),
                vec![],
            ),
            (
                "quadlet-generator[7]: converting \"x.container\": no Image or Rootfs key specified"
                    .to_owned(),
                fault(None, "no Image or Rootfs key specified"),
            ),
            (
                format!(
                    "quadlet-generator[7]: converting \"x.container\": unsupported key 'Foo' in \
                     group 'Container' in {path}"
                ),
                fault(
                    Some(3),
                    "unsupported key 'Foo' in group 'Container' in /units/x.container",
                ),
            ),
            (
                format!(
                    "quadlet-generator[7]: error loading \"{path}\", file contains line 2: \
                     “Foo” which is not a key-value pair"
                ),
                fault(
                    Some(2),
                    "file contains line 2: “Foo” which is not a key-value pair",
                ),
            ),
        ] {
            assert_eq!(told(text, &line), expected, "{line}");
        }
    }

    #[test]
    fn a_broken_file_of_somebody_else_is_told_with_its_own_path() {
        let others = ["/q/a/y.container".to_owned(), "/q/x/z.container".to_owned()];
        let mut trial = Trial { units: vec![unit("")], faults: vec![] };
        let told = "quadlet-generator[7]: error loading \"/s/quadlet/other-1/z.container\", file \
                    contains line 1: “[Containe” which is not a key-value pair";
        assert!(trial.told_of_others(told, Path::new("/s"), &others, "/q/a/"));
        assert_eq!(trial.faults, vec![]);
        assert!(trial.told_of_others(told, Path::new("/s"), &others, "/q/x/"));
        let [fault] = &trial.faults[..] else { panic!("{:?}", trial.faults) };
        assert_eq!((fault.path.as_str(), fault.line), ("/q/x/z.container", Some(1)));
        assert!(fault.message.contains("Quadlet drops the units beside it"), "{fault}");
        let told = "quadlet-generator[7]: converting \"x.container\": no Image";
        assert!(!trial.told_of_others(told, Path::new("/s"), &others, "/q/x/"));
    }

    #[test]
    fn only_faults_of_systemds_refuse_a_plan() {
        let folders = [PathBuf::from("/u"), PathBuf::from("/m")];
        let text = String::new();
        let process = Unit { name: "x.service", path: "/own/x.service", text, is_rendered: true };
        let trial = Trial { units: vec![process], faults: vec![] };
        let names = [("x.service".to_owned(), 0)].into();
        let told = |line: &str| trial.told_by_systemd(line, &folders, &names);
        let mild = "/u/x.service:3: Standard output type syslog is obsolete, automatically \
                    updating to journal.";
        assert_eq!(told(mild), None);
        assert!(told("/u/x.service:3: Unknown key 'deprecated' in section [Service]").is_some());
        let missing = "x.service: Command mytool is not executable: No such file or directory";
        let (.., message) = told(missing).unwrap();
        assert!(message.contains("`entrypoint` of the manifest"), "{message}");

        let names = [("x.service".to_owned(), 0)].into();
        let told = |text: &str, line: &str| {
            let trial = Trial { units: vec![unit(text)], faults: vec![] };
            trial.told_by_systemd(line, &folders, &names)
        };
        let mount = "/m/x.service:9: RequiresMountsFor= path is not absolute, ignoring: b/c";
        let volume = "[Container]\nVolume=/a b/c:/c\n";
        assert_eq!(told(volume, mount), None);
        // Somebody's own line is somebody's own fault.
        let own = format!("[Unit]\nRequiresMountsFor=b/c\n{volume}");
        assert!(told(&own, mount).is_some());
    }
}
