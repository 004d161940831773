//! `tenant conform`: runs a tenant's program, and proves that it keeps the contract of the verbs.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tessera_conform::{Check, Options, Subject, Verdict};
use tessera_manifest::Source;
use tessera_tenant::manifest::{self, Manifest, Service, Tier};
use tessera_types::Name;

use super::instance::{text_of, without_dots};
use crate::cli::Format;
use crate::context::{Context, json, print, tell};
use crate::exit::Exit;
use crate::failure::{Failure, listed};
use crate::interrupt;
use crate::style::{Tone, printable};

/// Which program is run, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A manifest, or the folder that it is in
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Do the work in earnest, too: run, and migrate as if nothing had been migrated
    #[arg(long)]
    run: bool,
    /// How long one call may take
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    timeout: tessera_types::Duration,
}

/// What came of one program.
#[derive(Debug, Serialize)]
struct Report {
    name: Name,
    /// The service that it was called as; none for the primary.
    service: Option<Name>,
    conforms: bool,
    checks: Vec<Check>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let path = match arguments.path.is_dir() {
        true => arguments.path.join(manifest::FILE_NAME),
        false => arguments.path.clone(),
    };
    let manifest = read(context, &path)?;
    let absolute = std::path::absolute(&path).map_err(|error| unreadable(&path, &error))?;
    let path = without_dots(&absolute);
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let options = Options {
        patience: arguments.timeout.as_std(),
        in_earnest: arguments.run,
        interrupted: Some(&interrupt::PRESSED),
    };
    interrupt::note()?;
    let mut reports = Vec::new();
    for service in programs(&manifest) {
        let subject = Subject {
            tenant: manifest.name.clone(),
            version: manifest.version.to_string(),
            service,
            podman: vec!["podman".to_owned()],
            manifest: path.clone(),
            folder: folder.clone(),
        };
        reports.push(conform(context, &subject, options, format == Format::Table)?);
    }
    if format == Format::Json {
        print(&json(&reports)?)?;
    }
    match reports.iter().all(|report| report.conforms) {
        true => Ok(()),
        false => Err(Failure::Told(Exit::Failed)),
    }
}

/// The manifest, if it is valid and has a program.
fn read(context: &Context, path: &Path) -> Result<Manifest, Failure> {
    let text = text_of(path).map_err(|error| unreadable(path, &error))?;
    let source = Source::new(path.display().to_string(), text);
    let checked = manifest::check(source, Tier::Three, jiff::tz::db(), Timestamp::now());
    checked.into_result().map_err(|problems| {
        tell(&listed(&problems, context.error_style, Tone::Bad));
        Failure::Told(Exit::Failed)
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
}

/// The services that are programs of their own, the primary first: what differs only by its times
/// and arguments is checked once.
fn programs(manifest: &Manifest) -> Vec<Service> {
    let mut programs: Vec<Service> = Vec::new();
    for service in manifest.services() {
        let is_same = |other: &Service| {
            (&other.entrypoint, &other.image) == (&service.entrypoint, &service.image)
        };
        if !programs.iter().any(is_same) {
            programs.push(service);
        }
    }
    programs
}

fn conform(
    context: &Context,
    subject: &Subject,
    options: Options,
    is_shown: bool,
) -> Result<Report, Failure> {
    let unit = &subject.service.unit;
    let mut shown = Ok(());
    let checks = tessera_conform::conform(subject, options, |check| {
        if is_shown && shown.is_ok() {
            shown = print(&line(context, unit, check));
        }
    });
    // Its folders and containers are gone by now.
    interrupt::end_if_pressed("the checks above are all that were made")?;
    shown?;
    let checks = checks.map_err(|error| Failure::Failed {
        message: format!("{unit} cannot be checked: {error}"),
        details: Vec::new(),
    })?;
    let conforms = !checks.iter().any(|check| check.verdict.is_failed());
    let (name, service) = (subject.tenant.clone(), subject.service.suffix.clone());
    Ok(Report { name, service, conforms, checks })
}

/// One check: a line, and below it what to do.
fn line(context: &Context, unit: &str, check: &Check) -> String {
    let Check { check, what, verdict } = check;
    let (word, tone, more, remedy) = match verdict {
        Verdict::Ok => ("ok", Tone::Good, String::new(), None),
        Verdict::Failed { seen, remedy } => {
            ("failed", Tone::Bad, format!(": {seen}"), Some(remedy))
        }
        Verdict::Skipped { why } => ("skipped", Tone::Quiet, format!(": {why}"), None),
    };
    let style = context.style;
    let word = style.paint(tone, word);
    let mut text = format!("{unit}: {word}: {check}: {what}{}\n", printable(&more));
    if let Some(remedy) = remedy {
        text += &format!("  {} {remedy}\n", style.paint(Tone::Strong, "remedy:"));
    }
    text
}
