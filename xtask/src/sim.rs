//! `cargo xtask sim`: builds the simulation for release and runs it with the arguments as
//! they are. Only its own crates are built: it starts no other program.

use anyhow::Context;

use crate::project::Project;

/// What the program says of wrong arguments, as every command here.
const USAGE_ERROR: i32 = 2;

pub(crate) fn run(project: &Project, arguments: &[String]) -> anyhow::Result<()> {
    let run = ["run", "--quiet", "--release", "--package", "tessera-sim", "--"];
    let words = run.into_iter().chain(arguments.iter().map(String::as_str));
    let status = project.cargo(words).status().context("cannot start cargo")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(USAGE_ERROR) => std::process::exit(USAGE_ERROR),
        _ => anyhow::bail!("the simulation has found something, or was ended ({status})"),
    }
}
