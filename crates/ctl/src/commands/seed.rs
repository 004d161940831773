//! `seed`: definitions from files into the catalogue, all of them or none.

use std::path::PathBuf;

use clap::Args;
use tessera_client::{Error, call};
use tessera_types::booking::{SeedRequest, SeedResponse};

use crate::cli::Format;
use crate::context::{Context, json, print, tell, yaml};
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::manifests::{Declaration, Sources};
use crate::show::change::KEY_TONE;
use crate::style::{Tone, printable};

/// Load definitions into the catalogue, all of them or none
///
/// Of a folder and the folders in it the files that end in .yaml, .yml, .json or .toml
/// are read, by name. The same again changes nothing. What was seeded is changed only by
/// seeding it with a higher version.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A folder, a file, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Remove what was seeded before and is not among them
    #[arg(long)]
    prune: bool,
    /// Only show what would come of it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let sources = Sources { paths: arguments.paths.clone(), recursive: true };
    let declarations = context.read_manifests(sources).await?;
    check(&declarations)?;
    let request = SeedRequest {
        manifests: declarations.iter().map(|declaration| declaration.manifest.clone()).collect(),
        prune: arguments.prune,
        dry_run: arguments.dry_run,
    };
    let response = bounded("seed", call(context.api.seed(&request))).await;
    let response = response.map_err(|error| placed(error, &declarations))?;
    for warning in &response.warnings {
        let word = context.error_style.paint(Tone::Busy, "warning");
        tell(&format!("{word}: {}\n", printable(&with_place(warning, &declarations))));
    }
    match format {
        Format::Json => print(&json(&response)?),
        Format::Yaml => print(&yaml(&response)?),
        _ => print(&told(context, &response, arguments.dry_run)),
    }
}

/// Only definitions are seeded.
fn check(declarations: &[Declaration]) -> Result<(), Failure> {
    let Some(other) = declarations.iter().find(|it| !it.key.kind.is_definition()) else {
        return Ok(());
    };
    let message = format!("{}: {} is not a definition", other.at, other.key);
    Err(Failure::usage_with(message, "seed definitions only; declare the rest with `apply`"))
}

/// The same refusal with the files of the definitions that it is about.
fn placed(error: Error, declarations: &[Declaration]) -> Failure {
    let Error::Refused(mut problem) = error else { return error.into() };
    let at = |key: &str| declarations.iter().find(|it| it.key.to_string() == key).map(|it| &it.at);
    match problem.instance.as_deref().and_then(at) {
        Some(at) => problem.detail = format!("{at}: {}", problem.detail),
        None => {
            for invalid in &mut problem.invalid {
                let key = invalid.path.split_once(": ").map(|(key, _)| key);
                if let Some(at) = key.and_then(at) {
                    invalid.path = format!("{at}: {}", invalid.path);
                }
            }
        }
    }
    Failure::Api(Error::Refused(problem))
}

/// A warning with the file of the definition that it is about.
fn with_place(warning: &str, declarations: &[Declaration]) -> String {
    let key = warning.split_once(": ").map(|(key, _)| key);
    match declarations.iter().find(|it| key == Some(&it.key.to_string())) {
        Some(declaration) => format!("{}: {warning}", declaration.at),
        None => warning.to_owned(),
    }
}

fn told(context: &Context, response: &SeedResponse, is_dry: bool) -> String {
    let would = if is_dry { "would be " } else { "" };
    let line =
        |key: &str, what: &str| format!("{} {would}{what}\n", context.style.paint(KEY_TONE, key));
    let created = response.created.iter().map(|key| line(&key.to_string(), "created"));
    let updated = response
        .updated
        .iter()
        .map(|(key, [from, to])| line(key, &format!("updated {from} → {to}")));
    let pruned = response.pruned.iter().map(|key| line(&key.to_string(), "removed"));
    let mut text: String = created.chain(updated).chain(pruned).collect();
    if response.unchanged > 0 {
        text.push_str(&format!("{} unchanged\n", response.unchanged));
    }
    text
}
