//! What the machine has of the system: processes, memory, logs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::findings::{Findings, Invariant};
use crate::schedule::Program;
use crate::system::System;

/// What a program may take beyond twice what it took at first.
const GROWTH_BYTES_MAX: u64 = 96 << 20;
/// What no program may take.
const BYTES_MAX: u64 = 512 << 20;

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

/// Nothing runs from the folder of the system but the programs themselves.
pub(crate) fn nothing_left(system: &System) -> Result<(), String> {
    let own = system.pids();
    let others: Vec<_> = system
        .area()
        .processes()
        .into_iter()
        .filter(|process| !own.values().any(|pid| *pid == process.pid))
        .map(|process| {
            let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            (process.pid, String::from_utf8_lossy(&line).replace('\0', " "))
        })
        .collect();
    if others.is_empty() { Ok(()) } else { Err(format!("orphans: {others:?}")) }
}

/// No program has panicked, or complained of what no fault explains.
pub(crate) fn logs(system: &System, disks_were_full: bool, findings: &Findings) {
    let entries = fs::read_dir(system.area().path()).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|it| it == "log")) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        for line in text.lines() {
            let wrong = is_panic(line) || is_error(line) && !is_explained(line, disks_were_full);
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

/// Whether it speaks of a disk that is full.
fn is_explained(line: &str, disks_were_full: bool) -> bool {
    let words = ["full", "No space left", "os error 28", "storage_f", "status=507", "status=503"];
    disks_were_full && words.iter().any(|word| line.contains(word))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
