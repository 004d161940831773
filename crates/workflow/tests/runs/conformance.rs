//! Runs features: those of the specification's conformance kit, and our own in the same form.

use std::path::Path;

use crate::support::gherkin::feature;

fn features(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|it| it == "feature"));
    let read = |file: &std::path::PathBuf| std::fs::read_to_string(file).unwrap();
    files.iter().map(|file| (file.display().to_string(), read(file))).collect()
}

fn run(folder: &str) -> usize {
    let mut scenarios = 0;
    for (name, text) in features(folder) {
        scenarios += feature(&text, &|plan| plan).unwrap_or_else(|why| panic!("{name}\n{why}"));
    }
    scenarios
}

#[test]
fn the_conformance_kit_passes() {
    // The kit comes with the copy of the specification.
    run("specification/ctk");
}

#[test]
fn our_own_features_pass() {
    assert!(run("features") > 0);
}
