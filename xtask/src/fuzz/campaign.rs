//! Runs targets, some at a time, and says what came of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::progress::Progress;
use crate::project::{self, Project};

/// Targets that run at the same time, unless told otherwise.
const JOBS: usize = 2;
/// An input that takes longer hangs, in seconds. The slowest known takes a tenth of one.
const INPUT_SECONDS: u32 = 10;
/// What an input may take of memory, with all that libFuzzer keeps.
const MEBIBYTES: u32 = 2048;
/// The longest input that libFuzzer makes; most targets take less.
const BYTES_MAX: u32 = 4096;

/// Targets that are built.
pub(super) struct Campaign {
    /// The folder `fuzz` of the workspace.
    pub(super) folder: PathBuf,
    /// Where the programs are.
    pub(super) binaries: PathBuf,
    /// Targets that run at the same time.
    pub(super) jobs: usize,
}

/// As many at the same time as are wanted, or as usual.
pub(super) fn jobs(wanted: Option<usize>) -> usize {
    wanted.unwrap_or(JOBS)
}

/// The time of each of so many targets, in all this time.
pub(super) fn share(all: Duration, targets: usize, jobs: usize) -> Duration {
    let rounds = u32::try_from(targets.div_ceil(jobs)).unwrap_or(u32::MAX);
    all / rounds.max(1)
}

impl Campaign {
    /// Runs each target for so many seconds, and prints a table.
    pub(super) fn run(
        &self,
        project: &Project,
        targets: &[String],
        seconds: u64,
    ) -> anyhow::Result<()> {
        println!("{} targets, {seconds} s each, {} at a time", targets.len(), self.jobs);
        println!("{HEAD}");
        let ended = self.all(targets, seconds)?;
        println!("{}", sum(&ended));
        let failed = |(target, progress): &(String, Progress)| {
            Some((target.clone(), progress.failed.clone()?))
        };
        let found: Vec<_> = ended.iter().filter_map(failed).collect();
        if found.is_empty() {
            return Ok(());
        }
        for (target, path) in &found {
            let path = self.folder.join(path);
            println!("\n{target} failed for {}", project.shown(&path));
            println!("  replay it: {} {}", self.program(target).display(), path.display());
            println!("  what it said: {}", project.shown(&self.log(target)));
            println!("  then keep it as a file in fuzz/regressions/{target}");
        }
        bail!("{} of {} targets failed", found.len(), targets.len())
    }

