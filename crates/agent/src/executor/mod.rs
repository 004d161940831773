//! What runs workloads on a node: a real one, with supervisors, or one that only behaves as if.
//!
//! An executor is told what to do and returns at once; what comes of it is said later, as [`RunEvent`]s. So the
//! node's loop never waits for a process, and one that hangs holds up nothing else.

mod attend;
mod containers;
mod declared;
mod image;
mod orders;
mod probe;
mod simulated;
mod supervised;
mod unreadable;
mod usage;

use std::path::PathBuf;

use tessera_types::api::Used;
use tessera_types::node::Executors;
use tessera_types::workload::{HealthCheck, Stop};
use tessera_types::{Name, Timestamp};
use tokio::sync::mpsc::UnboundedSender;

pub use simulated::Simulated;
pub use supervised::{Supervised, SupervisedOptions};
#[cfg(feature = "fuzzing")]
pub(crate) use usage::parse_stat;

use crate::core::{Launch, RunEvent, RunId};
use crate::supervisor::Lease;

/// Where an executor says what happened. Its order is the order of events for each run.
pub type Events = UnboundedSender<(RunId, RunEvent)>;

/// Runs workloads. An order for a run that has ended, or that was never started, does nothing.
pub trait Executor: Send {
    /// What it can run.
    fn executors(&self) -> Executors;

    /// Starts a run. If it must not outlive the node's lease, it runs under `lease`.
    fn start(&mut self, launch: Launch, lease: Lease);

    /// Stops a run; one that is being started is stopped as soon as it is up.
    fn stop(&mut self, run: RunId, stop: &Stop);

    /// Moves or removes the end of a run's window.
    fn set_not_after(&mut self, run: RunId, at: Option<Timestamp>);

    /// Checks the health of a run once.
    fn probe(&mut self, run: RunId, check: HealthCheck);

    /// Cleans up after a run that has ended.
    fn remove(&mut self, run: RunId);

    /// Prolongs the runs that must not outlive the node's lease.
    fn renew(&mut self, lease: Lease);

    /// What each run uses, the processor as a mean since the last call.
    fn usage(&mut self) -> Vec<(RunId, Used)>;

    /// Whether nothing is being cleaned up any more, and nothing runs.
    fn is_idle(&self) -> bool;

    /// Where the log of a workload is; none if there are no logs.
    fn log_dir(&self, namespace: &Name, name: &Name) -> Option<PathBuf>;
}
