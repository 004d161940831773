//! Quadlet, the generator of podman's that makes services of `.container` files and their like.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the program where it is in none of the usual places.
pub const VARIABLE: &str = "TESSERA_QUADLET";

/// How deep folders of units are searched.
pub(crate) const DEPTH_MAX: usize = 8;

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
    let output = Command::new(quadlet).arg("-version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
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
