//! The workspace's own commands. `cargo xtask` alone lists them.
//!
//! The one idea: what a contributor and CI run is the same command, and it does
//! its own set-up. Exit codes: 0 done, 1 something failed, 2 wrong usage.

mod arguments;
mod bugs;
mod check;
mod fuzz;
mod markdown;
mod metadata;
mod parts;
mod project;
mod sim;
mod test;
mod walkthrough;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::Context;
use arguments::{Command, USAGE};
use project::Project;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let project = Project::locate();
    match command {
        Command::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Command::Test(options) => test::run(&project, &options),
        Command::Check { fix } => check::run(&project, fix),
        Command::Walkthrough { names, release } => walkthrough::command(&project, &names, release),
        Command::Fuzz(options) => fuzz::run(&project, &options),
        Command::Openapi => check::openapi::write(&project),
        Command::Sim(arguments) => sim::run(&project, &arguments),
        Command::Tool { package, arguments } => tool(&project, package, &arguments),
    }
}

/// Builds the workspace's programs for release and becomes one of them: its exit code is ours, and
/// who interrupts us waits until it has cleaned up. The others are built too, since it starts them.
fn tool(project: &Project, package: &str, arguments: &[String]) -> anyhow::Result<()> {
    project::run(project.cargo(["build", "--release", "--workspace", "--bins"]))?;
    let run = ["run", "--quiet", "--release", "--package", package, "--"];
    let words = run.into_iter().chain(arguments.iter().map(String::as_str));
    Err(project.cargo(words).exec()).context("cannot start cargo")
}
