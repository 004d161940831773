//! The container image of tests, made of busybox, and what podman is told so that it can run it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the image is called. It is never pulled, for no registry has it.
pub(crate) const IMAGE: &str = "localhost/tessera-test:1";
const BUSYBOX: &str = "/bin/busybox";
/// Links to busybox in the image.
const PROGRAMS: [&str; 20] = [
    "sh", "sleep", "echo", "cat", "env", "id", "kill", "head", "tr", "httpd", "nc", "pwd", "true",
    "false", "seq", "touch", "ls", "date", "wget", "dd",
];

/// The text of a `containers.conf`, with further lines for containers and for the engine.
///
/// A process without the capability to raise limits can still start containers with these. And what
/// watches over a command in a container stays for five minutes after it, unless told otherwise.
pub(crate) fn config(containers: &str, engine: &str) -> String {
    format!(
        r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
{containers}[engine]
exit_command_delay = 10
{engine}"#
    )
}

/// Makes the archive that `podman import` takes, in the folder.
pub(crate) fn archive(dir: &Path) -> io::Result<PathBuf> {
    let image = dir.join("image");
    let bin = image.join("bin");
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(image.join("tmp"))?;
    fs::copy(BUSYBOX, bin.join("busybox"))?;
    for program in PROGRAMS {
        symlink("busybox", bin.join(program))?;
    }
    let archive = dir.join("image.tar");
    let tar = Command::new("tar").arg("-C").arg(image).arg("-cf").arg(&archive).arg(".").status();
    assert!(tar?.success(), "tar fails");
    Ok(archive)
}
