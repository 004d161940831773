//! What the documentation says is true of the code: its manifests can be declared, its bodies can
//! be read, its errors are those that a reader gets, and its pictures have the arrows of the state
//! machines.
//!
//! `docs/reference/README.md` tells writers how code blocks are marked.

#![expect(
    clippy::disallowed_methods,
    reason = "the core does no I/O, and this test reads the docs"
)]

mod blocks;
mod markdown;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the workspace.
fn text(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder of the workspace, as paths from its root.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
