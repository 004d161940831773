//! Documents are read as the specification says, and what is wrong with one is said at its place.

#![expect(
    clippy::disallowed_methods,
    reason = "the core does no I/O, and this test reads the specification's files"
)]

mod differential;
mod graph;
mod content;
mod hostile;
mod messages;
mod specification;

use std::fs;
use std::path::{Path, PathBuf};

use tessera_workflow::reading::{Format, Reading, Source, read};

/// A folder of the specification's material.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specification").join(name)
}

/// The files of a folder with this extension, by their names.
fn files(name: &str, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no files in {name}");
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(file).collect()
}

/// Reads YAML; what is wrong as `line:column: code: message: hint`.
fn reading(name: &str, text: &str) -> Result<Reading, Vec<String>> {
    let said = |problem: tessera_manifest::Problem| {
        let hint = problem.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        format!("{}:{}: {}: {}{hint}", problem.line, problem.column, problem.code, problem.message)
    };
    read(Source::new(name, text), Format::Yaml)
        .map_err(|problems| problems.into_iter().map(said).collect())
}
