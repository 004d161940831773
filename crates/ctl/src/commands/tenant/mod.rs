//! `tenant`: data pipelines that declare themselves in one manifest, on this machine. No control
//! plane is asked.

mod changes;
mod check;
mod conform;
mod diff;
mod doctor;
mod export;
mod host;
mod install;
mod instance;
mod left_over;
mod list;
mod on_machine;
mod options;
mod run_now;
mod run_on_node;
mod schedule;
mod turn;
mod uninstall;

use clap::{Args, Subcommand};

pub(crate) use options::narrowed;

use crate::context::Context;
use crate::failure::Failure;

/// Check manifests of tenants, install tenants on this machine, and see how they are
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
    /// Run a tenant's program, and prove that it keeps the contract of the verbs
    ///
    /// Nothing is run that changes anything, unless the program breaks the contract: `run` itself
    /// and `migrate` are called in earnest only with --run. The exit code is 1 when a check failed.
    Conform(conform::Arguments),
    /// List the tenants of the instance: when they run next, how they ended last, how they are
    ///
    /// The exit code is 1 when one of them is not valid; the others are listed all the same.
    List(list::Arguments),
    /// Print what a tenant of the instance declares, such as its data contract
    Export(export::Arguments),
    /// Link the units of tenants into systemd's and Quadlet's folders, and enable their timers
    ///
    /// What is going to happen is printed first. While anything is in the way, nothing is changed.
    Install(install::Arguments),
    /// Remove the units of tenants from this machine, whether the instance has them or not
    Uninstall(uninstall::Arguments),
    /// Show how installed tenants differ from what is declared; nothing is changed
    ///
    /// The exit code is 0 when nothing differs, 1 when something does, and 2 or more when it cannot
    /// be told.
    Diff(diff::Arguments),
    /// Run a tenant now, as its timer would, and end as it does
    ///
    /// The exit code is that of the tenant's program, or says what else ended the run.
    RunNow(run_now::Arguments),
    /// Say what on this machine keeps tenants from running, and what to do about it
    ///
    /// The exit code is 1 when there is a problem; a warning is none.
    Doctor(doctor::Arguments),
    /// Show when calendar expressions fire
    ///
    /// The exit code is 1 when one of them is none, or never fires.
    Schedule(schedule::Arguments),
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Check(arguments) => check::run(context, arguments),
        Action::Conform(arguments) => conform::run(context, arguments),
        Action::List(arguments) => list::run(context, arguments),
        Action::Export(arguments) => export::run(context, arguments),
        Action::Install(arguments) => install::run(context, arguments),
        Action::Uninstall(arguments) => uninstall::run(context, arguments),
        Action::Diff(arguments) => diff::run(context, arguments),
        Action::RunNow(arguments) => run_now::run(context, arguments).await,
        Action::Doctor(arguments) => doctor::run(context, arguments),
        Action::Schedule(arguments) => schedule::run(context, arguments),
    }
}
