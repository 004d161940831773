//! `cargo xtask check`: what must hold of the source besides its tests.
//!
//! Every step runs even after one has failed, so that one run shows all there
//! is to mend; each failure says what to run.

mod direction;
mod effects;
mod licence;
mod links;
pub(crate) mod openapi;
mod planted;
mod rfd;

use std::time::Instant;

use anyhow::bail;

use crate::bugs;
use crate::metadata::Metadata;
use crate::project::{self, Project};

/// One thing that is checked.
struct Step {
    name: &'static str,
    /// What a person does when it fails.
    remedy: &'static str,
    check: fn(&Project, fix: bool) -> anyhow::Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "formatting",
        remedy: "run 'cargo fmt --all' (from 'rustup component add rustfmt')",
        check: formatting,
    },
    Step {
        name: "clippy",
        remedy: "run 'cargo clippy --workspace --all-targets' (from 'rustup component add clippy')",
        check: clippy,
    },
    Step {
        name: "direction of dependencies",
        remedy: "depend the other way round; the rules are in xtask/src/check/direction.rs",
        check: |project, _| direction::check(&Metadata::load(project)?),
    },
    Step {
        name: "effects in cores",
        remedy: "let a shell do it; the rules are in clippy-cores.toml and xtask/src/check/effects.rs",
        check: |project, _| effects::check(project),
    },
    Step {
        name: "seeded bugs",
        remedy: "plant each once, and turn them on in tessera-sim alone; see docs/rfd/0024-seeded-bugs.md",
        check: |project, _| planted::check(project),
    },
    Step {
        name: "licences",
        remedy: "use another crate, or add the licence in xtask/src/check/licence.rs if it suits",
        check: |project, _| licence::check(&Metadata::load(project)?),
    },
    Step {
        name: "licences of fuzzing",
        remedy: "run 'cargo xtask check --fix' where fuzz/Cargo.lock is out of date",
        check: |project, fix| licence::check(&Metadata::load_fuzz(project, fix)?),
    },
    Step {
        name: "OpenAPI drift",
        remedy: "run 'cargo xtask openapi' and commit what changed",
        check: openapi::check,
    },
    Step {
        name: "docs build",
        remedy: "run 'RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps'",
        check: docs_build,
    },
    Step {
        name: "links",
        remedy: "correct the links named above",
        check: |project, _| links::check(project),
    },
    Step {
        name: "RFD list",
        remedy: "list them in docs/rfd/README.md",
        check: |project, _| rfd::check(project),
    },
];

/// Runs every step; with `fix`, those that can mend what they find do so.
pub(crate) fn run(project: &Project, fix: bool) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for step in STEPS {
        let begin = Instant::now();
        let result = (step.check)(project, fix);
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("check: {}: ok ({seconds:.1} s)", step.name),
            Err(error) => {
                println!("check: {}: failed ({seconds:.1} s)\n{error:#}", step.name);
                failed.push(step);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    println!();
    for step in &failed {
        println!("to mend {}: {}", step.name, step.remedy);
    }
    bail!("{} of {} checks failed", failed.len(), STEPS.len())
}

fn formatting(project: &Project, fix: bool) -> anyhow::Result<()> {
    let arguments: &[&str] = if fix { &["fmt", "--all"] } else { &["fmt", "--all", "--check"] };
    project::run(project.cargo(arguments.iter().copied()))
}

fn clippy(project: &Project, fix: bool) -> anyhow::Result<()> {
    let fixing: &[&str] = if fix { &["--fix", "--allow-dirty", "--allow-staged"] } else { &[] };
    // The seeded bugs are in no other build.
    let bugs = ["-p", bugs::PACKAGE, "--features", "bugs"];
    [&["--workspace"][..], &bugs].into_iter().try_for_each(|what| {
        let mut command = project.cargo(["clippy", "--all-targets"]);
        command.args(what).args(fixing).args(["--", "-D", "warnings"]);
        project::run(command)
    })
}

fn docs_build(project: &Project, _fix: bool) -> anyhow::Result<()> {
    let mut command = project.cargo(["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    project::run(command)
}

/// An error that lists all findings, or none where there are none.
fn none_of(findings: &[String]) -> anyhow::Result<()> {
    if findings.is_empty() { Ok(()) } else { bail!("  {}", findings.join("\n  ")) }
}
