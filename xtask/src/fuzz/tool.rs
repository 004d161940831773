//! cargo-fuzz, and what it builds.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::metadata::Metadata;
use crate::project::{self, Project};

/// The version that is installed. Another one has another folder.
const VERSION: &str = "0.13.2";

/// Builds these targets, or all; the folder of their programs.
///
/// Sanitizers need a nightly compiler, the instrumentation for coverage does not. There is no
/// `unsafe` in the workspace, so what a sanitizer could find is in C, and SQLite has its own fuzzers.
pub(super) fn build(project: &Project, targets: &[String]) -> anyhow::Result<PathBuf> {
    let tool = install(project)?;
    let folder = Metadata::load(project)?.target_directory.join("fuzz");
    let mut command = Command::new(&tool);
    command.args(["fuzz", "build", "--fuzz-dir", ".", "--sanitizer", "none"]);
    command.args(["--codegen-units", "16", "--target-dir"]).arg(&folder);
    // One run of cargo for all of them is faster than one for each of several.
    if let [one] = targets {
        command.arg(one);
    }
    command.current_dir(project.root.join("fuzz"));
    project::without_ours(&mut command);
    project::run(command)?;
    Ok(folder.join(host(project)?).join("release"))
}

/// The program, installed below the user's cache where it is not there.
fn install(project: &Project) -> anyhow::Result<PathBuf> {
    let root = tessera_testkit::unpacked(&format!("cargo-fuzz-{VERSION}"));
    let root = root.context("no HOME to install cargo-fuzz below")?;
    let program = root.join("bin/cargo-fuzz");
    if !program.is_file() {
        println!("installing cargo-fuzz {VERSION} into {}", root.display());
        let words =
            ["install", "cargo-fuzz", "--version", VERSION, "--locked", "--quiet", "--root"];
        let mut command = project.cargo(words);
        command.arg(&root);
        project::run(command)?;
    }
    Ok(program)
}

/// The triple that this machine's compiler builds for.
fn host(project: &Project) -> anyhow::Result<String> {
    let mut command = Command::new("rustc");
    command.arg("-vV").current_dir(&project.root);
    let told = String::from_utf8_lossy(&project::output(command)?).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it builds for")
}
