//! The copies of workloads, by what their witnesses wrote and by `/proc`.

use std::collections::{BTreeMap, BTreeSet};

use tessera_types::workload::WorkloadStatus;
use tessera_types::{Resource, ResourceKey};

use crate::findings::{Findings, Invariant};
use crate::life::is_strict;
use crate::system::System;
use crate::watcher::Seens;
use crate::witness::{self, Event, Line};

/// How long after the cleanup deadline of a pod a line may still be written: a busy machine
/// kills late.
const LATE_MS: i64 = 5_000;

/// Everything that the witnesses wrote is as it should be.
pub(crate) fn witnesses(system: &System, seen: &Seens, findings: &Findings) {
    for (name, lines) in witness::read_all(&system.witnesses()) {
        if is_strict(&name) {
            never_two(&name, &lines, findings);
        }
        if let Some((from, until)) =
            name.strip_suffix("-seat").and_then(|pod| seen.windows.get(pod))
        {
            let first = lines.first().map_or(i64::MAX, |line| line.wall_ms);
            findings.judge(Invariant::Window, first >= *from, || {
                format!("{name} was started {} ms before its time", from - first)
            });
            let last = lines.last().map_or(i64::MIN, |line| line.wall_ms);
            findings.judge(Invariant::Window, last <= *until + LATE_MS, || {
                format!("{name} lived {} ms after its cleanup deadline", last - until)
            });
        }
        let is_job = seen
            .lives
            .keys()
            .any(|key| key.kind == tessera_types::KindName::Job && key.name.as_str() == name);
        if is_job {
            let starts = lines.iter().filter(|line| line.event == Event::Start).count();
            findings.judge(Invariant::Once, starts == 1, || {
                format!("the program of job {name} was started {starts} times: {lines:?}")
            });
        }
    }
}

/// A copy that finds the lock taken has seen another one alive.
fn never_two(name: &str, lines: &[Line], findings: &Findings) {
    let refused: Vec<_> = lines.iter().filter(|line| line.event == Event::Refused).collect();
    findings.judge(Invariant::NeverTwo, refused.is_empty(), || {
        let around = refused.first().map_or(0, |line| line.boot_ms);
        let near = lines.iter().filter(|line| (line.boot_ms - around).abs() < 3_000);
        let near: Vec<_> = near.map(|line| (line.boot_ms, line.pid, line.event)).collect();
        format!("two copies of {name} lived at once: {near:?}")
    });
}

/// Each workload that should run has one live copy, which is the one that the API says; and
/// there are no others.
pub(crate) fn copies_are_right(system: &System, seen: &Seens) -> Result<(), String> {
    let mut alive: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (name, pid) in witness::live(&system.witnesses()) {
        alive.entry(name).or_default().insert(pid);
    }
    for (key, resource) in &seen.state {
        let Resource::Workload(workload) = resource else { continue };
        if workload.status != WorkloadStatus::Running {
            continue;
        }
        let said = workload.observed.instance.as_ref().and_then(|instance| instance.pid);
        let said: BTreeSet<u32> = said.into_iter().collect();
        let found = alive.remove(key.name.as_str()).unwrap_or_default();
        if said != found || said.len() != 1 {
            return Err(format!("{key}: the API says {said:?}, and there is {found:?}"));
        }
    }
    if !alive.is_empty() {
        let statuses: BTreeMap<&String, Option<String>> =
            alive.keys().map(|name| (name, status(seen, name))).collect();
        return Err(format!("copies that should not be alive: {alive:?}; {statuses:?}"));
    }
    Ok(())
}

fn status(seen: &Seens, name: &str) -> Option<String> {
    let key = ResourceKey::new(tessera_types::KindName::Workload, None, name.parse().ok()?);
    seen.lives.get(&key)?.last()?.status.clone()
}
