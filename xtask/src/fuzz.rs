//! `cargo xtask fuzz`: hostile input for the parsers, guided by coverage, and for the HTTP API, made
//! from its own documents.
//!
//! The one idea: what fails is told by the path of an input and the command that replays it. What
//! the targets are and where inputs are kept is in fuzz/README.md.

mod campaign;
mod progress;
mod tool;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::arguments::FuzzOptions;
use crate::project::{self, Project};
use crate::{parts, walkthrough};
use campaign::Campaign;

/// The HTTP API, among the names of targets.
const API: &str = "api";
/// Seconds for each target unless told otherwise.
const SHARE: u64 = 60;
/// How long requests are made, for the test that makes them.
const SECONDS_VARIABLE: &str = "TESSERA_FUZZ_API_SECONDS";

/// Does what the options say.
pub(crate) fn run(project: &Project, options: &FuzzOptions) -> anyhow::Result<()> {
    let known = targets(project)?;
    if options.list {
        known.iter().for_each(|name| println!("{name}"));
        println!("{API}");
        return Ok(());
    }
    let unknown = options.targets.iter().find(|name| *name != API && !known.contains(name));
    if let Some(name) = unknown {
        bail!("there is no target '{name}': there are {}, {API}", known.join(", "));
    }
    if options.targets.iter().any(|name| name == API) {
        if options.targets.len() > 1 {
            bail!("{API} is fuzzed by itself");
        }
        if options.jobs.is_some() || options.minimise {
            bail!("--jobs and --minimise are not for {API}, which keeps no inputs");
        }
        return api(project, options.minutes.unwrap_or(1));
    }
    let targets = if options.targets.is_empty() { known } else { options.targets.clone() };
    let binaries = tool::build(project, &targets)?;
    let jobs = campaign::jobs(options.jobs);
    let campaign = Campaign { folder: folder(project), binaries, jobs };
    if options.minimise {
        return targets.iter().try_for_each(|target| campaign.minimise(target));
    }
    let seconds = options.minutes.map_or(SHARE, |minutes| {
        campaign::share(Duration::from_secs(minutes * 60), targets.len(), jobs).as_secs()
    });
    campaign.run(project, &targets, seconds.max(1))
}

/// Makes requests of a real control plane and a real engine, each from its own document.
fn api(project: &Project, minutes: u64) -> anyhow::Result<()> {
    let provision = parts::provide()?;
    if !provision.has("schemathesis") {
        bail!("schemathesis is missing (see above)");
    }
    walkthrough::build(project, false)?;
    let test = ["test", "--package", "tessera-e2e", "--test", "api", "--", "--nocapture"];
    let mut command = project.cargo(test);
    command.env(tessera_testkit::PARTS_VARIABLE, provision.names());
    // One document after the other.
    command.env(SECONDS_VARIABLE, (minutes * 60 / 2).to_string());
    project::run(command)
}

fn folder(project: &Project) -> PathBuf {
    project.root.join("fuzz")
}

/// The names of all targets: of the files that cargo-fuzz builds.
fn targets(project: &Project) -> anyhow::Result<Vec<String>> {
    let folder = folder(project).join("fuzz_targets");
    let entries = std::fs::read_dir(&folder);
    let entries = entries.with_context(|| format!("cannot list {}", folder.display()))?;
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        files.filter_map(|file| file.strip_suffix(".rs").map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_known_by_its_file() {
        let targets = targets(&Project::locate()).unwrap();
        for name in ["body", "expression", "manifest", "workflow"] {
            assert!(targets.iter().any(|target| target == name), "{name}: {targets:?}");
        }
    }

    #[test]
    fn a_target_that_is_not_there_is_named_with_those_that_are() {
        let options = FuzzOptions { targets: vec!["manifets".into()], ..FuzzOptions::default() };
        let error = run(&Project::locate(), &options).unwrap_err().to_string();
        assert!(error.contains("'manifets'") && error.contains("manifest, "), "{error}");
    }
}
