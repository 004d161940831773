//! Control groups: holding a run to its limits, and finding everything that it started.
//!
//! Where the kernel offers groups differs from machine to machine, so [`CgroupParent::prepare`]
//! looks once, makes a parent `tessera/<name>` in each hierarchy that is of use, and says by
//! [`CgroupParent::support`] what will be enforced. Hierarchies may be:
//!
//! - version 2 alone, with controllers (any current distribution);
//! - version 2 without controllers, to find and kill processes, beside `memory` and `cpu` of
//!   version 1 (hybrid);
//! - version 1 alone;
//! - none that may be written (an agent without privileges, a sandbox). Then nothing is enforced.
//!
//! [`Cgroup`] is the group of one run: one folder in each of the hierarchies.

mod container;
mod detect;
mod group;
mod kill;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(feature = "fuzzing")]
pub(crate) use detect::parse_mounts;
pub use group::Cgroup;
pub(crate) use kill::kill;

/// What groups can do on this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupSupport {
    /// Memory limits hold.
    pub limits_memory: bool,
    /// CPU limits hold.
    pub limits_cpu: bool,
}

/// The folders below which runs get their groups, one for each hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupParent {
    /// Version 2.
    #[serde(default)]
    unified: Option<Unified>,
    /// The `memory` controller of version 1.
    #[serde(default)]
    memory: Option<PathBuf>,
    /// The `cpu` controller of version 1.
    #[serde(default)]
    cpu: Option<PathBuf>,
}

/// A parent of version 2, and the controllers that its children have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unified {
    dir: PathBuf,
    memory: bool,
    cpu: bool,
}

impl CgroupParent {
    /// No groups at all: nothing is enforced.
    pub fn none() -> Self {
        Self::default()
    }

    /// Finds what this machine offers and makes the parents for `name`, which no other agent of the
    /// machine may have. Call it once, when the agent starts.
    ///
    /// An unprivileged agent in a delegated group of version 2 moves itself into a leaf of that
    /// group, as the kernel allows controllers only below groups that hold no processes themselves.
    pub fn prepare(name: &str) -> Self {
        detect::prepare(name)
    }

    /// What will be enforced.
    pub fn support(&self) -> CgroupSupport {
        let unified = self.unified.as_ref();
        CgroupSupport {
            limits_memory: self.memory.is_some() || unified.is_some_and(|unified| unified.memory),
            limits_cpu: self.cpu.is_some() || unified.is_some_and(|unified| unified.cpu),
        }
    }

    /// Removes the parents, if no run has a group below them any more, and what holds the parents of
    /// all nodes, if it is empty then. Otherwise nothing happens.
    pub fn remove(&self) {
        let unified = self.unified.as_ref().map(|unified| &unified.dir);
        for dir in [unified, self.memory.as_ref(), self.cpu.as_ref()].into_iter().flatten() {
            if std::fs::remove_dir(dir).is_ok()
                && let Some(of_all_nodes) = dir.parent()
            {
                let _in_use = std::fs::remove_dir(of_all_nodes);
            }
        }
    }

    /// The group of a run. It is not made yet.
    pub fn group(&self, run_id: &str) -> Cgroup {
        Cgroup::new(
            self.unified
                .as_ref()
                .map(|unified| Unified { dir: unified.dir.join(run_id), ..unified.clone() }),
            self.memory.as_ref().map(|dir| dir.join(run_id)),
            self.cpu.as_ref().map(|dir| dir.join(run_id)),
        )
    }
}
