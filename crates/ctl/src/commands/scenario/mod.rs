//! `scenario`: workflow documents, run and looked at on this machine. No control plane is asked.

mod document;
mod graph;
mod lint;
mod run;
mod secret;
mod trace;

use clap::{Args, Subcommand};
pub(crate) use run::input;

use crate::context::Context;
use crate::failure::Failure;

/// Run and check workflow documents on this machine
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// What to do with the documents.
#[derive(Debug, Subcommand)]
enum Action {
    /// Run a document and print its output
    ///
    /// The output is JSON on standard output. A fault is its error object (JSON) on standard
    /// error, with exit code 1.
    Run(run::Arguments),
    /// Say all that is wrong with documents
    ///
    /// The exit code is 1 when one of them cannot be run here.
    Lint(lint::Arguments),
    /// Print a flowchart of a document, in Mermaid's language
    Graph(graph::Arguments),
    /// Run a document and print its steps with their times
    Trace(run::Arguments),
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Run(arguments) => run::run(context, arguments).await,
        Action::Lint(arguments) => lint::run(context, arguments),
        Action::Graph(arguments) => graph::run(context, arguments),
        Action::Trace(arguments) => trace::run(context, arguments).await,
    }
}
