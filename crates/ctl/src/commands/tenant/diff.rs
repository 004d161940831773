//! `tenant diff`: how what is installed differs from what is declared. As with `kubectl`, the exit
//! code says whether there is a difference.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use tessera_systemd::{Fault, Machine, MachineError};
use tessera_tenant::manifest::Tier;
use tessera_tenant::plan::Plan;
use tessera_types::Name;

use super::changes::{Change, changes};
use super::host;
use super::instance::{Instance, Which};
use super::left_over::{left_over, told};
use crate::cli::Format;
use crate::commands::ended;
use crate::context::{Context, json, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{Style, Tone, printable};

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
    /// What changes in the texts of units, without values of variables.
    changes: Vec<Change>,
    faults: Vec<Fault>,
    /// Files that change what its units say, and are not touched.
    drop_ins: Vec<String>,
    /// Why it cannot be told, or not all of it.
    error: Option<String>,
}

impl Difference {
    /// One of which nothing else is known.
    fn bare(tenant: Name, declared: bool, installed: bool) -> Self {
        let (plan, error) = (None, None);
        let (changes, faults, drop_ins) = Default::default();
        Self { tenant, declared, installed, differs: false, plan, changes, faults, drop_ins, error }
    }

    fn left_over(tenant: &Name) -> Self {
        Self { differs: true, ..Self::bare(tenant.clone(), false, true) }
    }
}

/// What is compared, and what came of it.
struct Comparison<'c> {
    context: &'c Context,
    instance: Instance,
    machine: Machine,
    installed: BTreeSet<Name>,
    differences: Vec<Difference>,
    /// Why something cannot be told.
    exits: Vec<Exit>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let failed = |error: &MachineError| {
        let failure = host::failed(error);
        context.complain(&failure);
        Failure::Told(unknown(&failure))
    };
    let instance = Instance::read(&arguments.which)?;
    let machine = Machine::of_user().map_err(|error| failed(&error))?;
    let installed = machine.installed().map_err(|error| failed(&error))?;
    let (differences, exits) = (Vec::new(), Vec::new());
    let mut all = Comparison { context, instance, machine, installed, differences, exits };
    match arguments.names.is_empty() {
        true => all.all(),
        false => arguments.names.iter().for_each(|name| all.named(name)),
    }
    match format {
        Format::Json => print(&json(&all.differences)?)?,
        _ => all.differences.iter().try_for_each(|it| show(it, context.style))?,
    }
    ended(all.exits)?;
    match all.differences.iter().any(|difference| difference.differs) {
        true => Err(Failure::Told(Exit::Failed)),
        false => Ok(()),
    }
}

/// 1 is taken: it says that there is a difference.
fn unknown(failure: &Failure) -> Exit {
    match failure.exit() {
        Exit::Failed | Exit::Unreachable => Exit::Usage,
        other => other,
    }
}

impl Comparison<'_> {
    /// All that are installed. What is wrong with one leaves the others.
    fn all(&mut self) {
        if !self.instance.tell_problems(self.context) {
            self.exits.push(Exit::Usage);
        }
        let tenants = self.instance.registry.tenants.iter();
        let operated = tenants.filter(|tenant| tenant.manifest.tier() == Tier::Three);
        let operated: Vec<Name> = operated.map(|tenant| tenant.manifest.name.clone()).collect();
        for name in &operated {
            self.compare(name, true);
        }
        for name in left_over(&self.instance, &self.installed) {
            self.differences.push(Difference::left_over(name));
        }
        let broken = self.installed.iter().filter(|name| {
            let name = name.as_str();
            self.instance.lists(name) && self.instance.registry.tenant_named(name).is_none()
        });
        for name in broken {
            let error = Some("it is not valid".to_owned());
            let bare = Difference::bare(name.clone(), true, true);
            self.differences.push(Difference { error, ..bare });
        }
        self.differences.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    }

    fn named(&mut self, name: &str) {
        let tenant = match self.instance.tenant(self.context, name) {
            Ok(tenant) => tenant.manifest.name.clone(),
            Err(failure) => return self.cannot_tell(&failure),
        };
        // What is of Tier 2 has no units; what is there is left from before.
        if left_over(&self.instance, &self.installed).contains(&&tenant) {
            return self.differences.push(Difference::left_over(&tenant));
        }
        self.compare(&tenant, false);
    }

    /// Compares one that is valid. Whoever asks for all asks about those that are installed.
    fn compare(&mut self, name: &Name, is_all: bool) {
        let look = || {
            let tenant = self.instance.tenant(self.context, name.as_str())?;
            let wanted = host::wanted(self.context, &self.instance, &self.machine, tenant)?;
            self.machine.look(&wanted, false).map_err(|error| host::failed(&error))
        };
        let prospect = match look() {
            Ok(prospect) => prospect,
            Err(failure) => {
                self.cannot_tell(&failure);
                let is_installed = self.installed.contains(name);
                let bare = Difference::bare(name.clone(), true, is_installed);
                let error = Some(failure.to_string());
                return self.differences.push(Difference { error, ..bare });
            }
        };
        if self.differences.iter().all(|it| it.error.is_none()) {
            host::tell_unreachable([&prospect]);
        }
        if prospect.unreachable.is_some() {
            self.exits.push(Exit::Usage);
        }
        let is_installed = self.installed.contains(name) || !prospect.plan.already_ok.is_empty();
        self.differences.push(Difference {
            differs: !prospect.is_done() && (is_installed || !is_all),
            changes: changes(&prospect.plan),
            plan: Some(prospect.plan),
            faults: prospect.faults,
            drop_ins: prospect.drop_ins,
            error: prospect.unreachable.map(|_| "what systemd has is not known".to_owned()),
            ..Difference::bare(prospect.tenant, true, is_installed)
        });
    }

    fn cannot_tell(&mut self, failure: &Failure) {
        self.context.complain(failure);
        self.exits.push(unknown(failure));
    }
}

fn show(difference: &Difference, style: Style) -> Result<(), Failure> {
    let Difference { tenant, declared, plan, changes, faults, drop_ins, differs, .. } = difference;
    if !declared {
        return print(&told(tenant));
    }
    let mut text = format!("{tenant}: {}\n", difference.in_words());
    if let Some(plan) = plan.as_ref().filter(|_| *differs) {
        let lines = plan.to_string();
        text.extend(lines.lines().map(|line| format!("  {}\n", printable(line))));
        text.extend(changes.iter().map(|change| shown(change, style)));
        text.extend(faults.iter().map(|fault| format!("  {}\n", printable(&fault.to_string()))));
    }
    for path in drop_ins {
        text += &format!("  changed by {}, which is not touched\n", printable(path));
    }
    print(&text)
}

impl Difference {
    fn in_words(&self) -> &'static str {
        match (self.installed, self.differs) {
            (false, false) => "not installed",
            (true, false) if self.plan.is_none() => "installed, and cannot be compared",
            (true, false) if self.error.is_some() => {
                "the files are as declared; what systemd has is not known"
            }
            (true, false) => "as declared",
            (false, true) => "not installed; this would be done",
            (true, true) => "differs; this would be done",
        }
    }
}

/// The lines of a text that change, below the name of its file.
fn shown(change: &Change, style: Style) -> String {
    let lines = change.diff.lines().map(|line| {
        let tone = match line.as_bytes().first() {
            Some(b'-') => Tone::Bad,
            Some(b'+') => Tone::Good,
            _ => Tone::Plain,
        };
        format!("    {}\n", style.paint(tone, &printable(line)))
    });
    format!("  {}\n{}", printable(&change.path), lines.collect::<String>())
}
