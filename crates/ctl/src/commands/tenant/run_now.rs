//! `tenant run-now`: runs a tenant on the way that its timer takes, and ends as it does.
//!
//! Standard output has what the run writes, with `--follow`, and in the end how it ended; what there
//! is to say about it goes to standard error.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tessera_lifecycle::hub::Hub;
use tessera_manifest::{hint_for_name, nearest, quoted};
use tessera_systemd::Machine;
use tessera_systemd::journal::NoOutput;
use tessera_systemd::run::{self, End, Outcome, Output, Run, Source};
use tessera_systemd::systemctl::SystemctlError;
use tessera_tenant::registry::Tenant;
use tessera_types::problem::Code;
use tessera_types::{Name, Problem as Refusal};
use tokio::signal::unix::{SignalKind, signal};

use super::instance::{Instance, Which};
use super::{host, list, run_on_node};
use crate::cli::Format;
use crate::context::{Context, json, print, tell};
use crate::exit::Exit;
use crate::failure::{Failure, said};
use crate::moment::brief;
use crate::style::{Style, Tone, printable};

/// How long the output of a run is left alone.
const STEP: Duration = Duration::from_millis(100);
/// Who waits no longer is let go within this time.
const FAREWELL: Duration = Duration::from_secs(2);
/// So many last lines of a run that failed are shown.
const LAST_LINES: usize = 5;

/// Which tenant is run, and how it is watched.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
    /// One of its further services; the primary unless given
    #[arg(long, value_name = "SUFFIX")]
    service: Option<String>,
    /// Show what it writes while it runs
    #[arg(long, short = 'f')]
    follow: bool,
    /// Run it on this node of the fleet; the control plane is asked, and no instance
    #[arg(long, value_name = "NODE", conflicts_with_all = ["follow", "instance"])]
    node: Option<Name>,
    #[command(flatten)]
    which: Which,
}

/// How a run ended, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    unit: &'a str,
    invocation_id: Option<&'a str>,
    joined: bool,
    result: &'a str,
    exit_code: u8,
    source: Source,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    message: String,
    remedy: Option<String>,
}

/// Why nothing is waited for any more.
enum Ended {
    Outcome(Outcome),
    Interrupted,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(node) = &arguments.node {
        let name = named(&arguments.name)?;
        let service = arguments.service.as_deref().map(named).transpose()?;
        return run_on_node::on_node(context, &name, service.as_ref(), node).await;
    }
    let format = context.format(&[Format::Table, Format::Json])?;
    let (unit, tenant) = {
        let instance = Instance::read(&arguments.which)?;
        let tenant = instance.tenant(context, &arguments.name)?;
        let unit = unit_of(tenant, arguments.service.as_deref())?;
        tell_change(context, &instance, tenant);
        (unit, tenant.manifest.name.clone())
    };
    let watch = Watch {
        unit: unit.clone(),
        // What a program reads is not mixed with what the tenant writes.
        follow: arguments.follow.then_some(format == Format::Json),
        is_over: Arc::new(AtomicBool::new(false)),
        is_joining_told: false,
        output: None,
    };
    let outcome = match waited(watch).await? {
        Ok(Ended::Outcome(outcome)) => by_record(outcome, &tenant),
        Ok(Ended::Interrupted) => {
            tell(&format!(
                "{unit} goes on: `systemctl --user status {unit}` shows it, and `run-now` waits for \
                 its end again\n"
            ));
            return Err(Failure::Told(Exit::Interrupted));
        }
        Err(error) => return Err(unasked(&error, context.error_style)),
    };
    match format {
        Format::Json => {
            print(&json(&Report::of(&outcome, &arguments.name))?)?;
            // How it ended is told already; what it said of that is not.
            tell(
                &lines(arguments, &outcome)
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>(),
            );
        }
        _ => show(context, arguments, &outcome)?,
    }
    match outcome.end.exit_code() {
        0 => Ok(()),
        code => Err(Failure::Ended(code)),
    }
}

/// What runs is what was installed, which need not be what the manifest says.
fn tell_change(context: &Context, instance: &Instance, tenant: &Tenant) {
    let name = &tenant.manifest.name;
    let Ok(machine) = Machine::of_user() else { return };
    let wanted = host::wanted(context, instance, &machine, tenant);
    if wanted.is_ok_and(|wanted| machine.is_outdated(&wanted).unwrap_or_default()) {
        tell(&format!(
            "{name} is run as it is installed; its manifest says otherwise: \
             `tesseractl tenant diff {name}`\n"
        ));
    }
}

