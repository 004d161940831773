//! What outlives the control plane: its disk, and beside it the ledger, which the checks
//! keep of what the store has acknowledged.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tessera_store::{DiskFault, MemoryDisk, Options};
use tessera_types::Duration;

use crate::check::ledger::Ledger;
use crate::chronicle::Chronicle;

/// The control plane's disk. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) memory: MemoryDisk,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    pub(crate) chronicle: Chronicle,
    dies: Rc<Cell<bool>>,
}

/// Commits of the log that a checkpoint follows after.
const CHECKPOINT_COMMITS: u64 = 24;
/// Commits that stay in the log.
const LOG_COMMITS_MIN: u64 = 60;
/// The log has never more, unless the disk does not let go of any.
pub(crate) const LOG_COMMITS_MAX: usize = 6 * LOG_COMMITS_MIN as usize;

/// So tight that each run has checkpoints, what follows them, and logs cut short.
pub(crate) fn options() -> Options {
    Options {
        ring_commits_max: 16,
        log_commits_min: LOG_COMMITS_MIN,
        log_age_min: Duration::from_secs(5),
        checkpoint_commits: CHECKPOINT_COMMITS,
        ..Options::default()
    }
}

impl Disk {
    pub(crate) fn set_fault(&self, fault: Option<DiskFault>) {
        self.memory.set_fault(fault);
    }

    /// The power of its machine went in the middle of a commit.
    pub(crate) fn has_died(&self) -> bool {
        self.dies.get() && self.memory.fault() == Some(DiskFault::Broken)
    }

    /// The power goes in the middle of the next commit, which is on the disk or is not.
    pub(crate) fn die_in_commit(&self, is_kept: bool) {
        self.dies.set(true);
        self.memory.set_fault(Some(DiskFault::Dies { kept: usize::from(is_kept) }));
    }

    /// The power is there again; whether it was gone.
    pub(crate) fn revive(&self) -> bool {
        let has_died = self.has_died();
        if self.dies.replace(false) {
            self.memory.set_fault(None);
        }
        has_died
    }
}
