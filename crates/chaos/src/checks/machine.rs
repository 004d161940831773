//! What the machine has of the system: processes, control groups, memory, logs.
//!
//! The one idea: what is read and what is made of it are apart, so that a test can say what
//! was read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tessera_types::Timestamp;

use crate::findings::{Findings, Invariant};
use crate::schedule::Program;
use crate::system::{FullTimes, System};

/// What a program may take beyond twice what it took at first.
const GROWTH_BYTES_MAX: u64 = 96 << 20;
/// What no program may take.
const BYTES_MAX: u64 = 512 << 20;
/// What the supervisor of a run may take: there is one for each.
const SUPERVISOR_BYTES_MAX: u64 = 24 << 20;

/// Resident memory of the programs.
pub(crate) struct Memory(BTreeMap<Program, u64>);

impl Memory {
    /// As it is now.
    pub(crate) fn read(system: &System) -> Self {
        let read = |(program, pid): (Program, u32)| Some((program, resident_bytes(pid)?));
        Self(system.pids().into_iter().filter_map(read).collect())
    }

    /// It has not grown out of bounds since `self`.
    pub(crate) fn check(&self, now: &Self, findings: &Findings) {
        for (program, bytes) in &now.0 {
            let first = self.0.get(program).copied().unwrap_or_default();
            let is_bounded = *bytes < BYTES_MAX && *bytes < first * 2 + GROWTH_BYTES_MAX;
            findings.judge(Invariant::Memory, is_bounded, || {
                format!("{program} took {first} bytes at first and takes {bytes} now")
            });
        }
    }

    /// For the report: megabytes by program.
    pub(crate) fn megabytes(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(program, bytes)| (program.to_string(), bytes >> 20)).collect()
    }
}

fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// No supervisor takes more than a little.
pub(crate) fn supervisors(pids: &[u32], findings: &Findings) {
    for (pid, bytes) in pids.iter().filter_map(|pid| Some((pid, resident_bytes(*pid)?))) {
        supervisor(*pid, bytes, findings);
    }
}

fn supervisor(pid: u32, bytes: u64, findings: &Findings) {
    findings.judge(Invariant::Memory, bytes < SUPERVISOR_BYTES_MAX, || {
        format!("supervisor {pid} takes {bytes} bytes")
    });
}

/// Nothing runs from the folder of the system but the programs themselves, and no control group
/// of a run is left.
pub(crate) fn nothing_left(system: &System) -> Result<(), String> {
    let own = system.pids();
    let line = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let processes = system.area().processes().into_iter();
    let running = processes.map(|process| (process.pid, line(process.pid)));
    let own: Vec<u32> = own.into_values().collect();
    is_all(&own, running, &system.area().groups_of_runs())
}

/// There are only these own processes, and no control groups.
fn is_all(
    own: &[u32],
    running: impl Iterator<Item = (u32, Vec<u8>)>,
    groups: &[PathBuf],
) -> Result<(), String> {
    let others: Vec<_> = running
        .filter(|(pid, _)| !own.contains(pid))
        .map(|(pid, line)| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        .collect();
    if others.is_empty() && groups.is_empty() {
        return Ok(());
    }
    Err(format!("orphans: processes {others:?}, control groups {groups:?}"))
}

/// No program has panicked, or complained of what no fault explains.
pub(crate) fn logs(system: &System, findings: &Findings) {
    let full = system.full_times();
    let entries = fs::read_dir(system.area().path()).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|it| it == "log")) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        let program = program_of(&name_of(&path));
        for line in text.lines() {
            let wrong = is_panic(line) || is_error(line) && !is_explained(line, program, &full);
            findings.judge(Invariant::Logs, !wrong, || format!("{}: {line}", name_of(&path)));
        }
    }
}

fn is_panic(line: &str) -> bool {
    line.contains("panicked at") || line.contains("has panicked")
}

