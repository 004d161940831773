//! The copies of workloads, by what their witnesses wrote and by `/proc`.
//!
//! The one idea: what is read and what is made of it are apart, so that a test can say what
//! was read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tessera_types::workload::WorkloadStatus;
use tessera_types::{KindName, Resource, ResourceKey};

use crate::findings::{Findings, Invariant};
use crate::life::is_strict;
use crate::watcher::Seens;
use crate::witness::{self, Event, Line};

/// How long after the cleanup deadline of a pod a line may still be written: a busy machine
/// kills late.
const LATE_MS: i64 = 5_000;
/// Lines so near to what is wrong are shown with it.
const NEAR_MS: i64 = 3_000;

/// The processes that live, by the name of their workload.
pub(crate) type Alive = BTreeMap<String, BTreeSet<u32>>;

/// The copies that live now and write into this folder.
pub(crate) fn alive(witnesses: &Path) -> Alive {
    let mut alive = Alive::new();
    for copy in witness::live(witnesses) {
        alive.entry(copy.name).or_default().insert(copy.pid);
    }
    alive
}

/// Everything that the witnesses of this folder wrote is as it should be.
pub(crate) fn witnesses(folder: &Path, seen: &Seens, findings: &Findings) {
    for (name, lines) in witness::read_all(folder) {
        wrote(&name, &lines, seen, findings);
    }
}

/// What the copies of one name wrote is as it should be.
fn wrote(name: &str, lines: &[Line], seen: &Seens, findings: &Findings) {
    if is_strict(name) {
        findings.take(Invariant::NeverTwo, never_two(name, lines));
    }
    if let Some(windows) = name.strip_suffix("-seat").and_then(|pod| seen.windows.get(pod)) {
        let windows: Vec<_> = windows.values().copied().collect();
        findings.take(Invariant::Window, in_time(name, lines, &windows));
    }
    let jobs = seen.lives.iter().find_map(|(key, life)| {
        let is_it = key.kind == KindName::Job && key.name.as_str() == name;
        is_it.then(|| life.iter().map(|seen| seen.id).collect::<BTreeSet<_>>().len())
    });
    if let Some(jobs) = jobs {
        let starts = lines.iter().filter(|line| line.event == Event::Start).count();
        findings.judge(Invariant::Once, starts <= jobs, || {
            format!("the program of {jobs} jobs {name} was started {starts} times: {lines:?}")
        });
    }
}

/// No copy has found the lock taken, which is to see another one alive; and no two have written
/// in turns.
fn never_two(name: &str, lines: &[Line]) -> Result<(), String> {
    let lives = lives(lines);
    let refused = lines.iter().find(|line| line.event == Event::Refused);
    let together = lives.windows(2).find(|pair| pair[1].first < pair[0].last);
    let around = refused.map(|line| line.boot_ms).or(together.map(|pair| pair[1].first));
    let Some(around) = around else { return Ok(()) };
    let near = lines.iter().filter(|line| (line.boot_ms - around).abs() < NEAR_MS);
    let near: Vec<_> = near.map(|line| (line.boot_ms, line.pid, line.event)).collect();
    Err(format!("two copies of {name} lived at once: {near:?}"))
}

/// From when to when a copy wrote, since the machine was started.
struct Span {
    pid: u32,
    first: i64,
    last: i64,
}

/// The lives of copies, in the order of their beginnings.
fn lives(lines: &[Line]) -> Vec<Span> {
    let mut lives: Vec<Span> = Vec::new();
    for line in lines {
        match lives.iter_mut().rfind(|life| life.pid == line.pid) {
            // A number is given again.
            Some(life) if line.event != Event::Start => life.last = line.boot_ms,
            _ => lives.push(Span { pid: line.pid, first: line.boot_ms, last: line.boot_ms }),
        }
    }
    lives.sort_by_key(|life| life.first);
    lives
}

/// Every sign of life is in one of the windows.
fn in_time(name: &str, lines: &[Line], windows: &[(i64, i64)]) -> Result<(), String> {
    let is_in = |line: &&Line| {
        let at = line.wall_ms;
        windows.iter().any(|(from, until)| *from <= at && at <= *until + LATE_MS)
    };
    let outside: Vec<&Line> = lines.iter().filter(|line| !is_in(line)).collect();
    let (Some(first), Some(last)) = (outside.first(), outside.last()) else { return Ok(()) };
    let (first, last) = (first.wall_ms, last.wall_ms);
    Err(format!("{name} lived from {first} to {last} outside of its windows: {windows:?}"))
}

