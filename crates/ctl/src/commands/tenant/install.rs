//! `tenant install`: tenants of the instance onto this machine.

use clap::Args;
use tessera_systemd::Machine;
use tessera_tenant::manifest::Tier;
use tessera_tenant::registry::Tenant;

use super::host::{self, FINISHED, Report, UNCHANGED, Undertaking};
use super::instance::{Instance, NO_TENANTS, Which};
use super::left_over::tell_left_over;
use super::turn;
use crate::cli::Format;
use crate::commands::ended;
use crate::context::{Context, print, tell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

/// Which tenants are installed, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenants
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All of the instance that can be operated
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Rename what is in the way to ….tessera-backup
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let instance = Instance::read(&arguments.which)?;
    let mut exits = Vec::new();
    let tenants = tenants(context, &instance, arguments, format, &mut exits)?;
    let machine = Machine::of_user().map_err(|error| host::failed(&error))?;
    if arguments.all {
        let installed = machine.installed().map_err(|error| host::failed(&error))?;
        tell_left_over(&instance, &installed);
    }
    let lock = match arguments.dry_run {
        true => None,
        false => Some(turn::take(&machine)?),
    };
    interrupt::note()?;
    let mut reports = Vec::new();
    let mut prospects = Vec::new();
    for tenant in tenants {
        let look = host::wanted(context, &instance, &machine, tenant).and_then(|wanted| {
            machine.look(&wanted, arguments.force).map_err(|error| host::failed(&error))
        });
        interrupt::end_if_pressed(UNCHANGED)?;
        match look {
            Ok(prospect) => prospects.push(prospect),
            Err(failure) => {
                context.complain(&failure);
                exits.push(failure.exit());
                reports.push(Report::unplanned(&tenant.manifest.name, &failure));
            }
        }
    }
    let undertaking = Undertaking {
        context,
        format,
        machine: &machine,
        lock: lock.as_ref(),
        done: "installed",
        nothing: "already installed; nothing to do",
    };
    reports.extend(undertaking.carry_out(&prospects, &mut exits)?);
    reports.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    host::print_json(format, &reports)?;
    interrupt::end_if_pressed(FINISHED)?;
    ended(exits)
}

/// The tenants that are meant. What is wrong with the registry matters to `--all` alone.
fn tenants<'i>(
    context: &Context,
    instance: &'i Instance,
    arguments: &Arguments,
    format: Format,
    exits: &mut Vec<Exit>,
) -> Result<Vec<&'i Tenant>, Failure> {
    if !arguments.all {
        let names = arguments.names.iter();
        let mut tenants =
            names.map(|name| instance.tenant(context, name)).collect::<Result<Vec<_>, _>>()?;
        tenants.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        tenants.dedup_by(|a, b| a.manifest.name == b.manifest.name);
        return Ok(tenants);
    }
    if !instance.tell_problems(context) {
        exits.push(Exit::Failed);
    } else if instance.registry.tenants.is_empty() {
        tell(NO_TENANTS);
    }
    let (operated, trusted): (Vec<_>, Vec<_>) =
        instance.registry.tenants.iter().partition(|it| it.manifest.tier() == Tier::Three);
    if format == Format::Table {
        for tenant in trusted {
            print(&format!("{}: Tier 2, not operated\n", tenant.manifest.name))?;
        }
    }
    Ok(operated)
}