    /// What each target came to, as they end.
    fn all(&self, targets: &[String], seconds: u64) -> anyhow::Result<Vec<(String, Progress)>> {
        let left = Mutex::new(targets.iter());
        let next = || left.lock().ok()?.next();
        let (next, ended) = (&next, &Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let work = move || -> anyhow::Result<()> {
                while let Some(target) = next() {
                    let progress = self.fuzz(target, seconds)?;
                    println!("{}", row(target, &progress));
                    if let Ok(mut ended) = ended.lock() {
                        ended.push((target.clone(), progress));
                    }
                }
                Ok(())
            };
            let workers: Vec<_> = (0..self.jobs).map(|_| scope.spawn(work)).collect();
            let mut ends = workers.into_iter().map(ScopedJoinHandle::join);
            ends.try_for_each(|end| end.unwrap_or_else(|_| bail!("a worker has died")))
        })?;
        Ok(ended.lock().map(|ended| ended.clone()).unwrap_or_default())
    }

    fn program(&self, target: &str) -> PathBuf {
        self.binaries.join(target)
    }

    fn log(&self, target: &str) -> PathBuf {
        self.folder.join("artifacts").join(format!("{target}.log"))
    }

    fn fuzz(&self, target: &str, seconds: u64) -> anyhow::Result<Progress> {
        // New inputs go to the first folder.
        let folders = ["found", "corpus", "regressions"].map(|kind| format!("{kind}/{target}"));
        let artifacts = format!("artifacts/{target}/");
        for folder in folders.iter().chain([&artifacts]) {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = self.log(target);
        let said = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(self.program(target));
        command.args(&folders).current_dir(&self.folder).stdin(Stdio::null());
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={INPUT_SECONDS}"),
            format!("-rss_limit_mb={MEBIBYTES}"),
            format!("-max_len={BYTES_MAX}"),
            format!("-artifact_prefix={artifacts}"),
        ]);
        command.stdout(Stdio::null()).stderr(said);
        let begun = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {target}"))?;
        let took = begun.elapsed();
        let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let progress = Progress { took, ..Progress::of(&String::from_utf8_lossy(&said)) };
        if !status.success() && progress.failed.is_none() {
            bail!("{target} ended with {status}: see {}", log.display());
        }
        Ok(progress)
    }

    /// Puts the fewest inputs that reach what is known in the place of a corpus.
    pub(super) fn minimise(&self, target: &str) -> anyhow::Result<()> {
        let corpus = self.folder.join("corpus").join(target);
        let fresh = self.folder.join("found").join(format!("{target}.small"));
        fs::create_dir_all(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
        let mut command = Command::new(self.program(target));
        command.arg("-set_cover_merge=1").args([&fresh, &corpus]);
        command.arg(self.folder.join("found").join(target)).current_dir(&self.folder);
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        project::run(command)?;
        let replaced = |error| format!("cannot replace {}: {error}", corpus.display());
        fs::remove_dir_all(&corpus)
            .and_then(|()| fs::rename(&fresh, &corpus))
            .map_err(|error| anyhow::anyhow!(replaced(error)))?;
        println!("{target}: {} inputs", count(&corpus));
        Ok(())
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What stands above the rows.
const HEAD: &str = "target               runs   before    after  seconds  finding";

fn row(target: &str, progress: &Progress) -> String {
    let Progress { runs, before, after, failed, took } = progress;
    let (seconds, failed) = (took.as_secs(), failed.as_deref().unwrap_or("-"));
    format!("{target:<12} {runs:>12} {before:>8} {after:>8} {seconds:>8}  {failed}")
}

/// The last row: all targets together.
fn sum(ended: &[(String, Progress)]) -> String {
    let add = |of: fn(&Progress) -> u64| ended.iter().map(|(_, progress)| of(progress)).sum();
    let all = Progress {
        runs: add(|it| it.runs),
        before: add(|it| it.before),
        after: add(|it| it.after),
        took: ended.iter().map(|(_, progress)| progress.took).sum(),
        failed: Some(
            match ended.iter().filter(|(_, progress)| progress.failed.is_some()).count() {
                0 => "nothing found".to_owned(),
                count => format!("{count} of {} targets failed", ended.len()),
            },
        ),
    };
    row("all", &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_by_as_many_as_run_at_once() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert_eq!(share(minutes(60), 15, 2), minutes(60) / 8);
        assert_eq!(share(minutes(60), 15, 1), minutes(4));
        assert_eq!(share(minutes(3), 1, 2), minutes(3));
        assert_eq!(share(minutes(3), 2, 2), minutes(3));
    }

    #[test]
    fn the_last_row_adds_up_the_others_and_counts_what_failed() {
        let took = Duration::from_millis(2_600);
        let clean = Progress { runs: 10, before: 4, after: 5, failed: None, took };
        let failed = Progress { failed: Some("artifacts/b/crash-1".into()), ..clean.clone() };
        let ended = [("a".to_owned(), clean), ("b".to_owned(), failed)];
        let line = sum(&ended);
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..5], ["all", "20", "8", "10", "5"]);
        assert!(line.ends_with("1 of 2 targets failed"), "{line}");
        assert!(sum(&ended[..1]).ends_with("nothing found"));
        assert_eq!(HEAD.find("finding"), row("a", &ended[0].1).find('-'));
    }
}
