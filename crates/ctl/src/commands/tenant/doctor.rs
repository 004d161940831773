//! `tenant doctor`: what on this machine keeps tenants from running.

use clap::Args;
use tessera_systemd::Machine;
use tessera_systemd::doctor::{Finding, Level};

use super::host;
use super::list::hub;
use crate::cli::Format;
use crate::context::{Context, json, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{Style, Tone, printable};

/// Nothing is to be said.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context, _arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let machine = Machine::of_user().map_err(|error| host::failed(&error))?;
    let findings = machine.examine(&hub()?).map_err(|error| host::failed(&error))?;
    match format {
        Format::Json => print(&json(&findings)?)?,
        _ => {
            let lines: String = findings.iter().map(|it| shown(it, context.style)).collect();
            print(&lines)?;
        }
    }
    match findings.iter().any(|finding| finding.level == Level::Problem) {
        true => Err(Failure::Told(Exit::Failed)),
        false => Ok(()),
    }
}

fn shown(finding: &Finding, style: Style) -> String {
    let Finding { check, level, said, remedy } = finding;
    let (word, tone) = match level {
        Level::Ok => ("ok", Tone::Good),
        Level::Warning => ("warning", Tone::Busy),
        Level::Problem => ("problem", Tone::Bad),
    };
    let word = style.paint(tone, &format!("{word:<8}"));
    let remedy = remedy.as_ref().map(|remedy| format!("{:10}remedy: {}\n", "", printable(remedy)));
    format!("{word}  {check}: {}\n{}", printable(said), remedy.unwrap_or_default())
}
