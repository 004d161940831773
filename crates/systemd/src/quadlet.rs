//! Quadlet, the generator of podman's that makes services of `.container` files and their like.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::systemctl;

/// Names the program where it is in none of the usual places.
pub const VARIABLE: &str = "TESSERA_QUADLET";

/// How deep folders of units are searched.
pub(crate) const DEPTH_MAX: usize = 8;

/// How long a program may take that only tells something of itself or of the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where packages of podman put it.
const INSTALLED: [&str; 3] = [
    "/usr/lib/systemd/user-generators/podman-user-generator",
    "/usr/libexec/podman/quadlet",
    "/usr/lib/podman/quadlet",
];

/// The program, if the machine has one.
#[must_use]
pub fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let generators = env::var_os("SYSTEMD_GENERATOR_PATH").unwrap_or_default();
    let generators: Vec<_> =
        env::split_paths(&generators).map(|folder| folder.join("podman-user-generator")).collect();
    let installed = INSTALLED.iter().map(PathBuf::from);
    generators.into_iter().chain(installed).find(|path| path.is_file())
}

/// Its version.
#[must_use]
pub fn version(quadlet: &Path) -> Option<String> {
    let mut command = Command::new(quadlet);
    command.arg("-version");
    told(command)
}

/// What a program says on standard output, if it can be run, succeeds and takes no longer than it may.
pub(crate) fn told(mut command: Command) -> Option<String> {
    command.stdin(Stdio::null());
    let said = systemctl::bounded(command, PATIENCE).ok()??;
    let told = said.stdout.trim().to_owned();
    (said.status.success() && !told.is_empty()).then_some(told)
}

/// The folders that Quadlet reads for a user beside the one in that user's configuration, and how
/// deep.
#[must_use]
pub fn folders(runtime: &Path) -> Vec<(PathBuf, usize)> {
    if let Some(only) = env::var_os("QUADLET_UNIT_DIRS").filter(|folders| !folders.is_empty()) {
        return env::split_paths(&only).map(|folder| (folder, DEPTH_MAX)).collect();
    }
    let users = PathBuf::from("/etc/containers/systemd/users");
    let own = users.join(rustix::process::getuid().as_raw().to_string());
    // Below the one for all users are those of each.
    vec![(runtime.join("containers/systemd"), DEPTH_MAX), (own, DEPTH_MAX), (users, 1)]
}
