//! The group of one run, in each hierarchy that is of use.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Unified;
use super::kill::kill;

const PROCS: &str = "cgroup.procs";
/// The kernel's usual accounting period for CPU limits, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// The smallest share that the kernel accepts, in microseconds per period.
const CPU_QUOTA_US_MIN: u64 = 1_000;

/// The group of one run. Creating, joining, killing and removing are idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    pub(super) unified: Option<Unified>,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

impl Cgroup {
    pub(super) fn new(
        unified: Option<Unified>,
        memory: Option<PathBuf>,
        cpu: Option<PathBuf>,
    ) -> Self {
        Self { unified, memory, cpu }
    }

    /// Without the hierarchies that a run with these limits has no use for. Each one costs the start of a run some
    /// milliseconds: the kernel waits for all processors when it moves a process between groups. One hierarchy is
    /// always kept, since it is what keeps the processes of the run together.
    #[must_use]
    pub fn needed_for(mut self, cpu_millicores: Option<u64>, memory_bytes: Option<u64>) -> Self {
        if cpu_millicores.is_none() && (self.unified.is_some() || self.memory.is_some()) {
            self.cpu = None;
        }
        if memory_bytes.is_none() && (self.unified.is_some() || self.cpu.is_some()) {
            self.memory = None;
        }
        self
    }

    /// Makes the group with these limits.
    ///
    /// # Errors
    /// If a folder cannot be made or a limit not be set; the error names the file.
    pub fn create(&self, cpu_millicores: Option<u64>, memory_bytes: Option<u64>) -> io::Result<()> {
        for dir in self.dirs() {
            fs::create_dir_all(dir).map_err(|error| at(dir, &error))?;
        }
        if let Some(bytes) = memory_bytes {
            self.limit_memory(bytes)?;
        }
        if let Some(millicores) = cpu_millicores {
            self.limit_cpu(millicores)?;
        }
        Ok(())
    }

    fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        if let Some(unified) = self.unified.as_ref().filter(|unified| unified.memory) {
            set(&unified.dir, "memory.max", &bytes)?;
            // Absent where the kernel does not count swap; then the limit is on memory alone.
            let _uncounted = set(&unified.dir, "memory.swap.max", "0");
        } else if let Some(dir) = &self.memory {
            set(dir, "memory.limit_in_bytes", &bytes)?;
            let _uncounted = set(dir, "memory.memsw.limit_in_bytes", &bytes);
        }
        Ok(())
    }

    fn limit_cpu(&self, millicores: u64) -> io::Result<()> {
        let quota = (millicores.saturating_mul(CPU_PERIOD_US) / 1000).max(CPU_QUOTA_US_MIN);
        if let Some(unified) = self.unified.as_ref().filter(|unified| unified.cpu) {
            set(&unified.dir, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
        } else if let Some(dir) = &self.cpu {
            set(dir, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
            set(dir, "cpu.cfs_quota_us", &quota.to_string())
        } else {
            Ok(())
        }
    }

    /// Moves the calling process into the group.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn join(&self) -> io::Result<()> {
        // Zero means the process that writes.
        self.dirs().try_for_each(|dir| set(dir, PROCS, "0"))
    }

    /// The processes in the group.
    pub fn pids(&self) -> BTreeSet<u32> {
        self.dirs().flat_map(subtree).flat_map(|dir| pids_in(&dir)).collect()
    }

    /// Sends SIGKILL to everything in the group, once. What forks at that moment may need another
    /// call, unless the kernel has `cgroup.kill`.
    pub fn kill_all(&self) {
        if let Some(unified) = &self.unified
            && fs::write(unified.dir.join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        kill(|| self.pids());
    }

    /// How many processes in the group the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let unified = self.unified.as_ref().filter(|unified| unified.memory);
        let file = match (unified, &self.memory) {
            (Some(unified), _) => unified.dir.join("memory.events"),
            (None, Some(dir)) => dir.join("memory.oom_control"),
            (None, None) => return 0,
        };
        let text = fs::read_to_string(file).unwrap_or_default();
        let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
        text.lines().find_map(count).unwrap_or(0)
    }

    /// Removes the group. The kernel takes a moment to forget what was killed, so this tries for a
    /// second.
    ///
    /// # Errors
    /// If something is still in it after that.
    pub fn remove(&self) -> io::Result<()> {
        self.dirs().try_for_each(remove_dir)
    }

    fn dirs(&self) -> impl Iterator<Item = &Path> {
        let unified = self.unified.as_ref().map(|unified| unified.dir.as_path());
        [unified, self.memory.as_deref(), self.cpu.as_deref()].into_iter().flatten()
    }
}

/// The folder and those below it, which a workload may have made for itself; the deepest first.
fn subtree(dir: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut found: Vec<PathBuf> = folders.flat_map(|entry| subtree(&entry.path())).collect();
    found.push(dir.to_owned());
    found
}

fn pids_in(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join(PROCS)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn set(dir: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = dir.join(file);
    fs::write(&path, value).map_err(|error| at(&path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    const TRIES: u32 = 100;
    for dir in subtree(dir) {
        for attempt in 1.. {
            match fs::remove_dir(&dir) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) if attempt == TRIES => return Err(at(&dir, &error)),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(group: &Cgroup, dir: &Path, files: &[&str]) -> Vec<String> {
        group.create(Some(250), Some(4096)).unwrap();
        files.iter().map(|file| fs::read_to_string(dir.join(file)).unwrap()).collect()
    }

    #[test]
    fn limits_are_set_in_version_2() {
        let dir = tempfile::tempdir().unwrap();
        let unified = Unified { dir: dir.path().join("run"), memory: true, cpu: true };
        let group = Cgroup::new(Some(unified.clone()), None, None);
        let files = ["cpu.max", "memory.max", "memory.swap.max"];
        assert_eq!(written(&group, &unified.dir, &files), ["25000 100000", "4096", "0"]);
    }

    #[test]
    fn limits_are_set_in_version_1_where_version_2_has_no_controllers() {
        let dir = tempfile::tempdir().unwrap();
        let unified = Unified { dir: dir.path().join("unified"), memory: false, cpu: false };
        let v1 = dir.path().join("v1");
        let group = Cgroup::new(Some(unified.clone()), Some(v1.clone()), Some(v1.clone()));
        let files = ["cpu.cfs_quota_us", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
        assert_eq!(written(&group, &v1, &files), ["25000", "4096", "4096"]);
        assert!(!unified.dir.join("memory.max").exists());
    }

    #[test]
    fn kills_for_want_of_memory_are_counted_in_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        fs::write(path.join("memory.events"), "low 0\noom 2\noom_kill 1\noom_group_kill 0\n")
            .unwrap();
        fs::write(path.join("memory.oom_control"), "oom_kill_disable 0\noom_kill 3\n").unwrap();
        let unified = Unified { dir: path.clone(), memory: true, cpu: false };
        assert_eq!(Cgroup::new(Some(unified), Some(path.clone()), None).oom_kills(), 1);
        assert_eq!(Cgroup::new(None, Some(path), None).oom_kills(), 3);
    }
}