/// Where systemd remembers the run no more, its record has the exit code.
fn by_record(mut outcome: Outcome, tenant: &Name) -> Outcome {
    let recorded =
        |invocation: &str| Hub::new(&list::hub().ok()?, None, tenant).exit_code(invocation).ok()?;
    if outcome.end == End::Unknown
        && let Some(code @ 1..) = outcome.invocation_id.as_deref().and_then(recorded)
    {
        outcome.end = End::Exited(code);
    }
    outcome
}

/// What the control plane takes for the name of a tenant or of a service.
fn named(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::usage(error.to_string()))
}

/// The unit of a service, or which services there are.
fn unit_of(tenant: &Tenant, suffix: Option<&str>) -> Result<String, Failure> {
    let manifest = &tenant.manifest;
    if let Some(service) = manifest.service(suffix) {
        return Ok(format!("{}.service", service.unit));
    }
    let name = &manifest.name;
    let Some(suffix) = suffix.filter(|_| manifest.lifecycle.is_some()) else {
        let message = format!("{name} has no [lifecycle] in its manifest, so it cannot be run");
        return Err(Failure::usage_with(message, "add one to have it operated"));
    };
    let services = manifest.services();
    let known: Vec<_> =
        services.iter().filter_map(|it| it.suffix.as_ref()).map(Name::as_str).collect();
    let hint = hint_for_name(nearest(suffix, &known), &known, "its further services are");
    let hint = hint.unwrap_or_else(|| "it has the primary alone: leave out --service".to_owned());
    let detail = format!("{name} has no service {}", quoted(suffix));
    let refusal = Refusal::new(Code::NotFound, detail).remedy(hint);
    Err(Failure::Api(tessera_client::Error::Refused(Box::new(refusal))))
}

/// Waits for the end of a run, or for Ctrl-C.
async fn waited(watch: Watch) -> Result<Result<Ended, SystemctlError>, Failure> {
    let is_over = Arc::clone(&watch.is_over);
    // Before the run begins, so that Ctrl-C finds somebody from then on.
    let mut pressed = signal(SignalKind::interrupt())?;
    let mut waiting = tokio::task::spawn_blocking(move || watch.wait());
    let broken = |error: tokio::task::JoinError| Failure::Output(io::Error::other(error));
    tokio::select! {
        ended = &mut waiting => ended.map_err(broken),
        _ = pressed.recv() => {
            is_over.store(true, Ordering::Relaxed);
            let _as_it_may_be = tokio::time::timeout(FAREWELL, waiting).await;
            Ok(Ok(Ended::Interrupted))
        }
    }
}

/// A run that is waited for.
struct Watch {
    unit: String,
    /// Whether its output is shown, and then whether on standard error.
    follow: Option<bool>,
    is_over: Arc<AtomicBool>,
    is_joining_told: bool,
    output: Option<Output>,
}

impl Watch {
    fn wait(mut self) -> Result<Ended, SystemctlError> {
        let mut run = run::start(&self.unit)?;
        loop {
            let outcome = run.wait(STEP)?;
            self.tell_joining(&run);
            self.show_output(&run);
            if let Some(outcome) = outcome {
                if self.follow.is_some() && outcome.is_unseen() {
                    tell("--follow shows nothing: the run was over before it was seen\n");
                }
                let rest = self.output.take().map(Output::finish);
                self.write(&rest.unwrap_or_default());
                return Ok(Ended::Outcome(outcome));
            }
            if self.is_over.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
        }
    }

    fn tell_joining(&mut self, run: &Run) {
        if run.is_joined() && !self.is_joining_told {
            tell(&format!("{} runs already: joined that run\n", self.unit));
            self.is_joining_told = true;
        }
    }

    /// Shows what has been written since the last look.
    fn show_output(&mut self, run: &Run) {
        if self.follow.is_none() {
            return;
        }
        let taken = match &mut self.output {
            Some(output) => output.take(),
            None => match run.output() {
                None => return,
                Some(Err(why)) => Err(why),
                Some(Ok(output)) => {
                    self.output = Some(output);
                    return;
                }
            },
        };
        match taken {
            Ok(taken) => self.write(&taken),
            Err(why) => self.stop_following(&why),
        }
    }

    fn stop_following(&mut self, why: &NoOutput) {
        tell(&format!("--follow shows nothing: {why}\n"));
        (self.follow, self.output) = (None, None);
    }

