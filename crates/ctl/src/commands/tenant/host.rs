//! Tenants on this machine: from what an instance declares to what is wanted here, and how plans are
//! shown before and after they are carried out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tessera_systemd::systemctl::SystemctlError;
use tessera_systemd::{Fault, Lock, Machine, MachineError, Prospect, Units, Wanted};
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
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::moment::{near, now};
use crate::style::{Tone, printable};

/// How things are after Ctrl-C.
pub(super) const UNCHANGED: &str = "nothing was changed";
pub(super) const FINISHED: &str = "what had begun was finished first, as said above";

/// What was planned for a tenant, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) tenant: Name,
    /// What was to be done.
    pub(super) plan: Option<Plan>,
    /// What is wrong with its units.
    pub(super) faults: Vec<Fault>,
    /// Whether a step was taken.
    pub(super) changed: bool,
    /// Why it is not as it should be.
    pub(super) error: Option<String>,
    /// When its timers are due next.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) next: BTreeMap<String, Timestamp>,
}

impl Report {
    /// Of a tenant for which no plan could be made.
    pub(super) fn unplanned(tenant: &Name, failure: &Failure) -> Self {
        Self {
            tenant: tenant.clone(),
            plan: None,
            faults: Vec::new(),
            changed: false,
            error: Some(failure.to_string()),
            next: BTreeMap::new(),
        }
    }

    fn planned(prospect: &Prospect) -> Self {
        Self {
            tenant: prospect.tenant.clone(),
            plan: Some(prospect.plan.clone()),
            faults: prospect.faults.clone(),
            changed: false,
            error: None,
            next: BTreeMap::new(),
        }
    }
}

/// Plans that are shown, and then carried out.
pub(super) struct Undertaking<'u> {
    pub(super) context: &'u Context,
    pub(super) format: Format,
    pub(super) machine: &'u Machine,
    /// There unless this is a dry run.
    pub(super) lock: Option<&'u Lock>,
    /// How it is said that something was done.
    pub(super) done: &'static str,
    /// How it is said that there was nothing to do.
    pub(super) nothing: &'static str,
}

impl Undertaking<'_> {
    /// Shows plans, and carries out those that can be.
    pub(super) fn carry_out(
        &self,
        prospects: &[Prospect],
        exits: &mut Vec<Exit>,
    ) -> Result<Vec<Report>, Failure> {
        self.show(prospects)?;
        let mut all: Vec<_> = prospects.iter().map(|it| (it, Report::planned(it))).collect();
        let mut ready = Vec::new();
        for (prospect, report) in &mut all {
            match self.hindrance(prospect) {
                Some(failure) => self.fail(report, &failure, exits),
                None if !prospect.is_done() => ready.push((&**prospect, report)),
                None => {}
            }
        }
        if let Some(lock) = self.lock {
            interrupt::end_if_pressed(UNCHANGED)?;
            self.apply(lock, ready, exits)?;
        }
        Ok(all.into_iter().map(|(_, report)| report).collect())
    }

    fn show(&self, prospects: &[Prospect]) -> Result<(), Failure> {
        tell_unreachable(prospects);
        if self.format != Format::Table {
            return Ok(());
        }
        for prospect in prospects {
            let tenant = &prospect.tenant;
            match prospect.is_done() {
                // Only systemd knows whether that is all.
                true if prospect.unreachable.is_some() => {
                    print(&format!("{tenant}: the files are as they should be\n"))?;
                }
                true => print(&format!("{tenant}: {}\n", self.nothing))?,
                false => show(self.context, prospect)?,
            }
        }
        Ok(())
    }

    /// Why nothing is done for a tenant.
    fn hindrance(&self, prospect: &Prospect) -> Option<Failure> {
        let unreachable = prospect.unreachable.as_ref().filter(|_| self.lock.is_some());
        refused(prospect).or_else(|| unreachable.map(self::unreachable))
    }

    fn fail(&self, report: &mut Report, failure: &Failure, exits: &mut Vec<Exit>) {
        self.context.complain(failure);
        report.error = Some(failure.to_string());
        exits.push(failure.exit());
    }

    fn apply(
        &self,
        lock: &Lock,
        ready: Vec<(&Prospect, &mut Report)>,
        exits: &mut Vec<Exit>,
    ) -> Result<(), Failure> {
        let prospects: Vec<&Prospect> = ready.iter().map(|(prospect, _)| *prospect).collect();
        let results = self.machine.carry_out(lock, &prospects);
        for ((prospect, report), done) in ready.into_iter().zip(results) {
            report.changed = done.has_changed;
            match done.result {
                Ok(()) => {
                    report.next = next(self.machine, prospect);
                    self.tell_done(prospect, report)?;
                }
                Err(error) => self.fail(report, &failed_for(&prospect.tenant, &error), exits),
            }
        }
        Ok(())
    }

    fn tell_done(&self, prospect: &Prospect, report: &Report) -> Result<(), Failure> {
        if self.format != Format::Table {
            return Ok(());
        }
        let (tenant, what) = (&prospect.tenant, summary(&prospect.plan));
        print(&format!("{tenant}: {}{what}{}\n", self.done, soonest(&report.next)))
    }
}

