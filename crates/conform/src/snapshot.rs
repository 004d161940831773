//! What is in some folders, to see what has changed there.
//!
//! Files are compared by size, times and content; folders only by being there, so that what was
//! made and removed again is no change.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, Metadata};
use std::hash::Hasher;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many files are looked at.
const ENTRIES_MAX: usize = 200_000;
/// The content of larger files is not read: their times tell of a change.
const BYTES_MAX: u64 = 16 << 20;
/// How many changes are told one by one.
const TOLD_MAX: usize = 4;

/// What is known of one file.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder { mode: u32 },
    File { mode: u32, size: u64, changed: [i64; 4], content: Option<u64> },
    Other { mode: u32, changed: [i64; 4] },
}

/// What is in some folders.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Entry>);

impl Snapshot {
    /// Looks at these folders. What is not there is empty, and what must not be read is left out.
    pub(crate) fn of(roots: &[PathBuf]) -> io::Result<Self> {
        let mut snapshot = Self::default();
        for root in roots {
            snapshot.add(root)?;
        }
        Ok(snapshot)
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let Some(metadata) = unless_gone(fs::symlink_metadata(path))? else { return Ok(()) };
        if self.0.len() >= ENTRIES_MAX {
            let message = format!("there are more than {ENTRIES_MAX} files to look at");
            return Err(io::Error::other(message));
        }
        self.0.insert(path.to_owned(), entry(path, &metadata)?);
        if metadata.is_dir()
            && let Some(entries) = unless_gone(fs::read_dir(path))?
        {
            for entry in entries {
                self.add(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// What is different in a later one, in words; nothing if nothing is.
    pub(crate) fn changes(&self, later: &Self) -> Option<String> {
        let shown = |what: &str, path: &Path| format!("{what} {}", path.display());
        let made = later.0.keys().filter(|path| !self.0.contains_key(*path));
        let gone = self.0.keys().filter(|path| !later.0.contains_key(*path));
        let is_changed =
            |(path, entry): &(&PathBuf, &Entry)| later.0.get(*path).is_some_and(|it| it != *entry);
        let mut changes: Vec<_> = made
            .map(|path| shown("made", path))
            .chain(gone.map(|path| shown("removed", path)))
            .chain(self.0.iter().filter(is_changed).map(|(path, _)| shown("changed", path)))
            .collect();
        let more = changes.len().saturating_sub(TOLD_MAX);
        changes.truncate(TOLD_MAX);
        if more > 0 {
            changes.push(format!("and {more} more"));
        }
        (!changes.is_empty()).then(|| changes.join(", "))
    }
}

fn entry(path: &Path, metadata: &Metadata) -> io::Result<Entry> {
    let mode = metadata.mode();
    let changed =
        [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    Ok(match metadata.file_type() {
        kind if kind.is_dir() => Entry::Folder { mode },
        kind if kind.is_file() => {
            let size = metadata.len();
            let content = if size <= BYTES_MAX { unless_gone(hash(path))? } else { None };
            Entry::File { mode, size, changed, content }
        }
        _ => Entry::Other { mode, changed },
    })
}

fn hash(path: &Path) -> io::Result<u64> {
    let (mut file, mut hasher) = (File::open(path)?, DefaultHasher::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.write(&buffer[..length]),
        }
    }
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_removed_and_changed_is_told() {
        let area = tempfile::tempdir().unwrap();
        let path = |name: &str| area.path().join(name);
        let roots = [path("data"), path("later")];
        fs::create_dir(path("data")).unwrap();
        for name in ["same", "gone", "written"] {
            fs::write(path("data").join(name), "a").unwrap();
        }
        let before = Snapshot::of(&roots).unwrap();
        assert_eq!(before.changes(&Snapshot::of(&roots).unwrap()), None);
        // What is made and removed again is no change, though the folder's times are others.
        fs::write(path("data/scratch"), "").unwrap();
        fs::remove_file(path("data/scratch")).unwrap();
        assert_eq!(before.changes(&Snapshot::of(&roots).unwrap()), None);

        fs::remove_file(path("data/gone")).unwrap();
        fs::write(path("later"), "").unwrap();
        // Of the same size, and with the times that it had.
        let file = File::options().write(true).open(path("data/written")).unwrap();
        let times = file.metadata().unwrap();
        io::Write::write_all(&mut &file, b"b").unwrap();
        file.set_modified(times.modified().unwrap()).unwrap();
        let shown = |name: &str| path(name).display().to_string();
        let (made, gone, written) = (shown("later"), shown("data/gone"), shown("data/written"));
        assert_eq!(
            before.changes(&Snapshot::of(&roots).unwrap()).unwrap(),
            format!("made {made}, removed {gone}, changed {written}")
        );
    }
}
