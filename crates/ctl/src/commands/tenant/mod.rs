//! `tenant`: data pipelines that declare themselves in one manifest, on this machine. No control
//! plane is asked.

mod check;
mod export;
mod instance;
mod list;
mod run_now;
mod schedule;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::failure::Failure;

/// Check manifests of tenants, and see when they run and how they are
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// What to do with tenants.
#[derive(Debug, Subcommand)]
enum Action {
    /// Say all that is wrong with manifests
    ///
    /// The exit code is 1 when one of them is not valid, or not of the tier that is asked for.
    Check(check::Arguments),
    /// List the tenants of the instance: when they run next, how they ended last, how they are
    ///
    /// The exit code is 1 when one of them is not valid; the others are listed all the same.
    List(list::Arguments),
    /// Print what a tenant of the instance declares, such as its data contract
    Export(export::Arguments),
    /// Run a tenant now, as its timer would, and end as it does
    ///
    /// The exit code is that of the tenant's program, or says what else ended the run.
    RunNow(run_now::Arguments),
    /// Show when calendar expressions fire
    ///
    /// The exit code is 1 when one of them is none, or never fires.
    Schedule(schedule::Arguments),
}

impl Arguments {
    /// Whether it says something itself when Ctrl-C is pressed.
    pub(crate) fn handle_interrupt(&self) -> bool {
        matches!(self.action, Action::RunNow(_))
    }
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Check(arguments) => check::run(context, arguments),
        Action::List(arguments) => list::run(context, arguments),
        Action::Export(arguments) => export::run(context, arguments),
        Action::RunNow(arguments) => run_now::run(context, arguments).await,
        Action::Schedule(arguments) => schedule::run(context, arguments),
    }
}
