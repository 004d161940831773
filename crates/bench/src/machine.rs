//! Where and of what a run was: the machine, the commit, the versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine, as far as it decides the figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Of the folder with the state.
    pub(crate) file_system: String,
}

/// The source that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Commit {
    pub(crate) revision: String,
    /// Whether anything was changed and not committed.
    pub(crate) dirty: bool,
}

/// What it was built with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Versions {
    pub(crate) tessera: String,
    pub(crate) rustc: String,
    pub(crate) sqlite: String,
    /// `release`, or `debug`, whose figures say nothing.
    pub(crate) build: String,
}

impl Machine {
    pub(crate) fn here(folder: &Path) -> Self {
        let uname = rustix::system::uname();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: memory_mib().unwrap_or(0),
            kernel: uname.release().to_string_lossy().into_owned(),
            file_system: file_system(folder).unwrap_or_else(unknown),
        }
    }
}

impl Commit {
    /// The commit that is checked out in the current folder.
    pub(crate) fn here() -> Self {
        let revision = output("git", &["rev-parse", "HEAD"]).unwrap_or_else(unknown);
        let changes = output("git", &["status", "--porcelain", "--untracked-files=no"]);
        Self { revision, dirty: changes.is_none_or(|changes| !changes.is_empty()) }
    }

    /// Short, and enough to find it.
    pub(crate) fn short(&self) -> &str {
        self.revision.get(..12).unwrap_or(&self.revision)
    }
}

impl Versions {
    pub(crate) fn here() -> Self {
        Self {
            tessera: env!("CARGO_PKG_VERSION").to_owned(),
            rustc: output("rustc", &["--version"]).unwrap_or_else(unknown),
            sqlite: rusqlite::version().to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        }
    }
}

/// How many processes ran or waited to run, in the average of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

fn memory_mib() -> Option<u64> {
    let kib = field("/proc/meminfo", "MemTotal:")?;
    kib.trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

/// The sort of the file system with the longest path above `folder`.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(path, _)| folder.starts_with(path));
    // Of two at the same place the later one hides the earlier.
    above.max_by_key(|(path, _)| path.len()).map(|(_, sort)| sort.to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
