//! What bears the name of a tenant that is to go, and is not Tessera's.
//!
//! The one idea: only what leads to Tessera's folders, or to where it noted that units were, was made
//! by it. All else is named and left; `force` renames it, and never removes it.

use std::collections::BTreeSet;

use super::decide::Decision;
use super::layout::split;
use super::{Left, Seen, SetAside};
use crate::registry::unit_of_file;

impl Decision<'_> {
    pub(super) fn left(&mut self) {
        if !self.declared.links.is_empty() {
            return;
        }
        for path in self.strange_units() {
            if self.force {
                self.set_aside_unit(&path);
            } else {
                let found = self.observed.paths[&path].clone();
                self.plan.left.push(Left { path, found });
            }
        }
    }

    /// Those of the tenant's name, and what is beside these, such as the units of further services.
    fn strange_units(&self) -> BTreeSet<String> {
        let named: Vec<&String> = self.namesakes().collect();
        let folders: BTreeSet<&str> =
            named.iter().filter_map(|path| self.leads_into(path)).collect();
        let further = self.observed.paths.keys().filter(|path| {
            let (parent, name) = split(path);
            let is_beside = self.leads_into(path).is_some_and(|folder| folders.contains(folder));
            self.is_own_name(parent, name) && is_beside && self.is_strange(path)
        });
        named.iter().copied().chain(further).cloned().collect()
    }

    /// Units in the tenant's folder of Quadlet, and those of its name in systemd's.
    fn namesakes(&self) -> impl Iterator<Item = &String> {
        let folder = self.declared.folder();
        let units = ["service", "timer"].map(|kind| format!("{}.{kind}", self.declared.tenant));
        self.observed.paths.keys().filter(move |path| {
            let (parent, name) = split(path);
            let is_named =
                parent == self.declared.layout.systemd && units.iter().any(|it| it == name);
            (parent == folder || is_named) && self.is_strange(path)
        })
    }

    /// Whether a unit is neither the tenant's nor that of another one.
    fn is_strange(&self, path: &str) -> bool {
        let is_unit = unit_of_file(split(path).1).is_some();
        let is_others = |target: &str| {
            let mut folders = self.observed.of_others.iter();
            folders.any(|folder| split(target).0 == folder)
        };
        is_unit
            && match &self.observed.paths[path] {
                Seen::Link { target, .. } => !self.declared.owns(target) && !is_others(target),
                Seen::File => true,
                Seen::Folder => false,
            }
    }

    fn leads_into(&self, path: &str) -> Option<&str> {
        match self.observed.paths.get(path)? {
            Seen::Link { target, .. } => Some(split(target).0).filter(|folder| !folder.is_empty()),
            _ => None,
        }
    }

    /// Renames a unit and the links that enable it. A timer would go on to fire without its file.
    fn set_aside_unit(&mut self, path: &str) {
        let (parent, name) = split(path);
        let mut paths = vec![path.to_owned()];
        if name.ends_with(".timer") && parent == self.declared.layout.systemd {
            self.plan.stop.push(name.to_owned());
            let wishes = self.observed.paths.keys().filter(|other| {
                let (folder, timer) = split(other);
                timer == name && [".wants", ".requires"].iter().any(|end| folder.ends_with(end))
            });
            paths.extend(wishes.cloned());
        }
        for path in paths {
            let backup = self.backup_of(&path);
            self.plan.set_aside.push(SetAside { path, backup });
        }
    }
}
