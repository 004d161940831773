//! File systems of their own, so that a disk can be full without the machine's being so.
//!
//! The one idea: as root the tool runs in a mount namespace of its own. What it mounts there
//! nobody else sees, and it goes with the tool, however that ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says that the tool is inside.
const INSIDE: &str = "CHAOS_INSIDE";
const FILLER: &str = "filler";

/// Becomes the same program in a mount namespace of its own, where that may be had.
pub(crate) fn enter_namespace(arguments: impl Iterator<Item = OsString>) {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let inside = ["--mount", "--propagation", "private"];
    let probe = Command::new("unshare").args(inside).arg("true").stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) {
        let Ok(own) = std::env::current_exe() else { return };
        let mut command = Command::new("unshare");
        command.args(inside).arg(own).args(arguments).env(INSIDE, "1");
        eprintln!("no namespace of its own: {}", command.exec());
    }
}

/// Whether small file systems can be mounted.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A small file system in memory.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes at `path`, which is made.
    pub(crate) fn mount(path: &Path, megabytes: u32) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "chaos"]).arg(path);
        if !mount.status()?.success() {
            return Err(io::Error::other(format!("{} cannot be mounted", path.display())));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.path.join(FILLER))?;
        for size in [256 << 10, 4 << 10, 1] {
            let block = vec![b'x'; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(crate) fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.path.join(FILLER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount does not fail where something still looks at it.
        let _gone = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
