//! The plan that makes a machine as a tenant is declared: which links to its units are to be
//! created or removed, which timers to be enabled or disabled, and what is in the way.
//!
//! The one idea: [`plan`] is a function of what is declared and what was observed, so the same plan
//! is shown, refused, applied and tested. Where a link leads tells whose it is: one that leads to
//! what is declared, or below the tenant's own folders, is the tenant's. Nothing else is touched
//! unless `force` is given, and then it is renamed, never removed. While one conflict remains,
//! nothing changes at all.
//!
//! Quadlet reads folders below its own, and one broken file makes every unit of that folder vanish:
//! so a tenant has a folder of its own there. systemd does not read folders below its own, so
//! services and timers are directly in it. To uninstall is to declare nothing.
//!
//! Units that are rendered are files in a folder of Tessera's, with a line on top by which an edit
//! shows (`texts`). A shell tries all units in a folder of their own before it carries a plan out.

mod decide;
mod layout;
mod left;
mod show;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::registry::unit_of_file;

pub use decide::plan;
pub use layout::{Declared, Layout, is_quadlet};
pub use texts::{is_head, signed};

/// What is at a path. Nothing is there where a path is not observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Seen {
    /// A symbolic link.
    Link {
        /// Where it leads, as it is written.
        target: String,
        /// Nothing is there.
        dangling: bool,
    },
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// What was observed on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All that is below the folders of the layout, and other folders of units if they are to be
    /// searched for units of the same name. Absolute paths.
    pub paths: BTreeMap<String, Seen>,
    /// The timers that are enabled.
    pub enabled: BTreeSet<String>,
    /// The files in the folder of rendered units, with what they say, by their paths.
    pub texts: BTreeMap<String, String>,
    /// The folders that have the units of other tenants.
    pub of_others: Vec<String>,
    /// Files that units were read from or made of, by these units, where none of `paths` brings them.
    pub elsewhere: BTreeMap<String, String>,
    /// Units that systemd does not have as they are on the disk.
    pub stale: BTreeSet<String>,
    /// Timers that are known not to be active.
    pub inactive: BTreeSet<String>,
    /// Services that run at this moment.
    pub running: BTreeSet<String>,
    /// A plan for this tenant was begun and not ended: the units that it was about.
    pub unfinished: Option<BTreeSet<String>>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Links to create, in the order of their paths.
    pub create: Vec<Create>,
    /// Links that are as they are declared.
    pub already_ok: Vec<String>,
    /// What is in the places of a tenant that is to go, and is not Tessera's: it is left alone.
    pub left: Vec<Left>,
    /// What is in the way. While there is any, nothing is changed.
    pub conflicting: Vec<Conflict>,
    /// What was in the way, and is renamed because that was forced.
    pub set_aside: Vec<SetAside>,
    /// The tenant's own links that are not declared any more.
    pub remove: Vec<String>,
    /// The folder that is created for links.
    pub make_folder: Option<String>,
    /// The tenant's folder, when nothing is left in it.
    pub remove_folder: Option<String>,
    /// Timers to enable.
    pub enable: Vec<String>,
    /// Timers to disable.
    pub disable: Vec<String>,
    /// Rendered units that are written, in the order of their paths.
    pub write: Vec<Write>,
    /// Rendered units that are not declared any more.
    pub erase: Vec<Erase>,
    /// Timers to start anew.
    pub restart: Vec<String>,
    /// Timers that may have another schedule: of what that had before now, nothing is caught up.
    pub anew: Vec<String>,
    /// Units to stop.
    pub stop: Vec<String>,
    /// Units that are gone then, with whatever systemd remembers of them.
    pub forget: Vec<String>,
    /// Whether systemd is to read its units anew for a reason of its own: it has not read what is
    /// on the disk.
    pub reload: bool,
}

/// A rendered unit that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Where it is.
    pub path: String,
    /// What it will say.
    #[serde(skip)]
    pub text: String,
    /// What is there now.
    pub found: Found,
    /// Where what is there is kept, if somebody edited it.
    pub backup: Option<String>,
}

/// What is in the place of a rendered unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Nothing.
    Nothing,
    /// What Tessera wrote of an earlier manifest.
    Earlier,
    /// What somebody edited.
    Edited,
}

/// A rendered unit that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erase {
    /// Where it is.
    pub path: String,
    /// Where it is kept, if somebody edited it.
    pub backup: Option<String>,
}

/// A link to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Create {
    /// Where it will be.
    pub path: String,
    /// Where it will lead.
    pub target: String,
    /// Where the tenant's own link that is there now leads: it is replaced.
    pub replaces: Option<String>,
}

/// Something that is not the tenant's, in its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Where it is.
    pub path: String,
    /// What it is.
    pub found: Seen,
    /// Why it is in the way.
    pub reason: Reason,
}

/// Why something is in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is where a link or the folder is to be.
    InTheWay,
    /// It leads nowhere, and Quadlet then makes no unit of the folder.
    BreaksFolder,
    /// It brings a unit of the same name, and only one of the two would be read. That is not to be
    /// forced: it is somebody's unit in a place of its own.
    SameUnit(String),
    /// It brings a service that runs and is to be removed.
    Running(String),
}

impl Reason {
    /// Whether `force` may set it aside.
    #[must_use]
    pub fn can_be_forced(&self) -> bool {
        !matches!(self, Self::SameUnit(_))
    }
}

