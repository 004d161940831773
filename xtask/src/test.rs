//! `cargo xtask test`: every test, with what it needs installed first.

use std::process::Command;
use std::time::Instant;

use anyhow::bail;
use tessera_testkit::{PARTS_VARIABLE, QUADLET_VARIABLE};

use crate::arguments::TestOptions;
use crate::bugs;
use crate::metadata::Metadata;
use crate::parts::{self, Provision};
use crate::project::{self, Project};
use crate::walkthrough;

/// Where properties take their cases from. The verdict of a run depends on the commit alone; other
/// cases are tried with `PROPTEST_RNG_SEED` set to another number.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "1");

/// One part of a run and how it ended.
struct Stage {
    name: &'static str,
    outcome: Outcome,
}

enum Outcome {
    Passed { seconds: f64 },
    Failed(String),
    NotRun(&'static str),
}

/// Runs all that the options select, and sums up at the end.
pub(crate) fn run(project: &Project, options: &TestOptions) -> anyhow::Result<()> {
    let provision = parts::provide()?;
    let metadata = Metadata::load(project)?;
    // Tests start each other's programs, so all of them are built first.
    walkthrough::build(project, options.release)?;
    let stages = [
        stage("tests", || project::run(runner(project, options, &provision))),
        doc_tests(project, options, &metadata),
        seeded_bugs(project, options),
        walkthroughs(project, options, &provision, &metadata),
    ];
    sum_up(&stages, &provision);
    let count = |wanted: fn(&Outcome) -> bool| stages.iter().filter(|s| wanted(&s.outcome)).count();
    let passed = count(|outcome| matches!(outcome, Outcome::Passed { .. }));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    println!("stages: {passed} passed, {failed} failed");
    if failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn doc_tests(project: &Project, options: &TestOptions, metadata: &Metadata) -> Stage {
    const NAME: &str = "doc tests";
    if !options.runner.is_empty() {
        return Stage { name: NAME, outcome: Outcome::NotRun("the runner's arguments narrow it") };
    }
    let has_library = |name: &String| metadata.member(name).is_some_and(|package| package.library);
    let packages: Vec<_> = options.packages.iter().filter(|name| has_library(name)).collect();
    if packages.is_empty() && !options.packages.is_empty() {
        return Stage { name: NAME, outcome: Outcome::NotRun("the packages have no library") };
    }
    let mut command = project.cargo(["test", "--doc", "--no-fail-fast", "--quiet"]);
    select(&mut command, packages.into_iter(), options.release);
    stage(NAME, || project::run(command))
}

fn seeded_bugs(project: &Project, options: &TestOptions) -> Stage {
    const NAME: &str = "seeded bugs";
    let is_of_others =
        !options.packages.is_empty() && !options.packages.iter().any(|name| name == bugs::PACKAGE);
    if is_of_others || !options.runner.is_empty() {
        return Stage { name: NAME, outcome: Outcome::NotRun("the run is narrowed down") };
    }
    stage(NAME, || bugs::run(project, options))
}

fn walkthroughs(
    project: &Project,
    options: &TestOptions,
    provision: &Provision,
    metadata: &Metadata,
) -> Stage {
    const NAME: &str = "walkthroughs";
    if !options.packages.is_empty() || !options.runner.is_empty() {
        return Stage { name: NAME, outcome: Outcome::NotRun("the run is narrowed down") };
    }
    stage(NAME, || {
        let binaries = walkthrough::binaries(metadata, options.release);
        walkthrough::run(project, &[], &binaries, |part| provision.has(part))
    })
}

fn stage(name: &'static str, work: impl FnOnce() -> anyhow::Result<()>) -> Stage {
    println!("\n== {name}");
    let begin = Instant::now();
    let outcome = match work() {
        Ok(()) => Outcome::Passed { seconds: begin.elapsed().as_secs_f64() },
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    Stage { name, outcome }
}

/// nextest where it is installed; a new contributor has only cargo itself.
fn runner(project: &Project, options: &TestOptions, provision: &Provision) -> Command {
    let has_nextest = project.cargo(["nextest", "--version"]).output();
    let mut command = if has_nextest.is_ok_and(|output| output.status.success()) {
        project.cargo(["nextest", "run", "--no-fail-fast"])
    } else {
        project.cargo(["test", "--tests", "--no-fail-fast"])
    };
    select(&mut command, options.packages.iter(), options.release);
    command.args(&options.runner).env(PARTS_VARIABLE, provision.names());
    if let Some(quadlet) = tessera_testkit::quadlet() {
        command.env(QUADLET_VARIABLE, quadlet);
    }
    if std::env::var_os(SEED.0).is_none() {
        command.env(SEED.0, SEED.1);
    }
    command
}

fn select<'a>(command: &mut Command, packages: impl Iterator<Item = &'a String>, release: bool) {
    let mut packages = packages.peekable();
    if packages.peek().is_none() {
        command.arg("--workspace");
    }
    for package in packages {
        command.args(["-p", package]);
    }
    if release {
        command.arg("--release");
    }
}

fn sum_up(stages: &[Stage], provision: &Provision) {
    println!("\n== summary");
    for Stage { name, outcome } in stages {
        match outcome {
            Outcome::Passed { seconds } => println!("{name}: passed ({seconds:.1} s)"),
            Outcome::Failed(why) => println!("{name}: failed: {why}"),
            Outcome::NotRun(why) => println!("{name}: not run, since {why}"),
        }
    }
    for part in &provision.missing {
        println!("skipped: {} (no {}: {})", part.skipped, part.name, part.install.by_hand());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<&str> {
        command.get_args().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn packages_take_the_place_of_the_workspace() {
        let (mut all, mut some) = (Command::new("cargo"), Command::new("cargo"));
        select(&mut all, [].iter(), true);
        select(&mut some, ["a".to_owned(), "b".to_owned()].iter(), false);
        assert_eq!(words(&all), ["--workspace", "--release"]);
        assert_eq!(words(&some), ["-p", "a", "-p", "b"]);
    }

    #[test]
    fn the_runner_is_told_the_parts_and_gets_its_arguments_last() {
        let options = TestOptions { runner: vec!["my_test".into()], ..TestOptions::default() };
        let part = tessera_testkit::find("busybox").unwrap();
        let provision = Provision { present: vec![part], missing: Vec::new() };
        let command = runner(&Project::locate(), &options, &provision);
        assert_eq!(words(&command).last(), Some(&"my_test"));
        let told = command.get_envs().find(|(name, _)| *name == PARTS_VARIABLE).unwrap().1;
        assert_eq!(told, Some("busybox".as_ref()));
    }
}
