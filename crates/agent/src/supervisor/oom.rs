//! Whom the kernel kills when the machine runs out of memory.
//!
//! A supervisor that dies takes its workload with it, and with it the lease's guarantee for whatever
//! that has started. It holds next to nothing itself, so the kernel is told to take it last. What
//! a process inherits from it would be protected as well, so the launcher gives that up before it
//! becomes the workload. See proc_pid_oom_score_adj(5).

use std::fs;
use std::io;

const FILE: &str = "/proc/self/oom_score_adj";
/// All but exempt: a supervisor that itself ate all memory could still be killed.
const PROTECTED: i32 = -999;
/// What a process has that nobody adjusted.
const NEUTRAL: i32 = 0;

/// Protects this process as far as it may, and says what it had before. It takes the capability
/// `CAP_SYS_RESOURCE` to go below what a privileged process has set last; without it nothing
/// changes, or at least an inherited preference for being killed is given up.
pub(super) fn protect() -> i32 {
    let inherited = current().unwrap_or(NEUTRAL);
    let lower = [PROTECTED, NEUTRAL].into_iter().filter(|wanted| *wanted < inherited);
    let _as_far_as_permitted = lower.map(set).find(Result::is_ok);
    inherited
}

/// Takes back what [`protect`] did for this process, which inherited it. A workload is never better
/// protected than others either, however the agent is.
///
/// # Errors
/// If the kernel refuses. It does not unless `/proc` cannot be written.
pub(super) fn expose(inherited: i32) -> io::Result<()> {
    let wanted = inherited.max(NEUTRAL);
    match current() {
        Some(current) if current < wanted => set(wanted),
        _ => Ok(()),
    }
}

fn current() -> Option<i32> {
    fs::read_to_string(FILE).ok()?.trim().parse().ok()
}

fn set(adjustment: i32) -> io::Result<()> {
    fs::write(FILE, adjustment.to_string())
}
