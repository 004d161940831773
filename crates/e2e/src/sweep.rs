//! A test's folder, and ending everything that belongs to it.
//!
//! What a test starts, directly or through an agent, has the path of the test's
//! folder on its command line or in its environment. The folder's name is
//! unique, so what is found that way was started by the test and by nobody else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::proc::{Process, pids, variable};

/// The variable in which every process of a run carries the run's folder.
const RUN_DIR: &str = "TESSERA_RUN_DIR";

/// What the folders are called, before the test's process.
const PREFIX: &str = "tessera-e2e-";

/// The control group in which each node has its own.
const GROUPS: &str = "tessera";

/// A folder of a test. Dropping it ends what runs from it and removes it.
#[derive(Debug)]
pub struct Area {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Area {
    /// A new folder.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        remove_stale();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir();
        let dir = dir.expect("a temporary folder can be made");
        let path = dir.path().canonicalize().expect("it was just made");
        Self { dir, path }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A text that is this test's alone: the folder's name.
    #[must_use]
    pub fn tag(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Everything that runs from the folder.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes(&self.path)
    }

    /// The control groups of runs whose agents have their state in the folder; those of the
    /// agents' nodes, which stay, are not among them.
    #[must_use]
    pub fn groups_of_runs(&self) -> Vec<PathBuf> {
        let is_of_node = |group: &PathBuf| {
            group.parent().is_some_and(|parent| parent.file_name().is_some_and(|it| it == GROUPS))
        };
        let mut groups = control_groups(&self.path);
        groups.retain(|group| !is_of_node(group));
        groups
    }
}

impl Default for Area {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        end_all(self.dir.path());
    }
}

/// Ends and removes what was left by tests that were killed themselves.
fn remove_stale() {
    for folder in folders(&std::env::temp_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let test = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if test.is_some_and(|pid| Process::find(pid).is_none()) {
            end_all(&folder);
            let _not_empty = fs::remove_dir_all(&folder);
        }
    }
}

/// Everything that runs from `folder`.
fn processes(folder: &Path) -> Vec<Process> {
    let belongs = |pid: &u32| is_on_command_line(*pid, folder) || is_run(*pid, folder);
    pids().filter(belongs).filter_map(Process::find).collect()
}

/// Ends everything that runs from `folder`, and removes its control groups.
fn end_all(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        // A process that is being started is found in the next round.
        let found = processes(folder);
        if found.is_empty() || Instant::now() >= deadline {
            break;
        }
        found.into_iter().for_each(Process::kill);
        std::thread::sleep(Duration::from_millis(5));
    }
    for group in control_groups(folder) {
        remove_group(&group);
    }
}

fn is_on_command_line(pid: u32, folder: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let folder = folder.as_os_str().as_encoded_bytes();
    pid != std::process::id() && line.windows(folder.len()).any(|part| part == folder)
}

fn is_run(pid: u32, folder: &Path) -> bool {
    variable(pid, RUN_DIR).is_some_and(|run| Path::new(&run).starts_with(folder))
}

/// The control groups of the runs whose state is below `folder`: their names
/// begin with the installation, whose identity is in the state. The groups above
/// them, whose names end with it, come last.
fn control_groups(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for state in folders(folder).chain(folders(folder).flat_map(|inner| folders(&inner))) {
        let Ok(id) = fs::read_to_string(state.join("agent_id")) else { continue };
        let Some(prefix) = id.get(..8).map(|id| format!("{id}.")) else { continue };
        let root = PathBuf::from("/sys/fs/cgroup");
        let parents = folders(&root).chain([root.clone()]).map(|base| base.join(GROUPS));
        let nodes: Vec<PathBuf> = parents.flat_map(|parent| folders(&parent)).collect();
        let named = |group: &PathBuf, is_ours: &dyn Fn(&str) -> bool| {
            group.file_name().is_some_and(|name| is_ours(&name.to_string_lossy()))
        };
        let groups = nodes.iter().flat_map(|node| folders(node));
        found.extend(groups.filter(|group| named(group, &|name| name.starts_with(&prefix))));
        let suffix = format!(".{}", prefix.trim_end_matches('.'));
        found.extend(nodes.into_iter().filter(|node| named(node, &|name| name.ends_with(&suffix))));
    }
    found
}

fn folders(of: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn remove_group(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(2);
    // A group is busy for a moment after its last process has ended.
    while fs::remove_dir(group).is_err() && group.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}
