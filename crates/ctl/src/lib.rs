//! `tesseractl`: the command line of Tessera, and what the all-in-one program
//! shares with it.
//!
//! The one idea: commands are thin. What they have in common stands beside them:
//! reading [`manifests`], sending them ([`apply()`]), following changes
//! ([`Follow`]), waiting until something has come about ([`converge`]), and
//! saying what went wrong ([`Failure`], [`Exit`]).

mod apply;
mod cli;
mod commands;
mod context;
pub mod converge;
mod exit;
mod failure;
#[cfg(test)]
mod fixture;
mod follow;
mod interrupt;
mod kinds;
mod log_follow;
pub mod manifests;
mod moment;
mod once;
mod show;
pub mod story;
mod style;
mod table;
mod target;
mod tree;
mod yaml;

pub use apply::apply;
pub use exit::Exit;
pub use failure::Failure;
pub use follow::{Change, Follow, Scope};
pub use style::{Style, Tone, When};

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use context::{Context, tell};

/// What a program is that has the commands of `tesseractl`.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// The commands that it has beside those, for its help and for shells; whoever
    /// starts it runs them.
    pub commands: Vec<clap::Command>,
}

impl Program {
    /// `tesseractl` itself.
    #[must_use]
    pub fn tesseractl() -> Self {
        Self { name: "tesseractl", commands: Vec::new() }
    }

    /// All of it as `clap` knows it.
    #[must_use]
    pub fn command(&self) -> clap::Command {
        let own = self.commands.iter().cloned().map(|command| command.display_order(0));
        let cli = Cli::command();
        let globals: Vec<_> = cli.get_arguments().cloned().collect();
        let cli = cli.mut_subcommand("tenant", |it| commands::tenant::narrowed(it, &globals));
        cli.name(self.name).bin_name(self.name).subcommands(own)
    }
}

/// Runs `program` with these arguments, of which the first is its own name.
pub fn main(program: &Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = program.command().try_get_matches_from(arguments).and_then(|matches| {
        let is_given = matches.value_source("namespace") == Some(ValueSource::CommandLine);
        Cli::from_arg_matches(&matches).map(|cli| (cli, is_given))
    });
    let (cli, namespace_is_given) = match parsed {
        Ok(parsed) => parsed,
        Err(mut error) => {
            // Nothing here takes a value that looks like an option.
            error.remove(ContextKind::TrailingArg);
            error.remove(ContextKind::Suggested);
            leave_out_of_usage(&mut error);
            // Help is asked for and goes to standard output; a mistake does not.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    trace(cli.global.verbose, Style::of(cli.global.color, &std::io::stderr()));
    run(program, cli, namespace_is_given)
}

/// Leaves out of the line on usage what is never required: `clap` shows what has a value
/// from the environment as if it were.
fn leave_out_of_usage(error: &mut clap::Error) {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return };
    let text = usage.to_string();
    let shorter = text.replace(" --server <URL>", "").replace(" --namespace <NAME>", "");
    if shorter != text {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(shorter.into()));
    }
}

fn run(program: &Program, cli: Cli, namespace_is_given: bool) -> ExitCode {
    let error_style = Style::of(cli.global.color, &std::io::stderr());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&Failure::Output(error).render(error_style));
            return Exit::Failed.into();
        }
    };
    let handles_interrupt = matches!(cli.command, Command::Scenario(_) | Command::Tenant(_));
    let result = runtime.block_on(async {
        if handles_interrupt {
            // It ends what it has started, or says what goes on, before it goes. What only looks, and
            // does not give way meanwhile, has the signal end it as it ends every program.
            return dispatch(program, cli, namespace_is_given).await;
        }
        tokio::select! {
            result = dispatch(program, cli, namespace_is_given) => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::Told(Exit::Interrupted)),
        }
    });
    // A thread that waits for standard input does not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            tell(&failure.render(error_style));
            failure.exit_code()
        }
    }
}

async fn dispatch(program: &Program, cli: Cli, namespace_is_given: bool) -> Result<(), Failure> {
    if let Command::Completion(arguments) = cli.command {
        return commands::completion::run(program, &arguments);
    }
    let context = Context::new(&cli.global, namespace_is_given)?;
    match cli.command {
        Command::Apply(arguments) => commands::apply::run(&context, &arguments).await,
        Command::Diff(arguments) => commands::diff::run(&context, &arguments).await,
        Command::Plan(arguments) => commands::plan::run(&context, &arguments).await,
        Command::Session(arguments) => commands::session::run(&context, &arguments).await,
        Command::Retry(arguments) => commands::retry::run(&context, &arguments).await,
        Command::Pipeline(arguments) => commands::pipeline::run(&context, &arguments).await,
        Command::Engine(arguments) => commands::engine::run(&context, &arguments).await,
        Command::Calendar(arguments) => commands::calendar::run(&context, &arguments).await,
        Command::Seed(arguments) => commands::seed::run(&context, &arguments).await,
        Command::Scenario(arguments) => commands::scenario::run(&context, &arguments).await,
        Command::Tenant(arguments) => commands::tenant::run(&context, &arguments).await,
        Command::Get(arguments) => commands::get::run(&context, &arguments).await,
        Command::Describe(arguments) => commands::describe::run(&context, &arguments).await,
        Command::Delete(arguments) => commands::delete::run(&context, &arguments).await,
        Command::Watch(arguments) => commands::watch::run(&context, &arguments).await,
        Command::Logs(arguments) => commands::logs::run(&context, &arguments).await,
        Command::Cordon(arguments) => commands::cordon::run(&context, &arguments).await,
        Command::Uncordon(arguments) => commands::uncordon::run(&context, &arguments).await,
        Command::Drain(arguments) => commands::drain::run(&context, &arguments).await,
        Command::Reconcile(arguments) => commands::reconcile::run(&context, &arguments).await,
        Command::History(arguments) => commands::history::run(&context, &arguments).await,
        Command::Top(arguments) => commands::top::run(&context, &arguments).await,
        Command::Version(arguments) => commands::version::run(&context, &arguments).await,
        Command::Completion(_) => Ok(()),
    }
}

/// Writes what happens to standard error, as `-v` and `RUST_LOG` ask for.
fn trace(verbose: u8, style: Style) {
    let default = match verbose {
        0 => "off",
        1 => "tessera=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(style.is_coloured())
        .with_writer(std::io::stderr)
        .init();
}
