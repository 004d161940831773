//! Changes of files and links, each in one step that a crash cannot tear.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

/// Writes a file whole, and syncs it.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    // A unit may have the values of variables, which are its user's own.
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Creates a link where nothing is.
pub(crate) fn link(target: &str, path: &Path) -> io::Result<()> {
    symlink(target, path)?;
    sync_folder(path)
}

/// Points a link elsewhere; there is one at every moment.
pub(crate) fn relink(target: &Path, path: &Path) -> io::Result<()> {
    // Its name begins as that of the unit does, so that a plan finds what a crash left.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!("{name}.new"));
    if beside.is_symlink() {
        fs::remove_file(&beside)?;
    }
    symlink(target, &beside)?;
    fs::rename(&beside, path)?;
    sync_folder(path)
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
    if fs::symlink_metadata(backup).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "its backup is there already"));
    }
    fs::rename(path, backup)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
