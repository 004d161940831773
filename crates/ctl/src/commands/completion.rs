//! `completion`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::context::print;
use crate::failure::Failure;

/// Print a completion script for a shell
///
/// For bash: tesseractl completion bash > ~/.local/share/bash-completion/completions/tesseractl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "tesseractl", &mut script);
    print(&String::from_utf8_lossy(&script))
}
