//! Killing by number without hitting the wrong process.

use std::collections::BTreeSet;

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Sends SIGKILL to all that `find` finds.
///
/// A process number may pass to another process at any time. So this looks twice: what holds a
/// pidfd from between the two looks, and is found by both, is the one that is meant.
pub(crate) fn kill(find: impl Fn() -> BTreeSet<u32>) {
    let opened: Vec<(u32, OwnedFd)> = find().into_iter().filter_map(open).collect();
    if opened.is_empty() {
        return;
    }
    let meant = find();
    for (_, process) in opened.iter().filter(|(pid, _)| meant.contains(pid)) {
        let _already_gone = pidfd_send_signal(process, Signal::KILL);
    }
}

fn open(pid: u32) -> Option<(u32, OwnedFd)> {
    let number = Pid::from_raw(pid.try_into().ok()?)?;
    Some((pid, pidfd_open(number, PidfdFlags::empty()).ok()?))
}
