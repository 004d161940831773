//! The recent commits, for watchers that are not far behind.

use std::collections::VecDeque;
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::{Committed, Revision};

use crate::options::Options;

/// The recent commits without a gap, bounded by count and by bytes.
#[derive(Debug)]
pub(crate) struct Ring {
    commits: VecDeque<(Arc<Committed>, u64)>,
    bytes: u64,
    commits_max: usize,
    bytes_max: u64,
}

impl Ring {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            commits: VecDeque::new(),
            bytes: 0,
            commits_max: options.ring_commits_max,
            bytes_max: options.ring_bytes_max,
        }
    }

    /// Adds the next commit, and drops as many old ones as the bounds ask for.
    pub(crate) fn push(&mut self, committed: Arc<Committed>, bytes: u64) {
        self.bytes += bytes;
        self.commits.push_back((committed, bytes));
        while self.commits.len() > self.commits_max || self.bytes > self.bytes_max {
            let Some((_, dropped)) = self.commits.pop_front() else { break };
            self.bytes -= dropped;
        }
    }

    /// The commit of that revision, if it is recent.
    pub(crate) fn get(&self, revision: Revision) -> Option<Arc<Committed>> {
        let (oldest, _) = self.commits.front()?;
        let place = revision.0.checked_sub(oldest.revision.0);
        let place = place.or_else(|| planted(Bug::WatchGap).then_some(0))?;
        let (committed, _) = self.commits.get(usize::try_from(place).ok()?)?;
        Some(Arc::clone(committed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Timestamp;

    #[test]
    fn both_bounds_hold_and_what_is_left_has_no_gap() {
        let options = Options { ring_commits_max: 3, ring_bytes_max: 100, ..Options::default() };
        let mut ring = Ring::new(&options);
        for (revision, bytes, oldest) in
            [(1, 10, 1), (2, 10, 1), (3, 10, 1), (4, 10, 2), (5, 91, 5), (6, 101, 7)]
        {
            let revision = Revision(revision);
            let committed = Committed { revision, at: Timestamp::EPOCH, changes: Vec::new() };
            ring.push(Arc::new(committed), bytes);
            for present in 0..8 {
                let found = ring.get(Revision(present)).map(|committed| committed.revision.0);
                let expected = (oldest..=revision.0).contains(&present).then_some(present);
                assert_eq!(found, expected, "after {revision}");
            }
        }
    }
}
