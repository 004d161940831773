//! `tenant install`: tenants of the instance onto this machine.

use clap::Args;
use tessera_systemd::{Lock, Machine, Prospect};
use tessera_tenant::manifest::Tier;
use tessera_tenant::plan::Plan;
use tessera_tenant::registry::Tenant;

use super::host::{self, Report, count};
use super::instance::{Instance, NO_TENANTS, Which};
use super::left_over::tell_left_over;
use super::turn;
use crate::cli::Format;
use crate::commands::ended;
use crate::context::{Context, print, tell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

/// How things are after Ctrl-C.
pub(super) const UNCHANGED: &str = "nothing was changed";
pub(super) const FINISHED: &str = "what had begun was finished first, as said above";

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
        let look = host::wanted(context, &instance, tenant).and_then(|wanted| {
            machine.look(&wanted, arguments.force).map_err(|error| host::failed(&error))
        });
        interrupt::end_if_pressed(UNCHANGED)?;
        match look {
            Ok(prospect) => prospects.push(prospect),
            Err(failure) => {
                context.complain(&failure);
                exits.push(failure.exit());
                reports.push(Report {
                    tenant: tenant.manifest.name.clone(),
                    plan: None,
                    faults: Vec::new(),
                    changed: false,
                    error: Some(failure.to_string()),
                    next: Default::default(),
                });
            }
        }
    }
    let words = Words { done: "installed", nothing: "already installed; nothing to do" };
    reports.extend(words.carry_out(
        context,
        format,
        &machine,
        lock.as_ref(),
        &prospects,
        &mut exits,
    )?);
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

/// How it is said that something was done, or that there was nothing to do.
pub(super) struct Words {
    pub(super) done: &'static str,
    pub(super) nothing: &'static str,
}

impl Words {
    /// Shows plans, and carries them out if there is a lock: it is there unless this is a dry run.
    pub(super) fn carry_out(
        &self,
        context: &Context,
        format: Format,
        machine: &Machine,
        lock: Option<&Lock>,
        prospects: &[Prospect],
        exits: &mut Vec<Exit>,
    ) -> Result<Vec<Report>, Failure> {
        host::tell_unreachable(prospects);
        for prospect in prospects {
            match (format, prospect.is_done()) {
                // Only systemd knows whether that is all.
                (Format::Table, true) if prospect.unreachable.is_some() => {
                    print(&format!("{}: the files are as they should be\n", prospect.tenant))?;
                }
                (Format::Table, true) => {
                    print(&format!("{}: {}\n", prospect.tenant, self.nothing))?;
                }
                (Format::Table, false) => host::show(context, prospect)?,
                _ => {}
            }
        }
        let mut reports: Vec<Report> = prospects.iter().map(report).collect();
        let mut fail = |report: &mut Report, failure: &Failure| {
            context.complain(failure);
            report.error = Some(failure.to_string());
            exits.push(failure.exit());
        };
        let mut ready = Vec::new();
        for (index, prospect) in prospects.iter().enumerate() {
            let unreachable = prospect.unreachable.as_ref().filter(|_| lock.is_some());
            match host::refused(prospect).or_else(|| unreachable.map(host::unreachable)) {
                Some(failure) => fail(&mut reports[index], &failure),
                None if !prospect.is_done() => ready.push(index),
                None => {}
            }
        }
        let Some(lock) = lock else { return Ok(reports) };
        let chosen: Vec<&Prospect> = ready.iter().map(|index| &prospects[*index]).collect();
        interrupt::end_if_pressed(UNCHANGED)?;
        let results = machine.carry_out(lock, &chosen);
        for (index, result) in ready.into_iter().zip(results) {
            let prospect = &prospects[index];
            reports[index].changed = true;
            reports[index].next = host::next(machine, prospect);
            match result {
                Ok(()) if format == Format::Table => {
                    let next = host::soonest(&reports[index].next);
                    let (tenant, what) = (&prospect.tenant, summary(&prospect.plan));
                    print(&format!("{tenant}: {}{what}{next}\n", self.done))?;
                }
                Ok(()) => {}
                Err(error) => {
                    let failure = match host::failed(&error) {
                        Failure::Failed { message, details } => {
                            let message = format!("{}: {message}", prospect.tenant);
                            Failure::Failed { message, details }
                        }
                        other => other,
                    };
                    fail(&mut reports[index], &failure);
                }
            }
        }
        Ok(reports)
    }
}

fn report(prospect: &Prospect) -> Report {
    Report {
        tenant: prospect.tenant.clone(),
        plan: Some(prospect.plan.clone()),
        faults: prospect.faults.clone(),
        changed: false,
        error: None,
        next: Default::default(),
    }
}

/// What a plan comes to, in a few words.
fn summary(plan: &Plan) -> String {
    let changed = plan.write.len().saturating_sub(plan.create.len());
    let parts = [
        (plan.create.len(), "link", "created"),
        (changed, "unit", "changed"),
        (plan.remove.len(), "link", "removed"),
        (plan.set_aside.len(), "file", "set aside"),
        (plan.enable.len(), "timer", "enabled"),
        (plan.restart.len(), "timer", "restarted"),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<_> =
        parts.map(|(number, what, done)| format!("{} {done}", count(number, what))).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}
