//! The verbs, and what a command line asks for. The set is closed: nothing that a tenant brings can
//! add a verb to it or change what one means.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What can be asked of a tenant's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Does the work once.
    Run,
    /// Says how the tenant is.
    Status,
    /// Does the work without writing anything.
    DryRun,
    /// Applies the migrations that have not been applied.
    Migrate,
}

impl Verb {
    /// All of them, in the order in which people are told.
    pub const ALL: [Self; 4] = [Self::Run, Self::Status, Self::DryRun, Self::Migrate];

    /// The verb as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Status => "status",
            Self::DryRun => "dry-run",
            Self::Migrate => "migrate",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Run => "do the work once",
            Self::Status => "say how the tenant is; with --json for programs",
            Self::DryRun => "do the work without writing anything",
            Self::Migrate => "apply the migrations that have not been applied",
        }
    }
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Help,
    Work { dry: bool, arguments: Vec<OsString> },
    Status { json: bool },
    Migrate,
    Wrong(String),
}

/// Reads a command line, without the program's name.
pub(crate) fn read(words: &[OsString]) -> Call {
    let Some((word, rest)) = words.split_first() else {
        return Call::Wrong("a verb is missing".to_owned());
    };
    let is_help = |word: &OsString| word == "--help" || word == "-h";
    let verb = Verb::ALL.into_iter().find(|verb| word == verb.as_str());
    if is_help(word) || (verb.is_some() && matches!(rest, [only] if is_help(only))) {
        return Call::Help;
    }
    match verb {
        None => Call::Wrong(format!("unknown verb '{}'", word.display())),
        Some(Verb::Run) => Call::Work { dry: false, arguments: rest.to_vec() },
        Some(Verb::DryRun) => Call::Work { dry: true, arguments: rest.to_vec() },
        Some(Verb::Status) => match rest {
            [] => Call::Status { json: false },
            [option] if option == "--json" => Call::Status { json: true },
            [first, second, ..] if first == "--json" => unexpected(Verb::Status, second),
            [first, ..] => unexpected(Verb::Status, first),
        },
        Some(Verb::Migrate) => match rest {
            [] => Call::Migrate,
            [first, ..] => unexpected(Verb::Migrate, first),
        },
    }
}

fn unexpected(verb: Verb, argument: &OsStr) -> Call {
    Call::Wrong(format!("{} does not take '{}'", verb.as_str(), argument.display()))
}

/// How the program is used: the four verbs and nothing else.
pub(crate) fn usage(program: &str) -> String {
    let mut text = format!("usage: {program} VERB\n\n");
    for verb in Verb::ALL {
        let _ = writeln!(text, "  {:<7}  {}", verb.as_str(), verb.help());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(words: &[&str]) -> Call {
        read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_work_gets_the_arguments_behind_its_verb() {
        let arguments = vec![OsString::from("--since"), OsString::from("run")];
        assert_eq!(call(&["dry-run", "--since", "run"]), Call::Work { dry: true, arguments });
    }

    #[test]
    fn the_other_verbs_take_nothing_that_they_do_not_know() {
        assert_eq!(call(&["status", "--json"]), Call::Status { json: true });
        for words in [&["status", "--jsn"][..], &["status", "--json", "x"], &["migrate", "0001"]] {
            assert!(matches!(call(words), Call::Wrong(_)), "{words:?}");
        }
    }

    #[test]
    fn help_is_help_wherever_it_stands_alone() {
        for words in [&["--help"][..], &["-h"], &["run", "--help"], &["migrate", "-h"]] {
            assert_eq!(call(words), Call::Help, "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn no_other_word_is_a_verb(word in "\\PC{0,9}") {
            let known = Verb::ALL.iter().any(|verb| verb.as_str() == word);
            prop_assume!(!known && word != "-h" && word != "--help");
            prop_assert!(matches!(call(&[&word]), Call::Wrong(_)));
        }
    }
}
