//! Installs what the tests need and this machine lacks, where that is allowed.
//!
//! The table itself is in `tessera-testkit`, since tests ask it too.

mod environment;
mod unpack;

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::bail;
use tessera_testkit::{Install, PARTS, Part};

use crate::project;

const UPDATE_ATTEMPTS: u32 = 3;
const UPDATE_PAUSE: Duration = Duration::from_secs(5);

/// Which parts are there, after what may be installed has been.
pub(crate) struct Provision {
    pub(crate) present: Vec<&'static Part>,
    pub(crate) missing: Vec<&'static Part>,
}

impl Provision {
    /// Whether the part called `name` can be used.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.present.iter().any(|part| part.name == name)
    }

    /// The names as [`tessera_testkit::PARTS_VARIABLE`] wants them.
    pub(crate) fn names(&self) -> String {
        self.present.iter().map(|part| part.name).collect::<Vec<_>>().join(",")
    }
}

/// Looks, installs and looks again. With `CI=true` a part that is still
/// missing is an error.
pub(crate) fn provide() -> anyhow::Result<Provision> {
    let (present, lacking): (Vec<_>, Vec<_>) = PARTS.iter().partition(|part| part.is_present());
    let mut provision = Provision { present, missing: Vec::new() };
    if lacking.is_empty() {
        return Ok(provision);
    }
    let elevation = elevation();
    let packages = |part: &&Part| !matches!(part.install, Install::Unpacked { .. });
    if let Ok(elevation) = elevation
        && (lacking.iter().any(packages) || unpack::site().is_err())
    {
        update(elevation);
    }
    for part in lacking {
        match provide_one(part, elevation) {
            Ok(()) => provision.present.push(part),
            Err(reason) => {
                eprintln!("{}", explain(part, &reason));
                provision.missing.push(part);
            }
        }
    }
    if tessera_testkit::in_ci() && !provision.missing.is_empty() {
        bail!("with CI=true nothing may be skipped, and something is missing (see above)");
    }
    Ok(provision)
}

fn explain(part: &Part, reason: &str) -> String {
    let signs: Vec<_> = part.missing().map(ToString::to_string).collect();
    format!(
        "missing: {} ({}), because {reason}\n  by hand: {}\n  until then skipped: {}",
        part.name,
        signs.join(", "),
        part.install.by_hand(),
        part.skipped
    )
}

/// Brings one part: another that cannot be had must not stand in its way.
fn provide_one(part: &Part, elevation: Result<&[&str], &str>) -> Result<(), String> {
    match part.install {
        Install::Packages(packages) => install(packages, elevation?),
        Install::Unpacked { suite, package, file } => {
            unpack::file(suite, package, file).map_err(|error| format!("{error:#}"))
        }
        Install::Environment { name, requirements, packages } => {
            in_environment(name, requirements, packages, elevation)
        }
    }?;
    if part.is_present() {
        return Ok(());
    }
    Err("what brings it was installed, but it was not found".to_owned())
}

/// Debian's Python makes environments only with a package of its own.
fn in_environment(
    name: &str,
    requirements: &str,
    packages: &[&str],
    elevation: Result<&[&str], &str>,
) -> Result<(), String> {
    if environment::make(name, requirements).is_ok() {
        return Ok(());
    }
    install(packages, elevation?)?;
    environment::make(name, requirements).map_err(|error| format!("{error:#}"))
}

fn install(packages: &[&str], elevation: &[&str]) -> Result<(), String> {
    println!("installing {} through apt-get", packages.join(" "));
    let mut command = apt_get(elevation);
    command.args(["install", "--no-install-recommends", "-y"]).args(packages);
    project::run(command).map_err(|error| format!("{error:#}"))
}

/// The words that make a command run as root, or why there are none.
fn elevation() -> Result<&'static [&'static str], &'static str> {
    if !succeeds("apt-get", &["--version"]) {
        return Err("this system has no apt-get");
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0);
    if root {
        return Ok(&[]);
    }
    if succeeds("sudo", &["-n", "true"]) {
        return Ok(&["sudo", "-n"]);
    }
    Err("installing needs root, or sudo without a password")
}

/// Refreshes the package lists. Another apt-get may hold their lock, for which
/// apt-get itself does not wait. Older lists may do, so failing is no error.
fn update(elevation: &[&str]) {
    for attempt in 1..=UPDATE_ATTEMPTS {
        let mut command = apt_get(elevation);
        command.arg("update");
        match project::run(command) {
            Ok(()) => return,
            Err(error) => eprintln!("{error:#} (attempt {attempt} of {UPDATE_ATTEMPTS})"),
        }
        if attempt < UPDATE_ATTEMPTS {
            thread::sleep(UPDATE_PAUSE);
        }
    }
}

/// `env` carries the variable past sudo, which would drop it.
fn apt_get(elevation: &[&str]) -> Command {
    let tail = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"];
    let mut words = elevation.iter().copied().chain(tail);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).args(["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"]);
    command.stdin(Stdio::null());
    command
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_explained_with_what_to_install() {
        let part = tessera_testkit::find("podman").unwrap();
        let text = explain(part, "this system has no apt-get");
        for piece in ["podman", "no apt-get", "apt-get install podman runc", part.skipped] {
            assert!(text.contains(piece), "{text}");
        }
    }

    #[test]
    fn the_names_are_read_back_by_the_testkit() {
        let provision = Provision { present: PARTS.iter().collect(), missing: Vec::new() };
        let names = provision.names();
        assert!(names.split(',').eq(PARTS.iter().map(|part| part.name)));
        assert!(provision.has(PARTS[0].name) && !provision.has("nothing"));
    }
}