/// Something that bears the name of a tenant that is to go, and that Tessera did not make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Where it is.
    pub path: String,
    /// What it is.
    pub found: Seen,
}

/// Something that is renamed and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Where it is.
    pub path: String,
    /// Where it will be. Neither systemd nor Quadlet read a file of such a name.
    pub backup: String,
}

/// One thing to do, for a shell to do in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Disable and stop a timer, without a reload. systemd then removes its link, too.
    Disable(String),
    /// Stop a unit, if systemd has it.
    Stop(String),
    /// Stop a timer, if systemd has it, and note that it was due now: by that it begins anew.
    Halt(String),
    /// Rename.
    SetAside(SetAside),
    /// Write a file in one step, and the folders above it; what is there is copied if it is kept.
    Write(Write),
    /// Create a folder, and those above it.
    MakeFolder(String),
    /// Remove a link, if it is still there.
    Remove(String),
    /// Create a link, or replace the tenant's own in one step.
    Link(Create),
    /// Remove an empty folder.
    RemoveFolder(String),
    /// Remove a file that no link leads to any more, or rename it.
    Erase(Erase),
    /// Enable a timer, without a reload and without starting it.
    Enable(String),
    /// Have systemd read its units anew, once.
    Reload,
    /// Start a timer, or start it anew.
    Restart(String),
    /// Have systemd forget a unit that is gone: that it failed, and when it was last due.
    Forget(String),
}

/// A plan that must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {0} in the way; nothing was changed")]
pub struct Refused(
    /// How many conflicts there are.
    pub usize,
);

impl Plan {
    /// Whether all is as it is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let (already_ok, left) = (self.already_ok.clone(), self.left.clone());
        let ok = Self { already_ok, left, ..Self::default() };
        *self == ok
    }

    /// The rendered files that change. One that is new is told by the link to it, or by the unit that
    /// reads it.
    pub fn changed(&self) -> impl Iterator<Item = &Write> {
        let is_linked = |path: &str| self.create.iter().any(|create| create.target == path);
        self.write.iter().filter(move |it| !is_linked(&it.path) && !self.is_new_beside_unit(it))
    }

    fn is_new_beside_unit(&self, write: &Write) -> bool {
        let is_unit = unit_of_file(layout::file_name(&write.path)).is_some();
        let stem = |it: &Write| it.path.rsplit_once('.').map(|(stem, _)| stem.to_owned());
        let is_beside = |other: &Write| other.path != write.path && stem(other) == stem(write);
        !is_unit && write.found == Found::Nothing && self.write.iter().any(is_beside)
    }

    /// What to do, in order. Doing it again does no harm.
    ///
    /// No link ever leads nowhere: files are written before they are linked, and go after their
    /// links.
    ///
    /// # Errors
    /// There is a conflict.
    pub fn steps(&self) -> Result<Vec<Step>, Refused> {
        if !self.conflicting.is_empty() {
            return Err(Refused(self.conflicting.len()));
        }
        let mut steps: Vec<Step> = self.disable.iter().cloned().map(Step::Disable).collect();
        steps.extend(self.stop.iter().cloned().map(Step::Stop));
        steps.extend(self.set_aside.iter().cloned().map(Step::SetAside));
        steps.extend(self.write.iter().cloned().map(Step::Write));
        steps.extend(self.make_folder.iter().cloned().map(Step::MakeFolder));
        steps.extend(self.remove.iter().cloned().map(Step::Remove));
        steps.extend(self.create.iter().cloned().map(Step::Link));
        steps.extend(self.remove_folder.iter().cloned().map(Step::RemoveFolder));
        steps.extend(self.erase.iter().cloned().map(Step::Erase));
        steps.extend(self.enable.iter().cloned().map(Step::Enable));
        // Already a reload would have a timer fire that is due by its new schedule; until then what
        // is installed goes on, so that it does where one of these steps fails.
        steps.extend(self.anew.iter().cloned().map(Step::Halt));
        if self.reload || !steps.is_empty() {
            steps.push(Step::Reload);
        }
        steps.extend(self.enable.iter().cloned().map(Step::Restart));
        steps.extend(self.restart.iter().cloned().map(Step::Restart));
        steps.extend(self.forget.iter().cloned().map(Step::Forget));
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_a_unit_is_told_when_it_changes() {
        let write = |name: &str, found| {
            let text = "LAKE=hidden\n".to_owned();
            Write { path: format!("/units/{name}"), text, found, backup: None }
        };
        let told = |writes: &[(&str, Found)]| {
            let write = writes.iter().map(|(name, found)| write(name, *found)).collect();
            let plan = Plan { write, ..Plan::default() };
            let json = serde_json::to_string(&plan).unwrap();
            assert!(!format!("{plan}{json}").contains("hidden"), "{plan}");
            plan.changed().map(|write| write.path.clone()).collect::<Vec<_>>()
        };
        let (unit, file) = ("/units/circ.container", "/units/circ.env");
        assert_eq!(told(&[("circ.env", Found::Earlier)]), [file]);
        assert_eq!(told(&[("circ.env", Found::Nothing)]), [file]);
        // With another text of its unit it is no more than that.
        let writes = [("circ.container", Found::Earlier), ("circ.env", Found::Nothing)];
        assert_eq!(told(&writes), [unit]);
        let writes = [("circ.container", Found::Earlier), ("circ.env", Found::Edited)];
        assert_eq!(told(&writes), [unit, file]);
    }
}