/// Each workload that should run has one live copy, which is the one that the API says; and
/// there are no others.
pub(crate) fn copies_are_right(alive: &Alive, seen: &Seens) -> Result<(), String> {
    let mut alive = alive.clone();
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
    let key = ResourceKey::new(KindName::Workload, None, name.parse().ok()?);
    seen.lives.get(&key)?.last()?.status.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tessera_types::{Job, Revision, Uid};

    use super::*;
    use crate::fixture::{node, object, running, seens};
    use crate::watcher::Seen;

    /// `(boot and wall ms, process, what)`.
    fn lines(of: &[(i64, u32, Event)]) -> Vec<Line> {
        let line = |&(at, pid, event)| Line { boot_ms: at, wall_ms: at, pid, event };
        of.iter().map(line).collect()
    }

    fn wrong(name: &str, of: &[(i64, u32, Event)], seen: &Seens, invariant: Invariant) -> u64 {
        let findings = Findings::default();
        wrote(name, &lines(of), seen, &findings);
        assert!(findings.looks(invariant) > 0, "it was not looked at");
        findings.wrong(invariant)
    }

    #[test]
    fn two_copies_that_live_at_once_are_seen_by_the_lock_and_without_it() {
        use Event::{Alive, End, Refused, Start};
        let wrong = |of: &[_]| wrong("strict-0-0", of, &Seens::default(), Invariant::NeverTwo);
        let apart = [(0, 7, Start), (5, 7, Alive), (6, 7, End), (6, 8, Start), (9, 8, Alive)];
        // The same lives, and a copy that found the lock taken.
        let locked = [&apart[..], &[(9, 9, Start), (9, 9, Refused)]].concat();
        // Two that both have a lock, as on two files of one name.
        let both = [(0, 7, Start), (5, 7, Alive), (6, 8, Start), (7, 7, Alive), (9, 8, Alive)];
        // A number that is given again is another copy.
        let again = [(0, 7, Start), (1, 7, Alive), (2, 8, Start), (3, 8, End), (4, 7, Start)];
        assert_eq!([&apart[..], &again[..], &locked[..], &both[..]].map(wrong), [0, 0, 1, 1]);
    }

    #[test]
    fn two_live_copies_are_a_violation_only_where_they_are_declared_so() {
        let findings = Findings::default();
        let two = lines(&[(0, 7, Event::Start), (1, 8, Event::Start), (2, 7, Event::Alive)]);
        wrote("kept-1-0", &two, &Seens::default(), &findings);
        assert_eq!(findings.looks(Invariant::NeverTwo), 0);
    }

    #[test]
    fn a_workload_that_lives_outside_the_windows_of_its_pod_is_seen() {
        let mut seen = Seens::default();
        let windows = [(Uid(1), (100, 200)), (Uid(2), (90_000, 91_000))];
        seen.windows.insert("s0-1".to_owned(), windows.into());
        let wrong = |times: &[i64]| {
            let of: Vec<_> = times.iter().map(|at| (*at, 7, Event::Alive)).collect();
            wrong("s0-1-seat", &of, &seen, Invariant::Window)
        };
        assert_eq!(wrong(&[100, 200 + LATE_MS, 90_000]), 0);
        assert_eq!(wrong(&[99]), 1);
        assert_eq!(wrong(&[150, 200 + LATE_MS + 1]), 1);
        // It has come back under its old name, and is early.
        assert_eq!(wrong(&[150, 89_999]), 1);
    }

    #[test]
    fn a_job_whose_program_is_started_twice_is_seen() {
        let job = object::<Job>("j", 5, json!({"definition": {"type_key": "grade"}}));
        let mut seen = seens([Resource::Job(job.into())]);
        let twice = [(0, 7, Event::Start), (1, 7, Event::End), (2, 8, Event::Start)];
        assert_eq!(wrong("j", &twice[..2], &seen, Invariant::Once), 0);
        assert_eq!(wrong("j", &twice, &seen, Invariant::Once), 1);
        // Another of the same name has a start of its own.
        let other = Seen { revision: Revision(9), id: Uid(9), status: None };
        seen.lives.values_mut().for_each(|life| life.push(other.clone()));
        assert_eq!(wrong("j", &twice, &seen, Invariant::Once), 0);
    }

    /// Names, and the processes that live.
    type Found<'a> = &'a [(&'a str, &'a [u32])];

    #[test]
    fn a_copy_too_many_too_few_or_another_than_is_said_is_seen() {
        let node = node("node-0", 1, 10);
        let seen = seens([Resource::Workload(running("web", 2, &node, 7).into())]);
        let found = |alive: Found<'_>| {
            let alive = alive.iter().map(|(name, pids)| {
                ((*name).to_owned(), pids.iter().copied().collect::<BTreeSet<_>>())
            });
            copies_are_right(&alive.collect(), &seen)
        };
        assert_eq!(found(&[("web", &[7])]), Ok(()));
        let wrong: [Found<'_>; 4] =
            [&[], &[("web", &[7, 8])], &[("web", &[8])], &[("web", &[7]), ("x", &[9])]];
        for wrong in wrong {
            assert!(found(wrong).is_err(), "{wrong:?}");
        }
    }
}
