//! Takes one file out of a package of a later Debian, and installs nothing.
//!
//! apt works in a folder of its own with a list of sources of its own, so that the machine's apt is
//! left as it was; where the packages come from is read off the machine's own sources. No root is
//! needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::project;

/// Puts the file to where the tests look for it.
pub(super) fn file(suite: &str, package: &str, file: &str) -> anyhow::Result<()> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let target = tessera_testkit::unpacked(name).context("no HOME to put it below")?;
    let folder = target.parent().context("a file is in a folder")?;
    println!("taking {name} out of {package} of Debian {suite} into {}", folder.display());
    // Beside the target, so that the file appears there at once and whole.
    let work = Work::new(folder)?;
    let site = site()?;
    fs::write(work.0.join("sources.list"), format!("deb {site} {suite} main\n"))?;
    project::run(work.apt_get(&["update"]))?;
    project::run(work.apt_get(&["download", package]))?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(work.archive()?).arg(work.0.join("files"));
    project::run(unpack)?;
    fs::rename(work.0.join("files").join(file), &target)
        .with_context(|| format!("no {file} in {package} of {suite}"))
}

/// The site of the Debian archive, as the machine's own lists of packages have it.
pub(super) fn site() -> anyhow::Result<String> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"]);
    command.args(["Origin: Debian", "Label: Debian"]).stdin(Stdio::null());
    let sites = String::from_utf8_lossy(&project::output(command)?).into_owned();
    let site = sites.lines().find(|line| !line.is_empty()).map(str::to_owned);
    site.context("the package lists of this machine name no archive of Debian")
}

/// A folder for apt, which goes at the end.
struct Work(PathBuf);

impl Work {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let work = folder.join(format!(".apt-{}", std::process::id()));
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(work.join(part))
                .with_context(|| format!("cannot make {}", work.display()))?;
        }
        Ok(Self(work))
    }

    fn apt_get(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-qq").current_dir(&self.0).stdin(Stdio::null());
        let mut set = |name: &str, value: &str| {
            command.arg("-o").arg(format!("{name}={value}"));
        };
        for (name, file) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            set(name, &self.0.join(file).to_string_lossy());
        }
        set("Dir::Etc::sourceparts", "-");
        set("Acquire::Languages", "none");
        set("Acquire::Retries", "3");
        // Its own user may not look into a home.
        set("APT::Sandbox::User", "");
        command.args(arguments);
        command
    }

    /// The only package that was downloaded.
    fn archive(&self) -> anyhow::Result<PathBuf> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                return Ok(path);
            }
        }
        bail!("apt-get downloaded no package")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_kept_to_the_folder_and_the_folder_goes() {
        let parent = std::env::temp_dir().join(format!("tessera-unpack-{}", std::process::id()));
        let work = Work::new(&parent).unwrap();
        let folder = work.0.clone();
        let command = work.apt_get(&["update"]);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        for name in ["Dir::Etc::sourcelist", "Dir::State::lists", "Dir::Cache"] {
            let own = format!("{name}={}", folder.display());
            assert!(words.iter().any(|word| word.starts_with(&own)), "{words:?}");
        }
        assert_eq!(words.last().unwrap(), "update");
        assert!(work.archive().is_err());
        fs::write(folder.join("some_1_all.deb"), "").unwrap();
        assert_eq!(work.archive().unwrap(), folder.join("some_1_all.deb"));
        drop(work);
        assert!(!folder.exists());
        fs::remove_dir(&parent).unwrap();
    }
}
