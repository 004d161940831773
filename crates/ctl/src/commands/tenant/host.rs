//! Tenants on this machine: from what an instance declares to what is wanted here, and how plans are
//! shown before and after they are carried out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tessera_systemd::systemctl::SystemctlError;
use tessera_systemd::{Fault, Machine, MachineError, Prospect, Units, Wanted};
use tessera_tenant::manifest::Tier;
use tessera_tenant::plan::Plan;
use tessera_tenant::registry::Tenant;
use tessera_tenant::units::{UnitPlaces, render};
use tessera_types::problem::Code;
use tessera_types::{Name, Problem as Refusal, Timestamp};

use super::instance::Instance;
use super::list::hub;
use crate::cli::Format;
use crate::context::{Context, json, print, tell};
use crate::failure::Failure;
use crate::moment::{near, now};
use crate::style::{Tone, printable};

/// What was planned for a tenant, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) tenant: Name,
    /// What was to be done.
    pub(super) plan: Option<Plan>,
    /// What is wrong with its units.
    pub(super) faults: Vec<Fault>,
    /// Whether something was changed.
    pub(super) changed: bool,
    /// Why it is not as it should be.
    pub(super) error: Option<String>,
    /// When its timers are due next.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) next: BTreeMap<String, Timestamp>,
}

/// What is wanted of a tenant that can be operated.
pub(super) fn wanted(
    context: &Context,
    instance: &Instance,
    machine: &Machine,
    tenant: &Tenant,
) -> Result<Wanted, Failure> {
    let name = &tenant.manifest.name;
    if tenant.manifest.tier() != Tier::Three {
        let message = format!("{name} is of Tier 2, so there is nothing to install");
        let details = vec!["a tenant with [lifecycle] in its manifest can be operated".to_owned()];
        return Err(Failure::Failed { message, details });
    }
    let units = match instance.units_of(tenant) {
        Some(folder) => Units::Kept { folder, files: tenant.unit_files() },
        None => {
            let manifest = instance.manifest_of(tenant);
            let folder = manifest.parent().unwrap_or(Path::new("/"));
            let textfile = std::env::var_os("TESSERA_TEXTFILE_DIR");
            let textfile = textfile.filter(|folder| !folder.is_empty());
            let places = UnitPlaces {
                folder: text(folder)?,
                manifest: text(&manifest)?,
                telemetry: text(&hub()?)?,
                units: text(&machine.places().units(name))?,
                textfile: textfile.map(|folder| text(Path::new(&folder))).transpose()?,
            };
            let org = instance.org(context)?;
            let rendered = render(&tenant.manifest, org, &places);
            Units::Rendered(rendered.map_err(|error| Failure::usage(error.to_string()))?)
        }
    };
    Ok(Wanted { tenant: name.clone(), units })
}

fn text(path: &Path) -> Result<String, Failure> {
    let no_text = || Failure::usage(format!("{} is no UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(no_text)
}

/// What went wrong on the machine.
pub(super) fn failed(error: &MachineError) -> Failure {
    if let MachineError::Systemctl(error @ SystemctlError::NoManager(_)) = error {
        return unreachable(error);
    }
    let details = match error {
        MachineError::Faulty(faults) => faults.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    Failure::Failed { message: error.to_string(), details }
}

/// systemd could not be asked.
pub(super) fn unreachable(error: &SystemctlError) -> Failure {
    let refusal = Refusal::new(Code::Unavailable, error.to_string());
    let refusal = refusal.remedy("`tesseractl tenant doctor` tells more");
    Failure::Api(tessera_client::Error::Refused(Box::new(refusal)))
}

/// A refusal of a plan, with what is in the way and what to do.
pub(super) fn refused(prospect: &Prospect) -> Option<Failure> {
    let Prospect { tenant, plan, faults, .. } = prospect;
    if let Err(refused) = plan.steps() {
        let mut details: Vec<_> = plan.conflicting.iter().map(ToString::to_string).collect();
        let forced = plan.conflicting.iter().filter(|conflict| conflict.reason.can_be_forced());
        if forced.count() > 0 {
            details.push(remedy(plan).to_owned());
        }
        return Some(Failure::Failed { message: format!("{tenant}: {refused}"), details });
    }
    if faults.is_empty() {
        return None;
    }
    let details = faults.iter().map(ToString::to_string).collect();
    let what = if faults.len() == 1 { "a fault in its units" } else { "faults in its units" };
    let message = format!("{tenant}: refused: {what}; nothing was changed");
    Some(Failure::Failed { message, details })
}

fn remedy(plan: &Plan) -> &'static str {
    let runs = |conflict: &tessera_tenant::plan::Conflict| {
        matches!(conflict.reason, tessera_tenant::plan::Reason::Running(_))
    };
    if plan.conflicting.iter().all(runs) {
        "remedy: wait for its end, or stop it with --force"
    } else {
        "remedy: remove it, or let --force rename it to ….tessera-backup"
    }
}

/// Says once that systemd could not be asked, so that less is known.
pub(super) fn tell_unreachable<'p>(prospects: impl IntoIterator<Item = &'p Prospect>) {
    let unreachable = prospects.into_iter().find_map(|prospect| prospect.unreachable.as_ref());
    if let Some(error) = unreachable {
        tell(&format!("what systemd has is not known: {}\n", printable(&error.to_string())));
    }
}

/// A plan as it is printed before anything happens.
pub(super) fn show(context: &Context, prospect: &Prospect) -> Result<(), Failure> {
    let name = context.style.paint(Tone::Strong, prospect.tenant.as_str());
    let lines: String =
        prospect.plan.to_string().lines().map(|line| format!("  {}\n", printable(line))).collect();
    print(&format!("{name}\n{lines}"))
}

/// Prints reports for programs.
pub(super) fn print_json(format: Format, reports: &[Report]) -> Result<(), Failure> {
    match format {
        Format::Json => print(&json(&reports)?),
        _ => Ok(()),
    }
}

/// When timers are due next. That they are due is no matter of this command.
pub(super) fn next(machine: &Machine, prospect: &Prospect) -> BTreeMap<String, Timestamp> {
    let timers: Vec<String> = prospect.timers().iter().cloned().collect();
    let states = machine.manager().states(&timers).unwrap_or_default();
    let next = states.into_iter();
    next.filter_map(|(timer, state)| Some((timer, Timestamp::from(state.next?)))).collect()
}

/// The soonest of them, in words.
pub(super) fn soonest(next: &BTreeMap<String, Timestamp>) -> String {
    let soonest = next.values().min();
    soonest.map_or_else(String::new, |at| format!("; next run {}", near(*at, now())))
}

/// So many of something.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
