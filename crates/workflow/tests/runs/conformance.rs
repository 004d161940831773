//! Runs features: those of the specification's conformance kit, and our own in the same form.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::support::documents::workflow;
use crate::support::gherkin::{Ran, feature};
use crate::support::world::plan;

/// The features of a folder, by their names.
fn features(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|it| it == "feature"));
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), std::fs::read_to_string(file).unwrap())).collect()
}

/// Runs the features of a folder. Gives how many scenarios each has.
fn run(folder: &str) -> Vec<(String, usize)> {
    let mut failed = String::new();
    let ran = features(folder).into_iter().map(|(name, text)| {
        let scenarios = feature(&text, &execute).unwrap_or_else(|why| {
            failed.push_str(&format!("{name}\n{why}"));
            0
        });
        (name, scenarios)
    });
    let ran = ran.collect();
    assert!(failed.is_empty(), "{failed}");
    ran
}

/// Runs a document in a world where every effect gives null.
fn execute(document: &str, input: Json) -> Ran {
    let world = plan(workflow(document), input).run();
    Ran { outcome: world.machine.outcome().cloned(), observations: world.observations }
}

#[test]
fn the_conformance_kit_passes() {
    let ran = run("specification/ctk");
    let ran: Vec<_> = ran.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected = [
        ("branch.feature", 1),
        ("do.feature", 1),
        ("for.feature", 1),
        ("raise.feature", 1),
        ("set.feature", 1),
        ("switch.feature", 3),
    ];
    assert_eq!(ran, expected);
}

#[test]
fn our_own_features_pass() {
    let ran = run("features");
    assert!(!ran.is_empty() && ran.iter().all(|(_, count)| *count > 0), "{ran:?}");
}
