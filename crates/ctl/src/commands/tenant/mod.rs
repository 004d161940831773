//! `tenant`: data pipelines that declare themselves in one manifest, on this machine. No control
//! plane is asked.

mod schedule;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::failure::Failure;

/// Check, install and run tenants on this machine
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// What to do with tenants.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show when calendar expressions fire
    ///
    /// The exit code is 1 when one of them is none, or never fires.
    Schedule(schedule::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Schedule(arguments) => schedule::run(context, arguments),
    }
}
