//! `tenant uninstall`: tenants off this machine. The instance is not asked, so what it does not
//! declare any more can be removed as well.

use clap::Args;
use tessera_systemd::{Machine, Units, Wanted};
use tessera_types::Name;

use super::host;
use super::install::{FINISHED, UNCHANGED, Words};
use crate::cli::Format;
use crate::commands::ended;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt;

/// Which tenants are removed, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenants
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Name>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Stop a run that is in progress
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let machine = Machine::of_user().map_err(|error| host::failed(&error))?;
    let lock = match arguments.dry_run {
        true => None,
        false => Some(machine.lock().map_err(|error| host::failed(&error))?),
    };
    interrupt::note()?;
    let mut names = arguments.names.clone();
    names.sort();
    names.dedup();
    let mut prospects = Vec::new();
    for tenant in names {
        let wanted = Wanted { tenant, units: Units::Nothing };
        let prospect = machine.look(&wanted, arguments.force);
        interrupt::end_if_pressed(UNCHANGED)?;
        prospects.push(prospect.map_err(|error| host::failed(&error))?);
    }
    let mut exits = Vec::new();
    let words = Words { done: "uninstalled", nothing: "not installed; nothing to do" };
    let lock = lock.as_ref();
    let reports = words.carry_out(context, format, &machine, lock, &prospects, &mut exits)?;
    host::print_json(format, &reports)?;
    interrupt::end_if_pressed(FINISHED)?;
    ended(exits)
}
