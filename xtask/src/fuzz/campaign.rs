//! Runs targets, as many at a time as there are cores to spare, and says what came of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};

use super::progress::Progress;
use crate::project::{self, Project};

/// Targets that run at the same time.
const CORES: usize = 2;
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
}

/// The time of each of so many targets, in all this time.
pub(super) fn share(all: Duration, targets: usize) -> Duration {
    let rounds = u32::try_from(targets.div_ceil(CORES)).unwrap_or(u32::MAX);
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
        println!("{} targets, {seconds} s each, {CORES} at a time", targets.len());
        println!("{:<12} {:>12} {:>8} {:>8}  finding", "target", "runs", "before", "after");
        let left = Mutex::new(targets.iter());
        let next = || left.lock().ok()?.next();
        let (next, found) = (&next, &Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let work = move || -> anyhow::Result<()> {
                while let Some(target) = next() {
                    let progress = self.fuzz(target, seconds)?;
                    println!("{}", row(target, &progress));
                    if let (Some(path), Ok(mut found)) = (progress.failed, found.lock()) {
                        found.push((target, path));
                    }
                }
                Ok(())
            };
            let workers: Vec<_> = (0..CORES).map(|_| scope.spawn(work)).collect();
            let mut ends = workers.into_iter().map(ScopedJoinHandle::join);
            ends.try_for_each(|end| end.unwrap_or_else(|_| bail!("a worker has died")))
        })?;
        let found = found.lock().map(|found| found.clone()).unwrap_or_default();
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
        let status = command.status().with_context(|| format!("cannot start {target}"))?;
        let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let progress = Progress::of(&String::from_utf8_lossy(&said));
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

fn row(target: &str, progress: &Progress) -> String {
    let Progress { runs, before, after, failed } = progress;
    format!("{target:<12} {runs:>12} {before:>8} {after:>8}  {}", failed.as_deref().unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_by_as_many_as_run_at_once() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert_eq!(share(minutes(60), 15), minutes(60) / 8);
        assert_eq!(share(minutes(3), 1), minutes(3));
        assert_eq!(share(minutes(3), 2), minutes(3));
    }
}
