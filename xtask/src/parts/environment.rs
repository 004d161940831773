//! Makes an environment of Python's below the user's cache, with fixed versions of what is in it.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::project::{self, Project};

/// Makes the environment, or makes it again where it is not complete.
pub(super) fn make(name: &str, requirements: &str) -> anyhow::Result<()> {
    let folder = tessera_testkit::unpacked(name).context("no HOME to put it below")?;
    println!("making the environment {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&folder).stdin(Stdio::null());
    project::run(venv)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    pip.arg(Project::locate().root.join(requirements)).stdin(Stdio::null());
    project::run(pip)?;
    // Whoever sees this file sees all the others.
    let complete = folder.join(tessera_testkit::COMPLETE);
    fs::write(&complete, "").with_context(|| format!("cannot write {}", complete.display()))
}
