//! `completion`: what a shell needs to complete commands and options.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use tessera_types::KindName;

use super::retry;
use crate::Program;
use crate::context::print;
use crate::failure::Failure;

/// Print a completion script for a shell
///
/// It completes the program that printed it: `tesseractl`, or `tessera` with all its commands.
/// For bash: tesseractl completion bash > ~/.local/share/bash-completion/completions/tesseractl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// The commands whose words begin with a kind.
const OF_KINDS: [&str; 7] = ["get", "describe", "delete", "watch", RETRY, "reconcile", "history"];

/// Of these, the one that is for some kinds only.
const RETRY: &str = "retry";

pub(crate) fn run(program: &Program, arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = OF_KINDS.into_iter().fold(program.command(), with_kinds);
    clap_complete::generate(arguments.shell, &mut command, program.name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if arguments.shell == Shell::Fish {
        script.extend(OF_KINDS.map(|command| fish_kinds(program.name, command)));
    }
    print(&script)
}

/// The generator for fish leaves out what words a command takes.
fn fish_kinds(program: &str, command: &str) -> String {
    let kinds: Vec<_> = kinds(command).collect();
    format!(
        "complete -c {program} -n \"__fish_{program}_using_subcommand {command}\" -f -a \"{}\"\n",
        kinds.join(" ")
    )
}

/// A command whose words a shell completes with the kinds. Any other word is read as
/// ever: this is the command as shells see it, not as it is run.
fn with_kinds(program: clap::Command, name: &str) -> clap::Command {
    program.mut_subcommand(name, |command| {
        command.mut_args(|argument| match argument.is_positional() {
            true => argument.value_parser(PossibleValuesParser::new(kinds(name))),
            false => argument,
        })
    })
}

fn kinds(command: &str) -> impl Iterator<Item = &'static str> {
    let is_for = move |kind: &KindName| command != RETRY || retry::KINDS.contains(kind);
    let kinds: Vec<_> = KindName::ALL.into_iter().filter(is_for).collect();
    kinds.into_iter().flat_map(|kind| [kind.singular(), kind.plural()])
}
