//! What processes really use, from `/proc`.
//!
//! One pass over `/proc` serves all runs: a run's processes are those in its control group, or where there are no
//! groups those of its session.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::Instant;

use tessera_types::api::Used;
use tessera_types::{Bytes, Millicores};

use crate::cgroup::Cgroup;
use crate::core::RunId;
use crate::supervisor::{RunHandle, Started};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    session: u32,
    /// Processor time so far, its dead children's included, in clock ticks.
    ticks: u64,
    resident_pages: u64,
}

/// Turns processor time into a share, by remembering the last measurement.
#[derive(Debug, Default)]
pub(super) struct Meter {
    measured_at: Option<Instant>,
    ticks: HashMap<RunId, u64>,
}

impl Meter {
    /// What each of these runs uses.
    pub(super) fn measure<'a>(
        &mut self,
        runs: impl Iterator<Item = (RunId, &'a RunHandle)>,
    ) -> Vec<(RunId, Used)> {
        let runs: Vec<_> = runs.collect();
        if runs.is_empty() {
            *self = Self::default();
            return Vec::new();
        }
        let table = read_processes();
        let now = Instant::now();
        let elapsed = self.measured_at.replace(now).map(|before| (now - before).as_secs_f64());
        let before = std::mem::take(&mut self.ticks);
        let used = |(run, handle): (RunId, &RunHandle)| {
            let (ticks, memory) = total(&table, handle);
            let share = match (before.get(&run), elapsed) {
                (Some(before), Some(seconds)) => share(ticks.saturating_sub(*before), seconds),
                _ => Millicores(0),
            };
            self.ticks.insert(run, ticks);
            (run, Used { cpu: share, memory })
        };
        runs.into_iter().map(used).collect()
    }
}

fn share(ticks: u64, seconds: f64) -> Millicores {
    let cpu_seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Millicores((cpu_seconds / seconds.max(0.001) * 1000.0) as u64)
}

fn total(table: &HashMap<u32, Process>, handle: &RunHandle) -> (u64, Bytes) {
    let started = handle.started();
    let session = started.as_ref().map(|started| started.pid);
    let group: BTreeSet<u32> = group(handle, started.as_ref());
    let belongs = |(pid, process): &(&u32, &Process)| {
        group.contains(*pid) || (group.is_empty() && Some(process.session) == session)
    };
    let own = table.iter().filter(belongs).map(|(_, process)| process);
    let (ticks, pages) = own.fold((0, 0), |(ticks, pages), process| {
        (ticks + process.ticks, pages + process.resident_pages)
    });
    (ticks, Bytes(pages * rustix::param::page_size() as u64))
}

/// The container runtime makes the group of a container.
fn group(handle: &RunHandle, started: Option<&Started>) -> BTreeSet<u32> {
    match started {
        Some(Started { pid, container_id: Some(id), .. }) => {
            Cgroup::of_container(*pid, id).map(|group| group.pids()).unwrap_or_default()
        }
        _ => handle.spec().group().pids(),
    }
}

fn read_processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parse_stat(&stat)?))
    };
    pids.filter_map(read).collect()
}

/// See proc_pid_stat(5). The name in parentheses may contain anything, so the fields are counted after the last `)`.
pub(crate) fn parse_stat(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
    let ticks = (14..=17).try_fold(0_i64, |sum, number| sum.checked_add(field(number)?))?;
    Some(Process {
        session: u32::try_from(field(6)?).ok()?,
        ticks: u64::try_from(ticks).ok()?,
        resident_pages: u64::try_from(field(24)?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 7 3 2 1 20 0 1 0 5 1000000 250 18446744073709551615";
        let expected = Process { session: 42, ticks: 13, resident_pages: 250 };
        assert_eq!(parse_stat(stat), Some(expected));
        assert_eq!(parse_stat("nonsense"), None);
        let too_many = stat.replace(" 7 3 2 1 ", &format!(" {} 3 2 1 ", i64::MAX));
        assert_eq!(parse_stat(&too_many), None);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let own = read_processes()[&std::process::id()];
        assert!(own.resident_pages > 0);
    }

    #[test]
    fn a_share_is_in_thousandths_of_a_core() {
        let second = rustix::param::clock_ticks_per_second();
        assert_eq!(share(second, 2.0), Millicores(500));
    }
}
