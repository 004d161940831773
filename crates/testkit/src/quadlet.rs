//! Where the Quadlet generator of podman 5 is.
//!
//! Debian 12 has a podman without one, so that `cargo xtask test` unpacks the generator of the next
//! release into a folder of the user's own, where a plain `cargo test` finds it too.

use std::env;
use std::path::{Path, PathBuf};

use crate::parts::is_executable;

/// The environment variable that names a generator, and goes before any other place.
pub const QUADLET_VARIABLE: &str = "TESSERA_QUADLET";

/// Where packages put it. The first is a link that says what the program is to do.
const INSTALLED: [&str; 3] = [
    "/usr/lib/systemd/user-generators/podman-user-generator",
    "/usr/libexec/podman/quadlet",
    "/usr/lib/podman/quadlet",
];

/// The generator that tests use, if there is one: of [`QUADLET_VARIABLE`], of the machine, or unpacked.
pub fn quadlet() -> Option<PathBuf> {
    choose(env::var_os(QUADLET_VARIABLE).map(PathBuf::from), &INSTALLED, unpacked("quadlet"))
}

/// Where the file called `name` is that was taken out of a package.
pub fn unpacked(name: &str) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
    let home = || env::var_os("HOME").map(PathBuf::from).filter(absolute);
    let cache = cache.or_else(|| Some(home()?.join(".cache")));
    Some(cache?.join("tessera/parts").join(name))
}

/// The file in an environment of Python's that says that all of it is there.
pub const COMPLETE: &str = "complete";

/// The folder of the programs of an environment of Python's, if it is complete.
pub fn environment(name: &str) -> Option<PathBuf> {
    let folder = unpacked(name)?;
    folder.join(COMPLETE).is_file().then(|| folder.join("bin"))
}

fn choose(
    named: Option<PathBuf>,
    installed: &[&str],
    unpacked: Option<PathBuf>,
) -> Option<PathBuf> {
    // A name that leads nowhere is a mistake to be seen, and not a reason to take another.
    if let Some(named) = named.filter(|path| !path.as_os_str().is_empty()) {
        return is_executable(&named).then_some(named);
    }
    let installed = installed.iter().map(Path::new).map(Path::to_path_buf);
    installed.chain(unpacked).find(|path| is_executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_variable_names_goes_first_and_is_all() {
        let there = || Some(PathBuf::from("/bin/sh"));
        assert_eq!(choose(Some("/bin/cat".into()), &["/bin/sh"], there()), Some("/bin/cat".into()));
        assert_eq!(choose(Some("/no/such".into()), &["/bin/sh"], there()), None);
        assert_eq!(choose(Some("".into()), &["/bin/sh"], None), there());
    }

    #[test]
    fn the_machine_s_own_goes_before_what_was_unpacked() {
        let unpacked = || Some(PathBuf::from("/bin/sh"));
        assert_eq!(choose(None, &["/no/such", "/bin/cat"], unpacked()), Some("/bin/cat".into()));
        assert_eq!(choose(None, &["/no/such", "/etc/passwd"], unpacked()), unpacked());
        assert_eq!(choose(None, &["/no/such"], Some("/etc/passwd".into())), None);
    }
}
