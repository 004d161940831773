//! `cargo xtask sim`: builds the simulation for release and runs it with the arguments as
//! they are. Only its own crates are built: it starts no other program.

use anyhow::Context;

use crate::project::Project;

/// What the program says of wrong arguments, as every command here.
const USAGE_ERROR: i32 = 2;
/// What it says where something is wrong.
const FOUND: i32 = 1;

pub(crate) fn run(project: &Project, arguments: &[String]) -> anyhow::Result<()> {
    let status = project.cargo(words(arguments)).status().context("cannot start cargo")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(USAGE_ERROR) => std::process::exit(USAGE_ERROR),
        Some(FOUND) => anyhow::bail!("the simulation has found something"),
        _ => anyhow::bail!("the simulation could not be built, or was ended ({status})"),
    }
}

/// What cargo is told. `--bugs` looks for the seeded bugs, which only their feature compiles in.
fn words(arguments: &[String]) -> Vec<&str> {
    const RUN: [&str; 5] = ["run", "--quiet", "--release", "--package", "tessera-sim"];
    let arguments = arguments.iter().map(String::as_str);
    let (bugs, others): (Vec<_>, Vec<_>) = arguments.partition(|word| *word == "--bugs");
    let mut words = RUN.to_vec();
    match bugs.is_empty() {
        true => words.push("--"),
        false => words.extend(["--features", "bugs", "--", "bugs"]),
    }
    words.extend(others);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_the_seeded_bugs_gets_a_build_with_them() {
        let line = |text: &str| {
            let arguments: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            words(&arguments).join(" ")
        };
        let run = "run --quiet --release --package tessera-sim";
        assert_eq!(line("--seeds 5"), format!("{run} -- --seeds 5"));
        let bugs = format!("{run} --features bugs -- bugs --seeds-max 9");
        assert_eq!(line("--bugs --seeds-max 9"), bugs);
    }
}
