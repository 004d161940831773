//! The seeded bugs: a build of the simulation with all of them, which has to find each.

use std::process::Command;

use crate::arguments::TestOptions;
use crate::project::{self, Project};

/// The crate whose tests this is one of.
pub(crate) const PACKAGE: &str = "tessera-sim";

/// Looks for each bug, and says which were found, when, and by what.
pub(crate) fn run(project: &Project, options: &TestOptions) -> anyhow::Result<()> {
    println!("plants each seeded bug in turn, and runs seeds of the simulation until one fails");
    project::run(command(project, options))
}

/// As tests are built, but in a build of its own: nothing else may have the bugs in it.
fn command(project: &Project, options: &TestOptions) -> Command {
    let mut command = project.cargo(["test", "--quiet", "-p", PACKAGE, "--features", "bugs"]);
    command.args(["--test", "bugs"]);
    if options.release {
        command.arg("--release");
    }
    command.args(["--", "--nocapture"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_as_the_other_tests_are() {
        let words = |release| {
            let options = TestOptions { release, ..TestOptions::default() };
            let command = command(&Project::locate(), &options);
            command.get_args().map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(words(true).contains(&"--release".to_owned()));
        assert!(!words(false).contains(&"--release".to_owned()));
    }
}