/// A tenant is trusted, and no more.
pub(super) fn not_operated(name: &Name) -> Failure {
    let message = format!("{name} is of Tier 2, so there is nothing to install");
    let details = vec!["a tenant with [lifecycle] in its manifest can be operated".to_owned()];
    Failure::Failed { message, details }
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
        return Err(not_operated(name));
    }
    let units = match instance.units_of(tenant) {
        Some(folder) => Units::Kept { folder, files: tenant.unit_files() },
        None => {
            let manifest = instance.manifest_of(tenant);
            let folder = manifest.parent().unwrap_or(Path::new("/"));
            let textfile = tessera_lifecycle::textfile_folder(|name| std::env::var_os(name));
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
    if let MachineError::Systemctl(
        error @ (SystemctlError::NoManager(_) | SystemctlError::Silent(_)),
    ) = error
    {
        return unreachable(error);
    }
    let details = match error {
        MachineError::Faulty(faults) => faults.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    Failure::Failed { message: error.to_string(), details }
}

/// What went wrong on the machine with one of several.
fn failed_for(tenant: &Name, error: &MachineError) -> Failure {
    match failed(error) {
        Failure::Failed { message, details } => {
            Failure::Failed { message: format!("{tenant}: {message}"), details }
        }
        other => other,
    }
}

/// systemd could not be asked.
fn unreachable(error: &SystemctlError) -> Failure {
    let refusal = Refusal::new(Code::Unavailable, error.to_string());
    let refusal = refusal.remedy("`tesseractl tenant doctor` tells more");
    Failure::Api(tessera_client::Error::Refused(Box::new(refusal)))
}

/// A refusal of a plan, with what is in the way and what to do.
fn refused(prospect: &Prospect) -> Option<Failure> {
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
fn show(context: &Context, prospect: &Prospect) -> Result<(), Failure> {
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
fn next(machine: &Machine, prospect: &Prospect) -> BTreeMap<String, Timestamp> {
    let timers: Vec<String> = prospect.timers().iter().cloned().collect();
    let states = machine.manager().states(&timers).unwrap_or_default();
    let next = states.into_iter();
    next.filter_map(|(timer, state)| Some((timer, Timestamp::from(state.next?)))).collect()
}

/// The soonest of them, in words.
fn soonest(next: &BTreeMap<String, Timestamp>) -> String {
    let soonest = next.values().min();
    soonest.map_or_else(String::new, |at| format!("; next run {}", near(*at, now())))
}

/// So many of something.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What a plan comes to, in a few words.
fn summary(plan: &Plan) -> String {
    let changed = plan.changed().count();
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
