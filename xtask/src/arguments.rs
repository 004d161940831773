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
  fuzz [TARGET]... [--minutes N] [--jobs N] [--minimise | --list]
        give hostile input to the parsers under libFuzzer, a minute each unless
        told how long all together, two at a time unless told otherwise; see
        fuzz/README.md
  fuzz api [--minutes N]
        make requests from the OpenAPI documents, with schemathesis
  openapi
        write the OpenAPI documents and the generated client again
  sim [--seeds N] [--from S] | --seed S | --boundaries | --bugs
        run seeds of the simulation on all cores, one of them with its trace,
        every scenario with one thing going wrong at each place where it can, or
        seeds with each seeded bug until one finds it; sim --help has the rest
  bench [NAME]... [--json FILE] [--scale N] [--folder FOLDER] [--tesseractl]
        measure the release build against the aims in docs/performance.md
  bench --list | --compare A.json B.json
        what is measured; two runs side by side
  chaos [--minutes N] [--seed S] [--json FILE]
        hurt the release build for some minutes, and look at what became of it";

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
    Fuzz(FuzzOptions),
    Openapi,
    /// The simulation, with these arguments.
    Sim(Vec<String>),
    /// Another program of the workspace, with these arguments.
    Tool {
        package: &'static str,
        arguments: Vec<String>,
    },
}

/// What is fuzzed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FuzzOptions {
    /// These targets; all where empty. `api` is the HTTP API.
    pub(crate) targets: Vec<String>,
    /// How long, all targets together.
    pub(crate) minutes: Option<u64>,
    /// How many run at the same time.
    pub(crate) jobs: Option<usize>,
    /// Make the corpora small again, with what was found.
    pub(crate) minimise: bool,
    /// Only say what there is.
    pub(crate) list: bool,
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
        Some("fuzz") => fuzz(words),
        Some("openapi") => match words.next() {
            None => Ok(Command::Openapi),
            Some(word) => Err(unexpected("openapi", &word)),
        },
        Some("sim") => Ok(Command::Sim(words.collect())),
        Some("bench") => Ok(tool("tessera-bench", words)),
        Some("chaos") => Ok(tool("tessera-chaos", words)),
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

fn fuzz(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = FuzzOptions::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => {
                let minutes = words.next().and_then(|word| word.parse().ok());
                let minutes = minutes.filter(|minutes| *minutes > 0);
                options.minutes = Some(minutes.ok_or("--minutes needs a whole number of them")?);
            }
            "--jobs" => {
                let jobs = words.next().and_then(|word| word.parse().ok());
                let jobs = jobs.filter(|jobs| *jobs > 0);
                options.jobs = Some(jobs.ok_or("--jobs needs a whole number of them")?);
            }
            "--minimise" => options.minimise = true,
            "--list" => options.list = true,
            option if option.starts_with('-') => return Err(unexpected("fuzz", option)),
            _ => options.targets.push(word),
        }
    }
    Ok(Command::Fuzz(options))
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
    fn targets_and_minutes_come_in_any_order() {
        let targets = vec!["body".to_owned(), "run".to_owned()];
        let minutes = Some(20);
        let options = FuzzOptions { targets, minutes, jobs: Some(1), ..FuzzOptions::default() };
        assert_eq!(parse_line("fuzz body --minutes 20 --jobs 1 run"), Ok(Command::Fuzz(options)));
        for line in ["--minutes", "--minutes 0", "--minutes soon", "--hours", "--jobs 0", "--jobs"]
        {
            let line = format!("fuzz {line}");
            assert!(parse_line(&line).is_err(), "{line}");
        }
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
