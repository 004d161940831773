//! The names of units: whose they are, and that no two tenants have the same.
//!
//! systemd ignores a second unit of the same name without a word, and Quadlet makes units of other
//! names than those of its files; so names are compared as they are in the end.

use std::collections::BTreeMap;

use tessera_manifest::quoted;
use tessera_types::Name;

use super::{Entry, Registry, Tenant, code};

/// The unit that a file brings: the file itself, or what Quadlet makes of it. None for a file
/// that is no unit.
#[must_use]
pub fn unit_of_file(file: &str) -> Option<String> {
    let (stem, extension) = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    match extension {
        "service" | "timer" | "socket" | "path" | "target" => Some(file.to_owned()),
        "container" | "kube" => Some(format!("{stem}.service")),
        "network" | "volume" | "pod" | "image" | "build" => {
            Some(format!("{stem}-{extension}.service"))
        }
        _ => None,
    }
}

impl Tenant {
    /// The files of its units, by name: those written by hand, or else those that are rendered.
    #[must_use]
    pub fn unit_files(&self) -> Vec<String> {
        if let Some((_, files)) = &self.units {
            let units = files.iter().filter(|file| unit_of_file(file).is_some());
            return units.cloned().collect();
        }
        let services = self.manifest.services().into_iter();
        let files = services.flat_map(|service| {
            let extension = if service.image.is_some() { "container" } else { "service" };
            [format!("{}.{extension}", service.unit), format!("{}.timer", service.unit)]
        });
        files.collect()
    }
}

impl Registry {
    /// Takes the names of a tenant's units for it, and tells whether all of them could be taken.
    pub(super) fn claim(
        &mut self,
        entry: &Entry,
        tenant: &Tenant,
        owners: &mut BTreeMap<String, Name>,
    ) -> bool {
        let problems = self.problems.len();
        let files = tenant.unit_files();
        if tenant.units.is_some() {
            self.own_names(entry, &files);
            self.complete(entry, tenant, &files);
        }
        let units: Vec<String> = files.iter().filter_map(|file| unit_of_file(file)).collect();
        for (index, unit) in units.iter().enumerate() {
            let twice = units[..index].contains(unit).then_some(&entry.name);
            if let Some(owner) = owners.get(unit).or(twice) {
                let message = format!("{} is a unit of {owner} already", quoted(unit));
                let hint = "rename a service or a tenant: a tenant NAME has the units NAME and \
                            NAME-SUFFIX";
                self.wrong(entry, "units", code::DUPLICATE_UNIT, message, hint);
            }
        }
        let good = self.problems.len() == problems;
        if good {
            owners.extend(units.into_iter().map(|unit| (unit, entry.name.clone())));
        }
        good
    }

    /// Units written by hand carry the name of their tenant.
    fn own_names(&mut self, entry: &Entry, files: &[String]) {
        let own = |file: &String| {
            let rest = file.strip_prefix(entry.name.as_str());
            rest.is_some_and(|rest| rest.starts_with(['.', '-']))
        };
        for file in files.iter().filter(|file| !own(file)) {
            let message = format!("{} does not carry the name of its tenant", quoted(file));
            let hint = format!("rename it to {0}.… or {0}-….…", entry.name);
            self.wrong(entry, "units", code::FOREIGN_UNIT, message, &hint);
        }
    }

    /// Units written by hand are there for each service of the manifest.
    fn complete(&mut self, entry: &Entry, tenant: &Tenant, files: &[String]) {
        let has = |unit: &str| files.iter().any(|file| unit_of_file(file).as_deref() == Some(unit));
        for service in tenant.manifest.services() {
            for extension in ["service", "timer"] {
                let unit = format!("{}.{extension}", service.unit);
                if !has(&unit) {
                    let message = format!("no file among the units makes {}", quoted(&unit));
                    let hint = "write it, or remove `units` to have all of them rendered";
                    self.wrong(entry, "units", code::MISSING_UNIT, message, hint);
                }
            }
        }
    }
}
