//! The first process of a container, as a process of this machine.
//!
//! The container's process numbers are its own namespace's. When the first process there is gone,
//! the kernel kills all others in it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;
use tokio::sync::oneshot;

use super::Signal;
use crate::cgroup::Cgroup;

/// The first process of a container.
#[derive(Debug)]
pub(super) struct MainProcess {
    pid: u32,
    held: Option<Arc<Held>>,
}

/// What is known to be the container's process. It is not where the runtime keeps its containers in
/// a virtual machine: a number from in there means another process here.
#[derive(Debug)]
struct Held {
    process: OwnedFd,
    group: Cgroup,
    oom_killed: AtomicBool,
}

impl Held {
    /// Notes whether the kernel has killed something for want of memory. The runtime removes the
    /// group soon after the end.
    fn note_oom(&self) {
        self.oom_killed.fetch_or(self.group.oom_kills() > 0, Ordering::AcqRel);
    }
}

impl MainProcess {
    pub(super) fn find(container_id: &str, pid: u32) -> Self {
        Self { pid, held: hold(container_id, pid).map(Arc::new) }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn kill(&self) {
        let _already_gone = self.signal(Signal::KILL);
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let unsendable = || io::Error::other(format!("{signal} cannot be sent"));
        Ok(pidfd_send_signal(&held.process, signal.sendable().ok_or_else(unsendable)?)?)
    }

    /// Whether it is known to run.
    pub(super) fn is_alive(&self) -> bool {
        let Some(held) = &self.held else { return false };
        !has_ended(&held.process, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
    }

    /// Whether the kernel is known to have killed something in the container for want of memory. Ask at
    /// once when it has ended, unless its end was watched for.
    pub(super) fn oom_killed(&self) -> bool {
        let Some(held) = &self.held else { return false };
        held.note_oom();
        held.oom_killed.load(Ordering::Acquire)
    }

    /// Resolves when it ends; none if that cannot be watched.
    pub(super) fn watch(&self) -> Option<oneshot::Receiver<()>> {
        let held = Arc::clone(self.held.as_ref()?);
        let (say, ended) = oneshot::channel();
        let watch = move || {
            while !has_ended(&held.process, None) {}
            // Here, since whoever is told may have its turn too late.
            held.note_oom();
            let _nobody_waits = say.send(());
        };
        thread::Builder::new().name("watch".into()).spawn(watch).ok()?;
        Some(ended)
    }
}

/// Waits so long, or for ever, for a process to end. It may answer too early that it has not.
fn has_ended(process: &OwnedFd, limit: Option<&Timespec>) -> bool {
    poll(&mut [PollFd::new(process, PollFlags::IN)], limit).is_ok_and(|ready| ready > 0)
}

fn hold(container_id: &str, pid: u32) -> Option<Held> {
    let number = Pid::from_raw(pid.try_into().ok()?)?;
    let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
    // Only now, as the number may have passed to another process before.
    let group = Cgroup::of_container(pid, container_id)?;
    Some(Held { process, group, oom_killed: AtomicBool::new(false) })
}
