//! What may be done of what could not be written down.
//!
//! The one idea: an agent that comes after this one knows of a copy what was written down, and of a run what is in its
//! folder. So nothing is started that was not written down, or it would be started twice; and the folder of a run stays
//! until its end is written down, or the run would never have been.

use std::collections::{BTreeMap, BTreeSet};

use tessera_types::Timestamp;

use super::action::RunEnd;
use super::identity::{CopyId, RunId};

/// Copies of which the newest could not be written down.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// Each with the runs that are to be removed once it is.
    copies: BTreeMap<CopyId, BTreeSet<RunId>>,
}

impl Unwritten {
    /// It was tried to write down how far a copy is: what is to be removed now.
    pub fn tried(&mut self, copy: CopyId, is_written: bool) -> BTreeSet<RunId> {
        if is_written {
            return self.forgotten(copy);
        }
        self.copies.entry(copy).or_default();
        BTreeSet::new()
    }

    /// What was written of a copy is not wanted any more: what is to be removed now.
    pub fn forgotten(&mut self, copy: CopyId) -> BTreeSet<RunId> {
        self.copies.remove(&copy).unwrap_or_default()
    }

    /// Whether a run may be started.
    ///
    /// # Errors
    /// How it ends instead.
    pub fn may_start(&self, run: RunId, now: Timestamp) -> Result<(), RunEnd> {
        if !self.copies.contains_key(&run.copy) {
            return Ok(());
        }
        let message = "it cannot be written down that it is started; see the agent's log";
        Err(RunEnd::start_failed(now, message.to_owned(), false))
    }

    /// Whether a run may be removed now; if not, it is when its end is written down.
    pub fn may_remove(&mut self, run: RunId) -> bool {
        self.copies.get_mut(&run.copy).is_none_or(|runs| {
            runs.insert(run);
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::{Epoch, Uid};

    use super::*;

    #[test]
    fn nothing_is_started_or_removed_before_it_is_written_down() {
        let copy = |id| CopyId { id: Uid(id), epoch: Epoch(1) };
        let run = |id| RunId { copy: copy(id), attempt: 1 };
        let mut unwritten = Unwritten::default();
        unwritten.tried(copy(1), false);
        assert!(unwritten.may_start(run(1), Timestamp::EPOCH).is_err());
        assert!(unwritten.may_start(run(2), Timestamp::EPOCH).is_ok());
        assert!(!unwritten.may_remove(run(1)) && unwritten.may_remove(run(2)));
        unwritten.tried(copy(1), false);
        assert_eq!(unwritten.tried(copy(1), true), [run(1)].into());
        assert!(unwritten.may_start(run(1), Timestamp::EPOCH).is_ok());
        unwritten.tried(copy(2), false);
        assert!(!unwritten.may_remove(run(2)));
        assert_eq!(unwritten.forgotten(copy(2)), [run(2)].into());
        assert!(unwritten.copies.is_empty());
    }
}
