//! `tenant check`: all that is wrong with manifests of tenants.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use tessera_manifest::{Problem, Source};
use tessera_tenant::manifest::{self, Checked, Tier};

use crate::cli::Format;
use crate::context::{Context, json, print};
use crate::exit::Exit;
use crate::failure::{Failure, listed, warned};
use crate::style::Tone;

/// How deep folders are searched.
const DEPTH_MAX: usize = 8;

/// Which manifests are checked, and as what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Manifests; of a folder each tessera-tenant.toml in it and below
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What they must be: 2, a data contract; 3, one with a lifecycle
    #[arg(long, value_name = "TIER", default_value = "2", value_parser = ["2", "3"])]
    tier: String,
    /// How to print, as -o table and -o json
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Printed>,
}

/// The formats by their names in CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Printed {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What there is to say of a manifest.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    name: Option<String>,
    tier: Option<Tier>,
    valid: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let is_json = arguments.format.map_or(format == Format::Json, |it| it == Printed::Json);
    let required = if arguments.tier == "3" { Tier::Three } else { Tier::Two };
    let mut files = Vec::new();
    for path in &arguments.paths {
        files.extend(manifests_of(path)?);
    }
    let reports: Vec<_> =
        files.iter().map(|file| report(file, required)).collect::<Result<_, Failure>>()?;
    match is_json {
        true => print(&json(&reports)?)?,
        false => reports.iter().try_for_each(|report| show(context, report))?,
    }
    match reports.iter().all(|report| report.valid) {
        true => Ok(()),
        false => Err(Failure::Told(Exit::Failed)),
    }
}

/// The manifests that a path stands for, by their names.
fn manifests_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable =
        |error: io::Error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    if !path.metadata().map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    search(path, DEPTH_MAX, &mut found).map_err(unreadable)?;
    if found.is_empty() {
        let message = format!("there is no {} in {}", manifest::FILE_NAME, path.display());
        return Err(Failure::usage_with(message, "name a manifest, or another folder"));
    }
    found.sort();
    Ok(found)
}

/// Hidden folders, such as those of version control, have none, and links are not followed.
fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !is_hidden && depth > 1 {
            search(&path, depth - 1, found)?;
        } else if entry.file_name() == manifest::FILE_NAME && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn report(path: &Path, required: Tier) -> Result<Report, Failure> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{file} cannot be read: {error}")))?;
    let source = Source::new(file.clone(), text);
    let Checked { manifest, tier, problems, warnings } =
        manifest::check(source, required, jiff::tz::db(), Timestamp::now());
    let name = manifest.map(|manifest| manifest.name.to_string());
    Ok(Report { file, name, tier, valid: problems.is_empty(), problems, warnings })
}

fn show(context: &Context, report: &Report) -> Result<(), Failure> {
    let Report { file, problems, warnings, .. } = report;
    let verdict = match (problems.len(), report.tier) {
        (0, Some(tier)) => format!("valid, {tier}"),
        (1, _) => "1 problem".to_owned(),
        (count, _) => format!("{count} problems"),
    };
    let style = context.style;
    let warnings = warned(warnings, style);
    print(&format!("{}{warnings}{file}: {verdict}\n", listed(problems, style, Tone::Bad)))
}
