//! `tenant diff`: how what is installed differs from what is declared. As with `kubectl`, the exit
//! code says whether there is a difference.

use clap::Args;
use serde::Serialize;
use tessera_systemd::{Fault, Machine};
use tessera_tenant::manifest::Tier;
use tessera_tenant::plan::Plan;
use tessera_types::Name;

use super::host;
use super::instance::{Instance, Which};
use crate::cli::Format;
use crate::context::{Context, json, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::printable;

/// Which tenants are compared.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenants; all that are installed unless given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    which: Which,
}

/// How one tenant differs.
#[derive(Debug, Serialize)]
struct Difference {
    tenant: Name,
    /// The instance declares it.
    declared: bool,
    installed: bool,
    differs: bool,
    plan: Option<Plan>,
    faults: Vec<Fault>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match compare(context, arguments) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Failure::Told(Exit::Failed)),
        // 1 is taken: it says that there is a difference.
        Err(failure) if failure.exit() == Exit::Failed => {
            context.complain(&failure);
            Err(Failure::Told(Exit::Usage))
        }
        Err(failure) => Err(failure),
    }
}

/// Prints the differences, and says whether there are any.
fn compare(context: &Context, arguments: &Arguments) -> Result<bool, Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let instance = Instance::read(&arguments.which)?;
    let machine = Machine::of_user().map_err(|error| host::failed(&error))?;
    let installed = machine.installed().map_err(|error| host::failed(&error))?;
    let mut tenants = Vec::new();
    for name in &arguments.names {
        tenants.push(instance.tenant(context, name)?);
    }
    let is_all = arguments.names.is_empty();
    if is_all {
        if !instance.tell_problems(context) {
            return Err(Failure::Told(Exit::Usage));
        }
        let operated = instance.registry.tenants.iter();
        tenants.extend(operated.filter(|tenant| tenant.manifest.tier() == Tier::Three));
    }
    let mut differences = Vec::new();
    for tenant in &tenants {
        let wanted = host::wanted(context, &instance, tenant)?;
        let prospect = machine.look(&wanted, false).map_err(|error| host::failed(&error))?;
        host::tell_unreachable([&prospect]);
        let is_installed =
            installed.contains(&prospect.tenant) || !prospect.plan.already_ok.is_empty();
        differences.push(Difference {
            declared: true,
            installed: is_installed,
            // Whoever asks for all asks about those that are installed.
            differs: !prospect.is_done() && (is_installed || !is_all),
            plan: Some(prospect.plan),
            faults: prospect.faults,
            tenant: prospect.tenant,
        });
    }
    let declared = |name: &Name| tenants.iter().any(|tenant| tenant.manifest.name == *name);
    for tenant in installed.into_iter().filter(|name| is_all && !declared(name)) {
        let (plan, faults) = (None, Vec::new());
        let (declared, installed, differs) = (false, true, true);
        differences.push(Difference { tenant, declared, installed, differs, plan, faults });
    }
    match format {
        Format::Json => print(&json(&differences)?)?,
        _ => differences.iter().try_for_each(show)?,
    }
    Ok(differences.iter().any(|difference| difference.differs))
}

fn show(difference: &Difference) -> Result<(), Failure> {
    let Difference { tenant, declared, installed, differs, plan, faults } = difference;
    let said = match (declared, installed, differs) {
        (false, ..) => {
            format!("installed and not declared: `tesseractl tenant uninstall {tenant}` removes it")
        }
        (_, false, false) => "not installed".to_owned(),
        (_, true, false) => "as declared".to_owned(),
        (_, false, true) => "not installed; this would be done".to_owned(),
        (_, true, true) => "differs; this would be done".to_owned(),
    };
    let mut text = format!("{tenant}: {said}\n");
    if let Some(plan) = plan.as_ref().filter(|_| *differs) {
        let lines = plan.to_string();
        text.extend(lines.lines().map(|line| format!("  {}\n", printable(line))));
        text.extend(faults.iter().map(|fault| format!("  {}\n", printable(&fault.to_string()))));
    }
    print(&text)
}
