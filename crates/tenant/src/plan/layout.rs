//! Where the links to a tenant's units are.

use std::collections::{BTreeMap, BTreeSet};

use tessera_types::Name;

use super::texts::signed;
use crate::registry::unit_of_file;
use crate::units::UnitFile;

/// The folders of units of a user, or of the machine. Absolute, without a `/` at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// That of Quadlet, such as `~/.config/containers/systemd`.
    pub quadlet: String,
    /// That of systemd, such as `~/.config/systemd/user`.
    pub systemd: String,
}

/// What is declared of one tenant on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub(super) tenant: Name,
    pub(super) layout: Layout,
    pub(super) roots: Vec<String>,
    /// Links by path, with their targets.
    pub(super) links: BTreeMap<String, String>,
    pub(super) timers: BTreeSet<String>,
    /// What rendered units say, by their paths.
    pub(super) texts: BTreeMap<String, String>,
}

impl Declared {
    /// A tenant with these unit files, given by their absolute paths. `roots` are the folders in
    /// which only this tenant has unit files: a link that leads below them is its own. Files that
    /// are no units, such as a README, are left out.
    #[must_use]
    pub fn new<'f>(
        layout: &Layout,
        tenant: &Name,
        roots: &[String],
        files: impl IntoIterator<Item = &'f str>,
    ) -> Self {
        let mut declared = Self::nothing(layout, tenant, roots);
        for target in files {
            let name = file_name(target);
            if unit_of_file(name).is_none() {
                continue;
            }
            let folder = if is_quadlet(name) { declared.folder() } else { layout.systemd.clone() };
            declared.links.insert(format!("{folder}/{name}"), target.to_owned());
            if name.ends_with(".timer") {
                declared.timers.insert(name.to_owned());
            }
        }
        declared
    }

    /// A tenant whose units are rendered into a folder that is its own.
    #[must_use]
    pub fn rendered(
        layout: &Layout,
        tenant: &Name,
        folder: &str,
        roots: &[String],
        files: &[UnitFile],
    ) -> Self {
        let path = |file: &UnitFile| format!("{}/{}", folder.trim_end_matches('/'), file.name);
        let paths: Vec<String> = files.iter().map(path).collect();
        let declared = Self::new(layout, tenant, roots, paths.iter().map(String::as_str));
        let texts = files.iter().map(|file| (path(file), signed(&file.text))).collect();
        Self { texts, ..declared }
    }

    /// A tenant that is not to be on the machine.
    #[must_use]
    pub fn nothing(layout: &Layout, tenant: &Name, roots: &[String]) -> Self {
        let roots = roots.iter().map(|root| root.trim_end_matches('/').to_owned()).collect();
        let (links, timers, texts) = Default::default();
        Self { tenant: tenant.clone(), layout: layout.clone(), roots, links, timers, texts }
    }

    /// The links, with their targets.
    #[must_use]
    pub fn links(&self) -> &BTreeMap<String, String> {
        &self.links
    }

    /// What rendered units say as files, by their paths.
    #[must_use]
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// The units that systemd has in the end: each that a file is or that Quadlet makes of it.
    #[must_use]
    pub fn units(&self) -> BTreeSet<String> {
        self.links.keys().filter_map(|path| unit_of_file(file_name(path))).collect()
    }

    /// The timers that are to be enabled.
    #[must_use]
    pub fn timers(&self) -> &BTreeSet<String> {
        &self.timers
    }

    /// The tenant's own folder below Quadlet's.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}/{}", self.layout.quadlet, self.tenant)
    }

    /// Whether a link that leads there is the tenant's.
    pub(super) fn owns(&self, target: &str) -> bool {
        let below = |root: &String| {
            target.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let climbs = target.split('/').any(|part| part == "..");
        self.links.values().any(|declared| declared == target)
            || (!climbs && self.roots.iter().any(below))
    }
}

/// Whether a file is one for Quadlet, by its name.
#[must_use]
pub fn is_quadlet(file: &str) -> bool {
    let extension = file.rsplit_once('.').map(|(_, extension)| extension);
    let read = ["container", "network", "volume", "pod", "kube", "image", "build"];
    extension.is_some_and(|extension| read.contains(&extension))
}

/// The folder of a path, and its last part.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

pub(super) fn file_name(path: &str) -> &str {
    split(path).1
}
