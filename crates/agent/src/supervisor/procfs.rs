//! Finding processes by what `/proc` says of them, where there is no control group to ask.
//!
//! Every process of a run carries the run's folder in its environment, unless it dropped it on
//! purpose. That is how those are found whose supervisor is gone; while it lives, it finds them as
//! its descendants.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variable by which the processes of a run are known. Its value, the run's folder, is unique
/// on the machine.
pub(super) const RUN_DIR_VARIABLE: &str = "TESSERA_RUN_DIR";

/// All living descendants of a process, without itself.
pub(super) fn descendants(of: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut dead = BTreeSet::new();
    for pid in pids() {
        if let Some((parent, is_dead)) =
            fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| parse_stat(&stat))
        {
            children.entry(parent).or_default().push(pid);
            dead.extend(is_dead.then_some(pid));
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![of];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(&below);
        open.extend(below);
    }
    found.difference(&dead).copied().collect()
}

/// All processes that carry the folder of a run, and that this one may look into.
pub(super) fn of_run(run_dir: &Path) -> BTreeSet<u32> {
    let mut entry = format!("{RUN_DIR_VARIABLE}=").into_bytes();
    entry.extend_from_slice(run_dir.as_os_str().as_bytes());
    let carries = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == entry)
    };
    pids().filter(carries).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The parent, and whether the process is dead and only waits to be reaped. See proc_pid_stat(5);
/// the name in parentheses may contain anything.
pub(crate) fn parse_stat(stat: &str) -> Option<(u32, bool)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    Some((fields.next()?.parse().ok()?, matches!(state, "Z" | "X")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        assert_eq!(parse_stat("12 (a) R 1 (b) S 7 12 12 0"), Some((7, false)));
        assert_eq!(parse_stat("12 (sh) Z 7 12"), Some((7, true)));
        assert_eq!(parse_stat(""), None);
    }
}
