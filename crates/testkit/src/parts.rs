//! The table of parts: how each is recognised and how it gets there.
//!
//! A further part is one more entry in [`PARTS`]; nothing else needs to change.

use std::env;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::elf;
use crate::quadlet::{self, QUADLET_VARIABLE};

/// Every part that some test or walkthrough needs.
pub const PARTS: &[Part] = &[
    Part {
        name: "podman",
        signs: &[Sign::Program("podman"), Sign::Program("runc")],
        install: Install::Packages(&["podman", "runc"]),
        skipped: "workloads in real containers",
    },
    Part {
        name: "busybox",
        signs: &[Sign::StaticProgram("/bin/busybox")],
        install: Install::Packages(&["busybox-static"]),
        skipped: "the container image that tests build from busybox",
    },
    Part {
        name: "systemd",
        signs: &[Sign::Program("systemctl"), Sign::Program("systemd-analyze")],
        install: Install::Packages(&["systemd", "tzdata"]),
        skipped: "tenants under a real service manager",
    },
    Part {
        name: "quadlet",
        signs: &[Sign::Quadlet],
        install: Install::Unpacked {
            suite: "trixie",
            package: "podman",
            file: "usr/libexec/podman/quadlet",
        },
        skipped: "tenants in containers, and all that needs a user manager of its own",
    },
    Part {
        name: "node",
        signs: &[Sign::Program("node")],
        install: Install::Packages(&["nodejs"]),
        skipped: "scripts of workflows in JavaScript",
    },
    Part {
        name: "python",
        signs: &[Sign::Program("python3")],
        install: Install::Packages(&["python3"]),
        skipped: "scripts of workflows in Python, and the SDK for tenants in Python",
    },
    Part {
        name: "zsh",
        signs: &[Sign::Program("zsh")],
        install: Install::Packages(&["zsh"]),
        skipped: "completion for zsh",
    },
    Part {
        name: "fish",
        signs: &[Sign::Program("fish")],
        install: Install::Packages(&["fish"]),
        skipped: "completion for fish",
    },
    Part {
        name: "schemathesis",
        signs: &[Sign::Environment(SCHEMATHESIS)],
        install: Install::Environment {
            name: SCHEMATHESIS,
            requirements: "fuzz/api/requirements.txt",
            packages: &["python3", "python3-venv"],
        },
        skipped: "requests made from the OpenAPI documents",
    },
];

/// The environment that schemathesis is in; another version has another.
pub const SCHEMATHESIS: &str = "schemathesis-4.32.5";

/// Something of the machine that tests use for real.
#[derive(Debug)]
pub struct Part {
    /// What tests and walkthroughs call it.
    pub name: &'static str,
    /// It is present when all of these are.
    pub signs: &'static [Sign],
    /// How it gets onto the machine.
    pub install: Install,
    /// What does not run without it.
    pub skipped: &'static str,
}

/// How a part gets onto a machine with Debian.
#[derive(Debug)]
pub enum Install {
    /// These packages of the machine's own release are installed.
    Packages(&'static [&'static str]),
    /// One file of a package of a later release is unpacked, and nothing installed.
    Unpacked {
        /// The release.
        suite: &'static str,
        /// The package.
        package: &'static str,
        /// The file in it, which goes to [`unpacked`](crate::unpacked) under its last name.
        file: &'static str,
    },
    /// An environment of Python's, below the folder of [`unpacked`](crate::unpacked).
    Environment {
        /// Its folder.
        name: &'static str,
        /// The file of the workspace that says what is in it.
        requirements: &'static str,
        /// The packages of the machine's own release that make environments.
        packages: &'static [&'static str],
    },
}

impl Install {
    /// What a person does to have the part.
    pub fn by_hand(&self) -> String {
        match self {
            Self::Packages(packages) => format!("apt-get install {}", packages.join(" ")),
            Self::Unpacked { suite, package, file } => {
                format!("take {file} out of the package {package} of Debian {suite}")
            }
            Self::Environment { name, requirements, .. } => {
                format!("cargo xtask test, which puts {requirements} into an environment {name}")
            }
        }
    }
}

/// How a part shows that it is there.
#[derive(Debug)]
pub enum Sign {
    /// A program on the `PATH`, or in one of the folders for administration.
    Program(&'static str),
    /// An executable at this path that needs no shared libraries.
    StaticProgram(&'static str),
    /// The generator that [`quadlet`](crate::quadlet()) finds.
    Quadlet,
    /// An environment of Python's that is complete.
    Environment(&'static str),
}

impl Part {
    /// Whether this machine has the part.
    pub fn is_present(&self) -> bool {
        self.missing().next().is_none()
    }

    /// What of it this machine lacks.
    pub fn missing(&self) -> impl Iterator<Item = &'static Sign> {
        self.signs.iter().filter(|sign| !sign.is_there())
    }
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => folders().any(|folder| is_executable(&folder.join(name))),
            Self::StaticProgram(path) => {
                is_executable(Path::new(path)) && elf::is_static(Path::new(path))
            }
            Self::Quadlet => quadlet::quadlet().is_some(),
            Self::Environment(name) => quadlet::environment(name).is_some(),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) => write!(f, "the program '{name}'"),
            Self::StaticProgram(path) => write!(f, "a static {path}"),
            Self::Quadlet => {
                write!(f, "the Quadlet generator of podman 5, which {QUADLET_VARIABLE} may name")
            }
            Self::Environment(name) => write!(f, "the environment {name}"),
        }
    }
}

/// The `PATH`, and the folders where Debian puts what only root's `PATH` has.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    folders.into_iter().chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_can_stand_in_a_comma_separated_list() {
        let names: BTreeSet<_> = PARTS.iter().map(|part| part.name).collect();
        assert_eq!(names.len(), PARTS.len());
        assert!(names.iter().all(|name| !name.contains([',', ' '])));
    }

    #[test]
    fn every_part_can_be_recognised_and_installed() {
        for part in PARTS {
            assert!(!part.signs.is_empty(), "{}", part.name);
            match part.install {
                Install::Packages(packages) => assert!(!packages.is_empty(), "{}", part.name),
                Install::Unpacked { file, .. } => assert!(!file.starts_with('/'), "{file}"),
                Install::Environment { requirements, .. } => {
                    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
                    assert!(workspace.join(requirements).is_file(), "{requirements}");
                }
            }
        }
    }

    #[test]
    fn a_part_is_missing_as_soon_as_one_sign_is() {
        let part = Part {
            name: "half",
            signs: &[Sign::Program("sh"), Sign::Program("no-such-program-here")],
            install: Install::Packages(&[]),
            skipped: "",
        };
        assert!(!part.is_present());
        assert_eq!(part.missing().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_no_program() {
        assert!(!is_executable(Path::new("/etc/passwd")));
        assert!(!is_executable(Path::new("/etc")));
        assert!(is_executable(Path::new("/bin/sh")));
    }
}
