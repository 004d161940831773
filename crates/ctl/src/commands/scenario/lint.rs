//! `scenario lint`: all that is wrong with documents.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tessera_manifest::Problem;

use super::document::{self, is_only_unsupported, open, within};
use crate::cli::Format;
use crate::context::{Context, json, print};
use crate::exit::Exit;
use crate::failure::{Failure, listed};
use crate::style::Tone;

/// Which documents are checked.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The documents, YAML or JSON; of a folder those in it; - for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What there is to say of a document.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    /// Whether the specification allows it.
    valid: bool,
    /// Whether it can be run here.
    supported: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let files: Vec<_> =
        arguments.files.iter().map(|it| within(it)).collect::<Result<_, Failure>>()?;
    let reports: Vec<_> =
        files.iter().flatten().map(|it| report(it)).collect::<Result<_, Failure>>()?;
    match format {
        Format::Json => print(&json(&reports)?)?,
        _ => reports.iter().try_for_each(|report| show(context, report))?,
    }
    match reports.iter().all(|report| report.supported) {
        true => Ok(()),
        false => Err(Failure::Told(Exit::Failed)),
    }
}

fn report(path: &Path) -> Result<Report, Failure> {
    let file = path.display().to_string();
    Ok(match open(path)? {
        Ok(reading) => {
            let warnings = reading.warnings;
            Report { file, valid: true, supported: true, problems: Vec::new(), warnings }
        }
        Err(problems) => {
            let valid = is_only_unsupported(&problems);
            Report { file, valid, supported: false, problems, warnings: Vec::new() }
        }
    })
}

fn show(context: &Context, report: &Report) -> Result<(), Failure> {
    let Report { file, problems, warnings, .. } = report;
    let verdict = match (report.valid, problems.len(), warnings.len()) {
        (true, 0, 0) => "valid".to_owned(),
        (true, 0, 1) => "valid, with a warning".to_owned(),
        (true, 0, count) => format!("valid, with {count} warnings"),
        (true, ..) => "valid, but not supported here".to_owned(),
        (false, 1, _) => "1 problem".to_owned(),
        (false, count, _) => format!("{count} problems"),
    };
    let style = context.style;
    let warnings = document::warnings(warnings, style);
    print(&format!("{}{warnings}{file}: {verdict}\n", listed(problems, style, Tone::Bad)))
}
