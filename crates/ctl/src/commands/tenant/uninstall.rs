//! `tenant uninstall`: tenants off this machine. The instance is not asked, so what it does not
//! declare any more can be removed as well.

use std::collections::BTreeSet;

use clap::Args;
use tessera_lifecycle::hub::forget_metrics;
use tessera_manifest::nearest;
use tessera_systemd::{Machine, Units, Wanted};
use tessera_types::problem::Code;
use tessera_types::{Name, Problem as Refusal};

use super::host::{self, FINISHED, UNCHANGED, Undertaking};
use super::list::hub;
use super::turn;
use crate::cli::Format;
use crate::commands::ended;
use crate::context::{Context, print, tell};
use crate::failure::Failure;
use crate::interrupt;
use crate::style::printable;

/// Which tenants are removed, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenants
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Name>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Stop a run that is in progress, and rename what Tessera did not make
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let machine = Machine::of_user().map_err(|error| host::failed(&error))?;
    let lock = match arguments.dry_run {
        true => None,
        false => Some(turn::take(&machine)?),
    };
    interrupt::note()?;
    let mut names = arguments.names.clone();
    names.sort();
    names.dedup();
    let installed = machine.installed().map_err(|error| host::failed(&error))?;
    let mut prospects = Vec::new();
    for tenant in names {
        let wanted = Wanted { tenant, units: Units::Nothing };
        let prospect = machine.look(&wanted, arguments.force);
        interrupt::end_if_pressed(UNCHANGED)?;
        let prospect = prospect.map_err(|error| host::failed(&error))?;
        if prospect.is_done() {
            not_mistyped(&prospect.tenant, &installed)?;
        }
        for left in &prospect.plan.left {
            tell(&format!("{}: {}\n", prospect.tenant, printable(&left.to_string())));
        }
        prospects.push(prospect);
    }
    let mut exits = Vec::new();
    let undertaking = Undertaking {
        context,
        format,
        machine: &machine,
        lock: lock.as_ref(),
        done: "uninstalled",
        nothing: "not installed; nothing to do",
    };
    let reports = undertaking.carry_out(&prospects, &mut exits)?;
    let gone = reports.iter().filter(|report| report.changed && report.error.is_none());
    for report in gone {
        let told = leave_records(&report.tenant).unwrap_or_else(|failure| {
            context.complain(&failure);
            exits.push(failure.exit());
            String::new()
        });
        if format == Format::Table {
            print(&told)?;
        }
    }
    host::print_json(format, &reports)?;
    interrupt::end_if_pressed(FINISHED)?;
    ended(exits)
}

/// Whoever mistypes a name is not told that all is done.
fn not_mistyped(name: &Name, installed: &BTreeSet<Name>) -> Result<(), Failure> {
    let known: Vec<_> = installed.iter().map(Name::as_str).collect();
    let Some(meant) = nearest(name.as_str(), &known) else { return Ok(()) };
    let detail = format!("{name} is not installed; nothing was changed");
    let refusal = Refusal::new(Code::NotFound, detail).remedy(format!("did you mean `{meant}`?"));
    Err(Failure::Api(tessera_client::Error::Refused(Box::new(refusal))))
}

/// Removes the text files with a tenant's metrics, which would be read for ever; gives what to say.
fn leave_records(tenant: &Name) -> Result<String, Failure> {
    let hub = hub()?;
    let textfiles = tessera_lifecycle::textfile_folder(|name| std::env::var_os(name));
    let removed = match forget_metrics(&hub, textfiles.as_deref(), tenant) {
        Ok(true) => "its metrics are removed; ",
        Ok(false) => "",
        Err(error) => {
            let message = format!("its metrics cannot be removed: {error}");
            return Err(Failure::Failed { message, details: Vec::new() });
        }
    };
    let records = hub.join(tenant.as_str());
    Ok(match records.exists() {
        true => {
            format!("{tenant}: {removed}the records of its runs stay in {}\n", records.display())
        }
        false => String::new(),
    })
}
