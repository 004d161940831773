//! What an agent writes down of its copies, on a disk that may be full.

use tessera_agent::core::{CopyId, Progress, RunId};

use super::Machine;

impl Machine {
    /// Writes down how far a copy is. Where that fails the agent says so in its log, and goes on.
    pub(super) fn save(&mut self, progress: Progress) {
        let copy = progress.copy;
        let attempt = format!("{copy} {}", progress.seq);
        let is_written = !(self.is_disk_full && self.fate.fails_to_save(&attempt));
        for run in self.unwritten.tried(copy, is_written) {
            self.runs.remove(&run);
        }
        if !is_written {
            self.unsaved.insert(copy);
            return;
        }
        // A later run of which nothing was written down is being stopped.
        let is_later = |run: &RunId| run.copy == copy && run.attempt > progress.attempt;
        if !self.runs.keys().any(is_later) {
            self.unsaved.remove(&copy);
        }
        self.disk.insert(copy, progress);
    }

    /// Removes what was written of a copy, which works on a full disk, too.
    pub(super) fn forget(&mut self, copy: CopyId) {
        for run in self.unwritten.forgotten(copy) {
            self.runs.remove(&run);
        }
        // A run of which nothing was written down may still be stopping.
        if !self.runs.keys().any(|run| run.copy == copy) {
            self.unsaved.remove(&copy);
        }
        self.disk.remove(&copy);
    }
}
