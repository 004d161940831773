//! How much the store keeps, and for how long.

use tessera_types::{Duration, limits};

/// Writes of one commit, at most.
pub const WRITES_MAX: usize = 10_000;

/// For how long an idempotency key is remembered.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// How much the store keeps, and for how long. The defaults suit a control
/// plane.
#[derive(Clone, Debug)]
pub struct Options {
    /// Recent commits kept in memory for watchers, at most.
    pub ring_commits_max: usize,
    /// The same in bytes of log.
    pub ring_bytes_max: u64,
    /// So many of the newest commits stay in the log, whatever their age.
    pub log_commits_min: u64,
    /// Younger commits stay in the log, whatever their number.
    pub log_age_min: Duration,
    /// The log is shortened to about this size, whatever the two above say.
    pub log_bytes_max: u64,
    /// Transitions older than this are dropped from the history.
    pub history_age_max: Duration,
    /// A checkpoint follows after so many commits, or sooner when the store is
    /// idle.
    pub checkpoint_commits: u64,
    /// The same in bytes of log.
    pub checkpoint_bytes: u64,
    /// The size of the database file, at most; none for as much as the disk has.
    pub file_bytes_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_commits_max: limits::WATCH_BUFFER_MAX,
            ring_bytes_max: 8 << 20,
            log_commits_min: 100_000,
            log_age_min: Duration::from_secs(3600),
            log_bytes_max: 1 << 30,
            history_age_max: Duration::from_secs(90 * 24 * 3600),
            checkpoint_commits: 4096,
            checkpoint_bytes: 64 << 20,
            file_bytes_max: None,
        }
    }
}
