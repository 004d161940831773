//! Documents whose commands are run and whose output is compared.
//!
//! The one idea: what a walkthrough shows is what a reader gets, since every
//! run starts as theirs does: an empty home, the workspace's own programs, no
//! settings. [`document`] says how one is written, [`comparison`] what counts
//! as the same output, and [`shell`] how the commands are run.

mod comparison;
mod document;
mod playback;
mod sandbox;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::metadata::Metadata;
use crate::parts;
use crate::project::{self, Project};
use document::Document;

const FOLDER: &str = "docs/walkthroughs";

/// `cargo xtask walkthrough`: builds the programs, provides the parts, runs.
pub(crate) fn command(project: &Project, names: &[String], release: bool) -> anyhow::Result<()> {
    let provision = parts::provide()?;
    let metadata = Metadata::load(project)?;
    build(project, release)?;
    run(project, names, &binaries(&metadata, release), |part| provision.has(part))
}

/// Builds every program of the workspace.
pub(crate) fn build(project: &Project, release: bool) -> anyhow::Result<()> {
    let mut command = project.cargo(["build", "--workspace", "--bins"]);
    if release {
        command.arg("--release");
    }
    project::run(command)
}

/// The folder that [`build`] leaves the programs in.
pub(crate) fn binaries(metadata: &Metadata, release: bool) -> PathBuf {
    metadata.target_directory.join(if release { "release" } else { "debug" })
}

/// Runs the named documents, or all, one after the other: they start whole
/// systems, and a reader's machine is not shared with another one either.
pub(crate) fn run(
    project: &Project,
    names: &[String],
    binaries: &Path,
    has: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let paths = choose(&find(&project.root.join(FOLDER))?, names)?;
    let (mut passed, mut failed) = (0, 0);
    for path in &paths {
        let begin = Instant::now();
        let shown = project.shown(path);
        match play(project, path, binaries, &has) {
            Ok(Played::Matched) => {
                println!("{shown}: matched ({:.1} s)", begin.elapsed().as_secs_f64());
                passed += 1;
            }
            Ok(Played::Skipped(part)) => println!("{shown}: not run, since {part} is missing"),
            Err(error) => {
                println!("{shown}: failed\n{error:#}");
                failed += 1;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} walkthroughs failed", passed + failed);
    }
    Ok(())
}

enum Played {
    Matched,
    Skipped(String),
}

fn play(
    project: &Project,
    path: &Path,
    binaries: &Path,
    has: impl Fn(&str) -> bool,
) -> anyhow::Result<Played> {
    let shown = project.shown(path).to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let document = Document::parse(&text).map_err(|error| error.at(&shown))?;
    for part in &document.needs {
        if tessera_testkit::find(part).is_none() {
            bail!("{shown}: {}", tessera_testkit::unknown(part));
        }
        if !has(part) {
            return Ok(Played::Skipped(part.clone()));
        }
    }
    let manager = match document.in_user_manager {
        false => None,
        true => match tessera_testkit::user_manager() {
            None => return Ok(Played::Skipped("a user manager of its own".to_owned())),
            Some(manager) => Some(manager.with_journal()),
        },
    };
    playback::play(&document, &shown, &project.root, binaries, manager.as_ref())?;
    Ok(Played::Matched)
}

/// The walkthroughs in the folder, by name. A README there is about them.
fn find(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {FOLDER}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") && name(&path) != "README" {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn choose(paths: &[PathBuf], names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    if names.is_empty() {
        return Ok(paths.to_vec());
    }
    let by_name = |wanted: &String| {
        paths.iter().find(|path| name(path) == *wanted).cloned().with_context(|| {
            let known: Vec<_> = paths.iter().map(|path| name(path)).collect();
            format!("no walkthrough is called '{wanted}': {FOLDER} has [{}]", known.join(", "))
        })
    };
    names.iter().map(by_name).collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_by_name_and_a_readme_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["fleet.md", "README.md", "audit.md", "notes.txt"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let found = find(folder.path()).unwrap();
        assert_eq!(found.iter().map(|path| name(path)).collect::<Vec<_>>(), ["audit", "fleet"]);
        let chosen = choose(&found, &["fleet".to_owned()]).unwrap();
        assert_eq!(chosen, [folder.path().join("fleet.md")]);
        let error = choose(&found, &["flete".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("'flete'") && error.contains("audit, fleet"), "{error}");
    }

    #[test]
    fn a_folder_that_does_not_exist_has_none() {
        assert!(find(Path::new("/no/such/folder")).unwrap().is_empty());
    }
}
