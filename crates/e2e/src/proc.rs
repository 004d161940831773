//! Processes as `/proc` shows them, which is the truth that Tessera is compared
//! with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The environment variable by which the copies of a workload are found. Its
/// value is the fleet's tag, a slash, and the workload's name.
pub const MARK: &str = "TESSERA_E2E_MARK";

/// One process, which cannot be mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was.
    started: u64,
}

impl Process {
    /// The living process of this number.
    #[must_use]
    pub fn find(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (!stat.is_dead).then_some(Self { pid, started: stat.started })
    }

    /// The process that started it and waits for its end.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        Self::find(Stat::read(self.pid)?.parent)
    }

    /// Whether it still lives; a zombie does not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::find(self.pid) == Some(self)
    }

    /// Sends it a signal; nothing happens when it is gone.
    pub fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            // It may end between the look and the signal.
            let _gone = kill_process(pid, signal);
        }
    }

    /// Ends it at once.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }
}

/// What is read of `/proc/<pid>/stat`.
pub(crate) struct Stat {
    is_dead: bool,
    parent: u32,
    session: u32,
    started: u64,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// See proc_pid_stat(5): the name in parentheses may contain anything, and
    /// the state is the third field, so the 22nd is the 20th from there.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            is_dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

/// The numbers of all processes.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The value of a variable in a process's environment.
pub(crate) fn variable(pid: u32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = [name.as_bytes(), b"="].concat();
    let value = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(&*prefix))?;
    String::from_utf8(value.to_vec()).ok()
}

/// The workload that a process is a copy of, if it is the first process of one
/// of the fleet with this tag.
pub(crate) fn copy_of(pid: u32, tag: &str) -> Option<String> {
    let mark = variable(pid, MARK)?;
    let name = mark.strip_prefix(tag)?.strip_prefix('/')?;
    // Each copy is a session of its own; what it forks is a part of it.
    let stat = Stat::read(pid)?;
    (stat.session == pid && !stat.is_dead).then(|| name.to_owned())
}

/// The live copies of each workload of the fleet with this tag.
#[must_use]
pub fn copies(tag: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for pid in pids() {
        if let Some(name) = copy_of(pid, tag) {
            found.entry(name).or_default().insert(pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_and_a_zombie_is_not() {
        let own = std::process::id();
        assert!(Process::find(own).is_some_and(Process::is_alive));
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        process.kill();
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert!(Process::find(child.id()).is_none(), "it is a zombie");
        child.wait().unwrap();
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "7 (a) R (b) S 1 7 7 0 -1 4194304 9 0 0 0 0 0 0 0 20 0 1 0 4711 0";
        let stat = Stat::parse(stat).unwrap();
        assert_eq!((stat.is_dead, stat.session, stat.started), (false, 7, 4711));
    }
}
