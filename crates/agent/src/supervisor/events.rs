//! What the supervisor's helper threads tell its control loop.
//!
//! The control loop waits in `poll`, so the queue has a file descriptor beside it that becomes
//! readable.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::fault::StartFailure;
use super::spec::Outcome;

/// Something happened to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The program was executed, under this pid.
    Started {
        pid: u32,
        /// The container that it is in, if it is in one.
        container_id: Option<String>,
    },
    /// It could not be executed.
    StartFailed(StartFailure),
    /// The main process has ended.
    Ended(Outcome),
    /// Something else that it started has ended.
    Reaped,
    /// All output was read.
    OutputClosed,
}

/// A queue of events; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<VecDeque<Event>>,
    wake: OwnedFd,
}

impl Events {
    pub(super) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { queue: Mutex::default(), wake }) })
    }

    pub(super) fn send(&self, event: Event) {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // It only says that there is something to look at, and a workload may fork without end.
        if event != Event::Reaped || queue.back() != Some(&Event::Reaped) {
            queue.push_back(event);
        }
        drop(queue);
        // It can only fail when it is readable already.
        let _readable = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
    }

    /// All events so far.
    pub(super) fn take(&self) -> VecDeque<Event> {
        let _empty = rustix::io::read(&self.shared.wake, &mut [0; 8]);
        std::mem::take(&mut self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Becomes readable when there are events.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}
