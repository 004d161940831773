//! Figures about the store: plain numbers, which the control plane exposes as
//! metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tessera_types::Revision;

/// Figures about the store, all at about the same moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The last commit.
    pub revision: Revision,
    /// The last commit that the checkpoint has.
    pub checkpointed: Revision,
    /// The newest commit that was forgotten.
    pub compacted: Revision,
    /// Resources of all kinds.
    pub resources: u64,
    /// Commits in the log.
    pub log_commits: u64,
    /// Their size, about.
    pub log_bytes: u64,
    /// Bytes on disk, with the write-ahead log.
    pub disk_bytes: u64,
    /// Commits made since the start.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Commits refused since a precondition did not hold.
    pub conflicts: u64,
    /// Commits refused as senseless, or for a reused idempotency key.
    pub refused: u64,
    /// Commits answered from an idempotency key.
    pub replays: u64,
    /// Commits that the backend failed.
    pub failures: u64,
    /// Groups of commits that shared one write to the disk.
    pub batches: u64,
    /// Checkpoints finished.
    pub checkpoints: u64,
    /// From the request to the answer of a commit.
    pub commit_latency: Latency,
    /// One write to the disk, for a whole batch.
    pub batch_latency: Latency,
}

/// A histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many were at most [`Latency::BOUNDS_US`] of the same place and more
    /// than that of the place before; the last is for all longer ones.
    pub counts: [u64; Latency::BOUNDS_US.len() + 1],
    /// Their sum, in microseconds.
    pub total_us: u64,
}

impl Latency {
    /// The upper bounds, in microseconds.
    pub const BOUNDS_US: [u64; 14] = [
        50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
        5_000_000,
    ];

    /// How many durations were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The counters behind [`Stats`], which only the committing thread changes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) log_bytes: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) replays: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpointed: AtomicU64,
    pub(crate) commit_latency: Histogram,
    pub(crate) batch_latency: Histogram,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Counters {
    /// The part of the figures that are counters.
    pub(crate) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            checkpointed: Revision(read(&self.checkpointed)),
            log_bytes: read(&self.log_bytes),
            commits: read(&self.commits),
            writes: read(&self.writes),
            conflicts: read(&self.conflicts),
            refused: read(&self.refused),
            replays: read(&self.replays),
            failures: read(&self.failures),
            batches: read(&self.batches),
            checkpoints: read(&self.checkpoints),
            commit_latency: self.commit_latency.read(),
            batch_latency: self.batch_latency.read(),
            ..Stats::default()
        }
    }
}

/// A [`Latency`] being measured.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; Latency::BOUNDS_US.len() + 1],
    total_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = Latency::BOUNDS_US.partition_point(|bound| *bound < us);
        add(&self.counts[place], 1);
        add(&self.total_us, us);
    }

    pub(crate) fn read(&self) -> Latency {
        Latency {
            counts: std::array::from_fn(|i| self.counts[i].load(Ordering::Relaxed)),
            total_us: self.total_us.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_at_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for us in [50, 51, 6_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let latency = histogram.read();
        assert_eq!((latency.counts[0], latency.counts[1], latency.counts[14]), (1, 1, 1));
        assert_eq!((latency.count(), latency.total_us), (3, 6_000_101));
    }
}
