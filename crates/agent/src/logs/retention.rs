//! Forgets the logs of workloads that are long gone.
//!
//! The log of a living workload is bounded by its own limits and is never touched here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How much of what is gone is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What the logs of all workloads that are gone may take together, in bytes.
    pub max_total_bytes: u64,
    /// How long after its last line a log is kept.
    pub max_age: Duration,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The folders.
    pub folders: Vec<PathBuf>,
    /// What they held, in bytes.
    pub bytes: u64,
}

struct Folder {
    path: PathBuf,
    bytes: u64,
    written_at: SystemTime,
}

/// Removes whole log folders below `root` (`<namespace>/<name>`), the oldest first, until what is
/// left of those that are not `live` is within the bounds.
///
/// # Errors
/// If a folder cannot be listed or removed.
pub fn retention(
    root: &Path,
    keep: Retention,
    now: SystemTime,
    live: impl Fn(&Path) -> bool,
) -> io::Result<Trimmed> {
    let mut gone = folders(root)?;
    gone.retain(|folder| !live(&folder.path));
    gone.sort_by_key(|folder| folder.written_at);
    let mut total: u64 = gone.iter().map(|folder| folder.bytes).sum();
    let mut trimmed = Trimmed::default();
    for folder in gone {
        let age = now.duration_since(folder.written_at).unwrap_or_default();
        if total <= keep.max_total_bytes && age <= keep.max_age {
            break;
        }
        fs::remove_dir_all(&folder.path)?;
        remove_if_empty(folder.path.parent());
        total -= folder.bytes;
        trimmed.bytes += folder.bytes;
        trimmed.folders.push(folder.path);
    }
    Ok(trimmed)
}

/// A namespace in which nothing is left. If something appears in it meanwhile, it stays.
fn remove_if_empty(namespace: Option<&Path>) {
    if let Some(namespace) = namespace {
        let _not_empty = fs::remove_dir(namespace);
    }
}

fn folders(root: &Path) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    for namespace in subfolders(root)? {
        for path in subfolders(&namespace)? {
            found.push(measure(path)?);
        }
    }
    Ok(found)
}

fn subfolders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn measure(path: PathBuf) -> io::Result<Folder> {
    let mut folder = Folder { written_at: fs::metadata(&path)?.modified()?, path, bytes: 0 };
    for entry in fs::read_dir(&folder.path)? {
        let metadata = entry?.metadata()?;
        folder.bytes += metadata.len();
        folder.written_at = folder.written_at.max(metadata.modified()?);
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Four logs of 100 bytes, the first the oldest.
    fn logs(now: SystemTime) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (age, name) in (1..=4).rev().zip(["a/w", "a/x", "b/y", "b/z"]) {
            let dir = root.path().join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("current.log"), [b'x'; 100]).unwrap();
            for path in [dir.join("current.log"), dir] {
                fs::File::open(path).unwrap().set_modified(now - age * HOUR).unwrap();
            }
        }
        root
    }

    fn removed(keep: Retention, live: &str) -> Vec<String> {
        let now = SystemTime::now();
        let root = logs(now);
        let trimmed = retention(root.path(), keep, now, |path| path.ends_with(live)).unwrap();
        assert_eq!(trimmed.bytes, 100 * trimmed.folders.len() as u64);
        let name = |path: &PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
        trimmed.folders.iter().inspect(|path| assert!(!path.exists())).map(name).collect()
    }

    #[test]
    fn the_oldest_go_first_until_the_rest_fits() {
        let keep = Retention { max_total_bytes: 200, max_age: 100 * HOUR };
        assert_eq!(removed(keep, "none"), ["a/w", "a/x"]);
        assert_eq!(removed(keep, "a/w"), ["a/x"]);
    }

    #[test]
    fn what_is_too_old_goes() {
        let keep = Retention { max_total_bytes: 1000, max_age: 2 * HOUR + HOUR / 2 };
        assert_eq!(removed(keep, "none"), ["a/w", "a/x"]);
        assert_eq!(removed(keep, "a/x"), ["a/w"]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_nothing_to_trim() {
        let keep = Retention { max_total_bytes: 0, max_age: HOUR };
        let root = tempfile::tempdir().unwrap();
        let absent = root.path().join("absent");
        let trimmed = retention(&absent, keep, SystemTime::now(), |_| false);
        assert_eq!(trimmed.unwrap(), Trimmed::default());
    }
}
