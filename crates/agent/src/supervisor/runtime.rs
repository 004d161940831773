//! What the control loop needs of whatever runs the workload.

use std::io;
use std::os::fd::OwnedFd;

use super::events::Events;
use super::fault::StartFailure;
use super::signal::Signal;
use crate::logs::Stream;

/// The pipes from which a run's output is read.
pub(super) type Output = Vec<(Stream, OwnedFd)>;

/// Runs one workload, once.
///
/// Nothing in here may block for long: the control loop enforces the lease and answers the agent.
/// What takes time happens on threads of the runtime, which send [`Event`](super::events::Event)s:
/// first `Started` or `StartFailed`, then `Ended` (only after `Started`), and `Reaped` whenever
/// `remaining` may have become shorter.
pub(super) trait Runtime {
    /// Begins the start.
    ///
    /// # Errors
    /// If it cannot even begin.
    fn start(&mut self, events: &Events) -> Result<Output, StartFailure>;

    /// Sends a signal to the main process.
    fn signal(&self, signal: Signal) -> io::Result<()>;

    /// Sends SIGKILL to everything that is left, once.
    fn kill_all(&self);

    /// The processes that are left, as far as they are known.
    fn remaining(&self) -> Vec<u32>;

    /// Nothing is left.
    fn is_gone(&self) -> bool {
        self.remaining().is_empty()
    }

    /// The kernel killed something in here because it used too much memory.
    fn oom_killed(&self) -> bool;

    /// Gives back what was set up for the run, when nothing of it is left.
    fn release(&self) -> io::Result<()>;
}
