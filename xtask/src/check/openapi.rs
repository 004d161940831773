//! The OpenAPI documents and the client generated from them.
//!
//! Both are checked in; the program `tessera-openapi` writes and compares them.

use crate::project::{self, Project};

const PROGRAM: &[&str] = &["run", "--quiet", "--package", "tessera-openapi"];

/// Writes the documents and the client again.
pub(crate) fn write(project: &Project) -> anyhow::Result<()> {
    project::run(project.cargo(PROGRAM.iter().copied()))
}

/// Fails where what is checked in is not what would be written.
pub(crate) fn check(project: &Project, fix: bool) -> anyhow::Result<()> {
    if !project.root.join("crates/openapi/Cargo.toml").exists() {
        return Ok(());
    }
    if fix {
        return write(project);
    }
    let mut command = project.cargo(PROGRAM.iter().copied());
    command.args(["--", "--check"]);
    project::run(command)
}
