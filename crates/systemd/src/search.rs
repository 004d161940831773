//! What is in folders of units and below.
//!
//! The one idea: Quadlet goes into folders that links lead to, and into each folder once; systemd
//! reads no folders below its own.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tessera_tenant::plan::Seen;

use crate::error::{MachineError, file};

/// Tells of all that is in a folder and below. Links are not followed.
pub(crate) fn search(
    folder: &Path,
    depth: usize,
    found: &mut impl FnMut(String, Seen),
) -> Result<(), MachineError> {
    Search::default().enter(folder, depth, found)
}

/// As [`search`], and of what is in folders that links lead to, by the path through the link.
pub(crate) fn search_linked(
    folder: &Path,
    depth: usize,
    found: &mut impl FnMut(String, Seen),
) -> Result<(), MachineError> {
    let mut search = Search::default();
    search.enter(folder, depth, found)?;
    // What is really there was entered first, so it is known by its own path.
    while let Some((folder, depth)) = search.linked.pop_front() {
        // Quadlet passes over what cannot be read.
        let _unreadable = search.enter(&folder, depth, found);
    }
    Ok(())
}

#[derive(Default)]
struct Search {
    /// The folders that were entered, by device and number.
    entered: BTreeSet<(u64, u64)>,
    /// Links to folders, with how deep these may be searched.
    linked: VecDeque<(PathBuf, usize)>,
}

impl Search {
    fn enter(
        &mut self,
        folder: &Path,
        depth: usize,
        found: &mut impl FnMut(String, Seen),
    ) -> Result<(), MachineError> {
        let entries = match fs::metadata(folder).and_then(|own| Ok((own, fs::read_dir(folder)?))) {
            Ok((own, _)) if !self.entered.insert((own.dev(), own.ino())) => return Ok(()),
            Ok((_, entries)) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(file("read", folder)(error)),
        };
        for entry in entries {
            let path = entry.map_err(file("read", folder))?.path();
            // No unit has another name, and nothing of a tenant's.
            let (Some(name), Some(seen)) = (path.to_str().map(str::to_owned), seen(&path)) else {
                continue;
            };
            let is_folder = seen == Seen::Folder;
            let is_linked = matches!(seen, Seen::Link { .. }) && path.is_dir();
            found(name, seen);
            if is_folder && depth > 1 {
                self.enter(&path, depth - 1, found)?;
            } else if is_linked && depth > 1 {
                self.linked.push_back((path, depth - 1));
            }
        }
        Ok(())
    }
}

/// What is at a path.
fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(if metadata.is_symlink() {
        let target = fs::read_link(path).ok()?.to_string_lossy().into_owned();
        Seen::Link { target, dangling: !path.exists() }
    } else if metadata.is_dir() {
        Seen::Folder
    } else {
        Seen::File
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn linked_folders_are_entered_once_and_known_by_their_own_paths() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["units/circ", "far/below"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        fs::write(path("units/circ/circ.container"), "").unwrap();
        fs::write(path("far/below/circ.container"), "").unwrap();
        // To what is there itself, elsewhere, elsewhere again, and round in a circle.
        symlink(path("units/circ"), path("units/aaa")).unwrap();
        symlink(path("far"), path("units/linked")).unwrap();
        symlink(path("far"), path("units/twice")).unwrap();
        symlink(path("units"), path("far/back")).unwrap();
        let units = path("units");
        let files = |is_linked: bool, depth: usize| {
            let mut files = Vec::new();
            let mut found = |path, seen| files.extend((seen == Seen::File).then_some(path));
            match is_linked {
                true => search_linked(&units, depth, &mut found).unwrap(),
                false => search(&units, depth, &mut found).unwrap(),
            }
            files.sort();
            files
        };
        let own = path("units/circ/circ.container").display().to_string();
        assert_eq!(files(false, 8).as_slice(), std::slice::from_ref(&own));
        let linked = files(true, 8);
        let [first, second] = &linked[..] else { panic!("{linked:?}") };
        assert_eq!(*first, own);
        assert!(second.ends_with("/below/circ.container"), "{second}");
        assert_eq!(files(true, 1), Vec::<String>::new());
    }
}
