//! Files and links: each change in one step that a crash cannot tear.
//!
//! The one idea: what is new is made beside, under a name that nothing has, and then renamed. What a
//! crash leaves of it is known by that name, see [`is_scrap`].

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempPath};

/// No unit is larger, and nobody waits for a file that never ends.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The end of names of what is being made.
const NEW: &str = ".new";

/// Reads a file whole, if it is one: a pipe would be waited for.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let wish = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, wish, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Writes a file whole, and syncs it.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    written_beside(path, text.as_bytes())?.persist(path)?;
    sync_folder(path)
}

/// Copies a file to a name that nothing has, and syncs the copy.
pub(crate) fn copy(path: &Path, copy: &Path) -> io::Result<()> {
    written_beside(copy, &read(path)?)?.persist_noclobber(copy)?;
    sync_folder(copy)
}

/// It can be read by its user alone: a unit may have the values of variables.
fn written_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = beside(path, |builder, folder| builder.tempfile_in(folder))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Creates a link where nothing is.
pub(crate) fn link(target: &str, path: &Path) -> io::Result<()> {
    symlink(target, path)?;
    sync_folder(path)
}

/// Points a link elsewhere; there is one at every moment.
pub(crate) fn relink(target: &Path, path: &Path) -> io::Result<()> {
    let link: TempPath =
        beside(path, |builder, folder| builder.make_in(folder, |beside| symlink(target, beside)))?
            .into_temp_path();
    link.persist(path)?;
    sync_folder(path)
}

/// Makes something in the folder of a path, under a name that tells what it is to be.
fn beside<T>(
    path: &Path,
    make: impl FnOnce(&tempfile::Builder<'_, '_>, &Path) -> io::Result<T>,
) -> io::Result<T> {
    let name = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = tempfile::Builder::new();
    make(builder.prefix(&name).suffix(NEW), path.parent().unwrap_or(path))
}

/// Whether a name in a folder of Tessera's is that of something that was being made.
pub(crate) fn is_scrap(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(NEW)
}

/// Removes a link or file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames, if nothing has that name.
pub(crate) fn set_aside(path: &Path, backup: &Path) -> io::Result<()> {
    let taken = || io::Error::new(io::ErrorKind::AlreadyExists, "its backup is there already");
    match rustix::fs::renameat_with(CWD, path, CWD, backup, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(taken()),
        // Not every file system can do that in one step.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if fs::symlink_metadata(backup).is_ok() {
                return Err(taken());
            }
            fs::rename(path, backup)?;
        }
        Err(error) => return Err(error.into()),
    }
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_files_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        File::create(path("huge")).unwrap().set_len(1 << 40).unwrap();
        fs::write(path("file"), "said").unwrap();
        symlink("file", path("link")).unwrap();
        let told = |name: &str| read(&path(name)).unwrap_err().to_string();
        assert_eq!((&*told("pipe"), &*told("huge")), ("it is no file", "it is larger than 4 MiB"));
        assert_eq!(told("."), "is a directory");
        assert_eq!(read(&path("link")).unwrap(), b"said");
    }

    #[test]
    fn what_is_set_aside_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "new").unwrap();
        symlink("nowhere", path("kept")).unwrap();
        let told = set_aside(&path("file"), &path("kept")).unwrap_err().to_string();
        assert_eq!(told, "its backup is there already");
        assert!(path("kept").is_symlink() && path("file").is_file());
        set_aside(&path("file"), &path("free")).unwrap();
        assert_eq!(fs::read(path("free")).unwrap(), b"new");
    }

    #[test]
    fn a_copy_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "new").unwrap();
        fs::write(path("kept"), "old").unwrap();
        assert!(copy(&path("file"), &path("kept")).is_err());
        assert_eq!(fs::read(path("kept")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
