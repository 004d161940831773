//! What an agent does about a run whose supervisor is gone without a word.
//!
//! The main process died with its supervisor (the kernel sees to that), but what it had started did
//! not. It is found through the run's control group, and by the run's folder in its environment. A
//! container is no child of its supervisor and outlives it; it is found by its label.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::container;
use super::fault::StartFailure;
use super::output::last_lines_of;
use super::procfs;
use super::run_dir::{EXIT, RunDir, SPEC, STARTED, is_broken};
use super::spec::{ExitRecord, Outcome, RunKind, RunSpec, Started};
use crate::cgroup::{Cgroup, kill};

const KILL_TIME: Duration = Duration::from_secs(5);
const KILL_RETRY: Duration = Duration::from_millis(10);

/// Kills what is left of a run and writes its record. Answers `None` if it has a supervisor after
/// all. The log says once, as `told` remembers, that the supervisor is gone.
///
/// # Errors
/// If something of it survives SIGKILL, or the record cannot be written. It may be tried again.
pub(super) fn recover(
    dir: &RunDir,
    spec: &RunSpec,
    told: &AtomicBool,
) -> io::Result<Option<ExitRecord>> {
    let Some(_lock) = dir.take_over()? else { return Ok(None) };
    match dir.read(EXIT) {
        Ok(Some(record)) => return Ok(Some(record)),
        Ok(None) => {}
        Err(error) if is_broken(&error) => {}
        Err(error) => return Err(error),
    }
    let said = dir.errors();
    if !told.swap(true, Ordering::Relaxed) {
        tracing::warn!(run = spec.run_id, supervisor = said, "the supervisor of a run is gone");
    }
    let started: Option<Started> = dir.read(STARTED).ok().flatten();
    if let RunKind::Container(container) = &spec.kind {
        container::end_without_supervisor(&spec.run_id, container, started.as_ref())?;
    }
    let group = spec.group();
    kill_leftovers(&group, dir.path())?;
    group.remove()?;
    let last_lines = said_last(dir, spec).unwrap_or_default();
    let record = record(started.as_ref(), outcome(dir, &said), last_lines);
    dir.write(EXIT, &record)?;
    Ok(Some(record))
}

fn kill_leftovers(group: &Cgroup, run_dir: &Path) -> io::Result<()> {
    let deadline = Instant::now() + KILL_TIME;
    loop {
        let left = leftovers(group, run_dir);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("processes survive SIGKILL: {left:?}")));
        }
        group.kill_all();
        kill(|| procfs::of_run(run_dir));
        std::thread::sleep(KILL_RETRY);
    }
}

fn leftovers(group: &Cgroup, run_dir: &Path) -> BTreeSet<u32> {
    let mut left = group.pids();
    left.append(&mut procfs::of_run(run_dir));
    left
}

/// What it printed last. Its first lines may be older than the record of its start, but not than
/// its spec.
fn said_last(dir: &RunDir, spec: &RunSpec) -> io::Result<Vec<String>> {
    let since = std::fs::metadata(dir.file(SPEC))?.modified()?;
    last_lines_of(&spec.log.dir, Timestamp::try_from(since).map_err(io::Error::other)?)
}

/// A supervisor that never listened has started nothing. Where the spec is lost, other files may be
/// as well.
fn outcome(dir: &RunDir, said: &str) -> Outcome {
    let is_whole = matches!(dir.read::<RunSpec>(SPEC), Ok(Some(_)));
    if dir.was_bound() || !is_whole {
        return Outcome::SupervisorLost;
    }
    let said = if said.is_empty() { "it said nothing" } else { said };
    let StartFailure { fault, message } =
        StartFailure::machine(format!("its supervisor did not come up: {said}"));
    Outcome::StartFailed { message, fault }
}

fn record(started: Option<&Started>, outcome: Outcome, last_lines: Vec<String>) -> ExitRecord {
    ExitRecord {
        started_at: started.map(|started| started.started_at),
        ended_at: Timestamp::now(),
        pid: started.map(|started| started.pid),
        outcome,
        requested: false,
        reason: None,
        last_lines,
    }
}