fn is_error(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("ERROR")
}

/// Whether it speaks of a disk that is full, when its own was, or of an answer that says so of
/// another, when one was.
fn is_explained(line: &str, program: Option<Program>, full: &FullTimes) -> bool {
    let at = line.split_whitespace().next().and_then(|word| word.parse::<Timestamp>().ok());
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    at.is_some_and(|at| {
        let own = program.is_some_and(|program| full.had_of(program, at));
        own && has(&["full", "No space left", "os error 28"])
            || full.had(at) && has(&["storage_f", "status=507", "status=503"])
    })
}

/// Whose log it is: there is one for each start, `control.2.log`.
fn program_of(log: &str) -> Option<Program> {
    let name = log.split('.').next()?;
    Program::all().into_iter().find(|program| program.to_string() == name)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn a_program_that_has_grown_out_of_bounds_is_seen_and_a_supervisor_that_is_large() {
        let memory = |bytes: u64| Memory([(Program::Control, bytes)].into());
        let wrong = |first: u64, now: u64| {
            let findings = Findings::default();
            memory(first).check(&memory(now), &findings);
            findings.wrong(Invariant::Memory)
        };
        let many = 100 << 20;
        assert_eq!(wrong(many, many * 2), 0);
        assert_eq!(wrong(many, many * 2 + GROWTH_BYTES_MAX), 1);
        assert_eq!(wrong(BYTES_MAX, BYTES_MAX), 1);
        let findings = Findings::default();
        supervisor(7, SUPERVISOR_BYTES_MAX - 1, &findings);
        assert_eq!(findings.wrong(Invariant::Memory), 0);
        supervisor(7, SUPERVISOR_BYTES_MAX, &findings);
        assert_eq!(findings.wrong(Invariant::Memory), 1);
    }

    #[test]
    fn this_process_takes_some_memory() {
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 16));
    }

    #[test]
    fn a_process_or_a_control_group_that_belongs_to_nobody_is_seen() {
        let running = |pids: &[u32]| pids.iter().map(|pid| (*pid, b"a\0b".to_vec())).collect();
        let found = |pids: &[u32], groups: &[PathBuf]| {
            let running: Vec<_> = running(pids);
            is_all(&[7, 8], running.into_iter(), groups)
        };
        assert_eq!(found(&[7, 8], &[]), Ok(()));
        assert!(found(&[7, 9, 8], &[]).is_err_and(|wrong| wrong.contains("(9, \"a b\")")));
        assert!(found(&[7, 8], &["/sys/fs/cgroup/x".into()]).is_err());
    }

    #[test]
    fn a_complaint_of_a_full_disk_is_explained_only_while_one_was_full() {
        let mut full = FullTimes::default();
        full.begin(crate::schedule::Disk::Control, at(100));
        full.end(crate::schedule::Disk::Control, at(105));
        let line = |seconds: i64| format!("{} ERROR tessera: the disk is full", at(seconds));
        assert!(is_error(&line(0)) && !is_panic(&line(0)));
        let explained = |line: &str, program| is_explained(line, Some(program), &full);
        let of = |at: i64| explained(&line(at), Program::Control);
        assert_eq!([0, 99, 100, 104, 106, 200].map(of), [false, false, true, true, true, false]);
        assert!(!explained(&line(102), Program::Engine), "its own disk was not");
        let answer = format!("{} ERROR tessera: it answers status=507", at(102));
        assert!(explained(&answer, Program::Engine));
        assert_eq!(program_of("node-0.12.log"), Some(Program::Agent(0)));
        assert_eq!(program_of("other.log"), None);
        let other = format!("{} ERROR tessera: the journal is damaged", at(102));
        assert!(!explained(&other, Program::Control));
        assert!(is_panic("thread 'main' panicked at src/main.rs:1:1:"));
        assert!(!is_error(&format!("{} INFO tessera: no ERROR", at(0))));
    }
}