    /// That it cannot be written is no reason not to say how the run ends.
    fn write(&self, bytes: &[u8]) {
        let _as_far_as_it_goes = match self.follow {
            Some(true) => io::stderr().lock().write_all(bytes),
            _ => io::stdout().lock().write_all(bytes),
        };
    }
}

impl Report<'_> {
    fn of<'a>(outcome: &'a Outcome, tenant: &str) -> Report<'a> {
        let time = |seconds: Option<i64>| Timestamp::from_second(seconds?).ok();
        Report {
            unit: &outcome.unit,
            invocation_id: outcome.invocation_id.as_deref(),
            joined: outcome.is_joined,
            result: outcome.end.as_str(),
            exit_code: outcome.end.exit_code(),
            source: outcome.end.source(),
            started_at: time(outcome.started_at),
            ended_at: time(outcome.ended_at),
            message: outcome.to_string(),
            remedy: remedy(&outcome.end, tenant, &outcome.unit),
        }
    }
}

/// How a run ended, for people.
fn show(context: &Context, arguments: &Arguments, outcome: &Outcome) -> Result<(), Failure> {
    if outcome.end.is_success() {
        let took = outcome.ended_at.zip(outcome.started_at).map(|(end, start)| end - start);
        let took =
            took.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        let took =
            took.map(|it| format!(", after {}", brief(tessera_types::Duration::from_secs(it))));
        let done = context.style.paint(Tone::Good, "done");
        return print(&format!("{}: {done}{}\n", outcome.unit, took.unwrap_or_default()));
    }
    let lines = lines(arguments, outcome);
    let remedy = remedy(&outcome.end, &arguments.name, &outcome.unit);
    tell(&said(context.error_style, None, &outcome.to_string(), &lines, remedy.as_deref()));
    Ok(())
}

/// The last lines of a run that failed, unless they were shown.
fn lines(arguments: &Arguments, outcome: &Outcome) -> Vec<String> {
    let lines = match &outcome.invocation_id {
        Some(invocation) if !arguments.follow && !outcome.end.is_success() => {
            run::last_lines(invocation, LAST_LINES)
        }
        _ => Ok(Vec::new()),
    };
    // Where there is no journal, there is nothing to show.
    lines.unwrap_or_default().iter().map(|line| printable(line)).collect()
}

/// What to do about an end that is not the program's own.
fn remedy(end: &End, tenant: &str, unit: &str) -> Option<String> {
    Some(match end {
        End::NotInstalled => format!(
            "`tesseractl tenant install {tenant}`; if that was done, `tesseractl tenant doctor`"
        ),
        End::Masked => format!("`systemctl --user unmask {unit}`"),
        End::Broken(_) => format!("`systemd-analyze --user verify {unit}` says where"),
        End::StaysActive => "remove RemainAfterExit= from the unit".to_owned(),
        End::StartLimit => {
            format!("run it again later, or after `systemctl --user reset-failed {unit}`")
        }
        End::Dependency => "`systemctl --user --failed` shows which".to_owned(),
        End::Podman(125) => {
            "`podman images` shows whether the image of the manifest is there".to_owned()
        }
        End::Podman(_) | End::Setup(_) => "correct `entrypoint` in the manifest".to_owned(),
        End::Timeout => "if it needs the time, raise `timeout` in the manifest".to_owned(),
        End::OutOfMemory => {
            "if it needs the memory, raise `resources.memory` in the manifest".to_owned()
        }
        _ => return None,
    })
}

/// The service manager cannot be asked.
fn unasked(error: &SystemctlError, style: Style) -> Failure {
    let (code, exit) = match error {
        SystemctlError::NoManager(_) | SystemctlError::Silent(_) => {
            (Some("unreachable"), Exit::Unreachable)
        }
        _ => (None, Exit::Failed),
    };
    tell(&said(style, code, &error.to_string(), &[], None));
    Failure::Told(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_the_remedy_too() {
        let outcome = |end| Outcome {
            unit: "circ.service".to_owned(),
            invocation_id: None,
            is_joined: false,
            end,
            started_at: None,
            ended_at: None,
        };
        let limited = outcome(End::StartLimit);
        let told = serde_json::to_value(Report::of(&limited, "circ")).unwrap();
        assert_eq!((&told["result"], &told["exit_code"]), (&"start-limit-hit".into(), &4.into()));
        let remedy = "run it again later, or after `systemctl --user reset-failed circ.service`";
        assert_eq!(told["remedy"], remedy);
        let failed = outcome(End::Exited(7));
        assert!(serde_json::to_value(Report::of(&failed, "circ")).unwrap()["remedy"].is_null());
    }
}
