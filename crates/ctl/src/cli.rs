//! The command line: options that every command has, and the list of commands.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tessera_types::{DEFAULT_NAMESPACE, Name};

use crate::commands;
use crate::style::When;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table, for people
    #[default]
    Table,
    /// A table with all columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Only kinds and names, one a line
    Name,
}

impl Format {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Name => "name",
        }
    }
}

/// Declare what should run, and see what does.
#[derive(Debug, Parser)]
#[command(
    name = "tesseractl",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage or manifests, 3 not found, 4 conflict, 5 unreachable."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The control plane's address
    #[arg(long, global = true, env = "TESSERA_SERVER", value_name = "URL", default_value = tessera_client::DEFAULT_URL)]
    pub(crate) server: String,
    /// The namespace of what is named
    #[arg(short, long, global = true, env = "TESSERA_NAMESPACE", value_name = "NAME", default_value = DEFAULT_NAMESPACE)]
    pub(crate) namespace: Name,
    /// How to print
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// Say what is called and how long it takes; twice for the connections, too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Apply(commands::apply::Arguments),
    Diff(commands::diff::Arguments),
    Plan(commands::plan::Arguments),
    Get(commands::get::Arguments),
    Describe(commands::describe::Arguments),
    Delete(commands::delete::Arguments),
    Watch(commands::watch::Arguments),
    Logs(commands::logs::Arguments),
    Session(commands::session::Arguments),
    Retry(commands::retry::Arguments),
    Calendar(commands::calendar::Arguments),
    Seed(commands::seed::Arguments),
    Pipeline(commands::pipeline::Arguments),
    Engine(commands::engine::Arguments),
    Scenario(commands::scenario::Arguments),
    Tenant(commands::tenant::Arguments),
    Cordon(commands::cordon::Arguments),
    Uncordon(commands::uncordon::Arguments),
    Drain(commands::drain::Arguments),
    Reconcile(commands::reconcile::Arguments),
    History(commands::history::Arguments),
    Top(commands::top::Arguments),
    Completion(commands::completion::Arguments),
    Version(commands::version::Arguments),
}

/// Which manifests a command reads.
#[derive(Clone, Debug, Args)]
pub(crate) struct Files {
    /// A file, a folder, or - for standard input; may be repeated
    ///
    /// Of a folder the files that end in .yaml, .yml, .json or .toml are read, by
    /// name. A file may hold many documents. The kind is Workload where a document
    /// names none.
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// Go into the folders of folders
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

impl Files {
    pub(crate) fn sources(&self) -> crate::manifests::Sources {
        crate::manifests::Sources { paths: self.files.clone(), recursive: self.recursive }
    }
}

/// Labels to select by.
#[derive(Clone, Debug, Args)]
pub(crate) struct Selection {
    /// Only resources whose labels match, such as app=web,zone in (a,b)
    #[arg(short = 'l', long, value_name = "LABELS", value_parser = selector)]
    pub(crate) selector: Option<String>,
}

/// Whether several namespaces are meant.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Everywhere {
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}

impl Everywhere {
    /// The one namespace that is meant, or none for all of them.
    pub(crate) fn or(self, namespace: &Name) -> Option<Name> {
        (!self.all_namespaces).then(|| namespace.clone())
    }
}

/// A selector, checked before anything is sent.
fn selector(text: &str) -> Result<String, String> {
    text.parse::<tessera_types::Selector>()
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_says_what_it_is_for() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn every_command_and_every_option_of_its_own_is_in_the_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let page = std::fs::read_to_string(path).unwrap();
        let table: Vec<_> = page.lines().filter(|line| line.starts_with("| [`")).collect();
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            let is_listed = |line: &&str| {
                let words = line.split("](").next().unwrap_or_default();
                words.split(['`', ',', ' ', '[']).any(|word| word == name)
            };
            assert!(table.iter().any(is_listed), "{name} has no row");
            for action in command.get_subcommands().filter(|it| it.get_name() != "help") {
                let call = format!("tesseractl {name} {}", action.get_name());
                assert!(page.contains(&call), "`{call}` is not shown");
            }
        }
    }
}
