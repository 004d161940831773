//! The revisioned store: atomic commits with preconditions, durable when they
//! are acknowledged, in one total order that watchers can follow.
//!
//! The one idea: **the change log is the truth**. A commit is one entry appended
//! to it; the tables of current state are a checkpoint that follows later, in
//! coalesced batches, and start-up loads the checkpoint and replays what comes
//! after it. Everything that is read often is read from memory.
//!
//! [`Store`] is the contract, [`sqlite`] and [`MemoryDisk`] are the backends, and
//! `conformance` (a feature of that name) is the suite that each backend passes.
//!
//! [`journal`] is another sort of file: the journals of jobs, which the engine keeps.
//!
//! ```text
//!  commit ──► queue ──► writer: check, append, one fsync for the whole batch
//!                          │ then, for each commit in order
//!                          ├─► index   (get, list)
//!                          ├─► observer (the world)
//!                          ├─► ring    (watch)
//!                          └─► the answer
//!            between batches: checkpoint, trim, tidy, a small step at a time
//! ```

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod contract;
mod embedded;
mod engine;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod journal;
mod lanes;
mod memory;
mod options;
mod ring;
mod shared;
pub mod sqlite;
mod stats;
#[cfg(test)]
mod tests;
mod watcher;
mod writer;

pub use contract::{
    AuditEntry, BoxFuture, Commit, Feed, HistoryPage, IdempotencyKey, Lane, Listed, Observer,
    Outcome, Store, Watcher, no_observer,
};
pub use embedded::EmbeddedStore;
pub use error::{CommitError, InvalidCommit, OpenError, StoreError, WatchError};
pub use memory::{DiskFault, MemoryDisk};
pub use options::{IDEMPOTENCY_KEPT, Options, WRITES_MAX};
pub use stats::{Latency, Stats};
