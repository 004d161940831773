//! The command line: words in, a [`Command`] out.

/// What `cargo xtask` prints of itself.
pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [-p CRATE]... [--release] [-- ARG...]
        run every test, the doc tests, the seeded bugs and the walkthroughs;
        installs what they need where it may. With -p or ARGs (which go to the
        test runner), only what they select.
  check [--fix]
        formatting, clippy, direction of dependencies, seeded bugs, licences,
        OpenAPI drift, docs build, links and RFD list. --fix mends what it can.
  walkthrough [--release] [NAME]...
        run the documents in docs/walkthroughs, or those named
  openapi
        write the OpenAPI documents and the generated client again
  sim [--seeds N] [--from S] | --seed S | --boundaries | --bugs
        run seeds of the simulation on all cores, one of them with its trace,
        every scenario with one thing going wrong at each place where it can, or
        seeds with each seeded bug until one finds it; sim --help has the rest
  bench [NAME]... [--json FILE]
        measure the release build: apply (latency), idle (memory, processor)";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Test(TestOptions),
    Check {
        fix: bool,
    },
    Walkthrough {
        names: Vec<String>,
        release: bool,
    },
    Openapi,
    /// The simulation, with these arguments.
    Sim(Vec<String>),
    /// Another program of the workspace, with these arguments.
    Tool {
        package: &'static str,
        arguments: Vec<String>,
    },
}

/// What narrows or changes a test run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TestOptions {
    /// Only these packages; all where empty.
    pub(crate) packages: Vec<String>,
    /// Test the release build.
    pub(crate) release: bool,
    /// Passed to the test runner as they are.
    pub(crate) runner: Vec<String>,
}

/// Reads the words after `cargo xtask`; the error says which word is wrong.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut words = words.into_iter();
    match words.next().as_deref() {
        None | Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some("test") => test(words),
        Some("check") => check(words),
        Some("walkthrough") => walkthrough(words),
        Some("openapi") => match words.next() {
            None => Ok(Command::Openapi),
            Some(word) => Err(unexpected("openapi", &word)),
        },
        Some("sim") => Ok(Command::Sim(words.collect())),
        Some("bench") => Ok(tool("tessera-bench", words)),
        Some(other) => Err(format!("there is no command '{other}'")),
    }
}

fn tool(package: &'static str, words: impl Iterator<Item = String>) -> Command {
    Command::Tool { package, arguments: words.collect() }
}

fn test(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = TestOptions::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-p" | "--package" => {
                options.packages.push(words.next().ok_or("-p needs the name of a crate")?);
            }
            "--release" => options.release = true,
            "--" => options.runner = words.by_ref().collect(),
            _ => {
                return Err(format!(
                    "{} (runner arguments go after '--')",
                    unexpected("test", &word)
                ));
            }
        }
    }
    Ok(Command::Test(options))
}

fn check(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut fix = false;
    for word in words {
        match word.as_str() {
            "--fix" => fix = true,
            _ => return Err(unexpected("check", &word)),
        }
    }
    Ok(Command::Check { fix })
}

fn walkthrough(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut names, mut release) = (Vec::new(), false);
    for word in words {
        match word.as_str() {
            "--release" => release = true,
            option if option.starts_with('-') => return Err(unexpected("walkthrough", option)),
            _ => names.push(word),
        }
    }
    Ok(Command::Walkthrough { names, release })
}

fn unexpected(command: &str, word: &str) -> String {
    format!("'{command}' does not take '{word}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_stands_after_two_dashes_goes_to_the_runner_unread() {
        let command = parse_line("test -p tessera-store --release -- --release -p x").unwrap();
        let expected = TestOptions {
            packages: vec!["tessera-store".into()],
            release: true,
            runner: ["--release", "-p", "x"].map(String::from).to_vec(),
        };
        assert_eq!(command, Command::Test(expected));
    }

    #[test]
    fn no_word_at_all_is_a_question_for_help() {
        assert_eq!(parse_line(""), Ok(Command::Help));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for line in ["tset", "test mine", "check --fixx", "walkthrough --debug", "openapi now"] {
            let word = line.split(' ').next_back().unwrap();
            assert!(parse_line(line).unwrap_err().contains(word), "{line}");
        }
        assert!(parse_line("test -p").unwrap_err().contains("-p"));
    }
}
