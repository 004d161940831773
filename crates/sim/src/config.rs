//! What a run is like, and what comes of it.

use std::fmt;
use std::sync::Arc;

use tessera_types::Duration;

use crate::acts::{Act, Selection};
use crate::boundary::{Boundary, Counts};
use crate::script::Script;
use crate::story::Story;

/// Says what is wrong with what happened so far, if anything is.
pub type Never = fn(&[String]) -> Option<String>;

/// What a run is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// The seed; the same seed is the same run.
    pub seed: u64,
    /// Machines.
    pub nodes: u64,
    /// How long people and fate are active.
    pub busy: Duration,
    /// How long everything then has to come to be.
    pub calm: Duration,
    /// Whether there are faults.
    pub faults: bool,
    /// Which of the acts that the seed has take place.
    pub acts: Selection,
    /// What people do, in the place of what the seed lets them do.
    pub script: Option<Arc<Script>>,
    /// The one thing that goes wrong, beside what the seed lets go wrong.
    pub boundary: Option<Boundary>,
    /// Whether the trace has every change of a status.
    pub tells_all: bool,
    /// Whether every commit goes into the digest of the story.
    pub digests: bool,
    /// A further invariant, over the trace.
    pub never: Option<Never>,
}

impl Config {
    /// The usual run of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            nodes: 2 + seed % 4,
            busy: Duration::from_secs(600),
            calm: Duration::from_secs(900),
            faults: !seed.is_multiple_of(7),
            acts: Selection::All,
            script: None,
            boundary: None,
            tells_all: false,
            digests: false,
            never: None,
        }
    }

    /// What people do is this, and nothing goes wrong.
    #[must_use]
    pub fn of_script(script: Arc<Script>) -> Self {
        let (nodes, busy, calm) = (script.nodes, script.busy, script.calm);
        Self { nodes, busy, calm, faults: false, script: Some(script), ..Self::of_seed(0) }
    }

    /// The options that make it out of its seed.
    #[must_use]
    pub fn options(&self) -> String {
        let usual = Self::of_seed(self.seed);
        let mut words = vec![format!("--seed {}", self.seed)];
        match &self.acts {
            Selection::All => {}
            Selection::Without(acts) => words.push(format!("--without {acts}")),
            Selection::Only(acts) => words.push(format!("--only '{acts}'")),
        }
        if self.nodes != usual.nodes {
            words.push(format!("--nodes {}", self.nodes));
        }
        if self.busy != usual.busy {
            words.push(format!("--until {}", self.busy));
        }
        words.join(" ")
    }
}

/// What a run without a failure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events.
    pub events: u64,
    /// Commits.
    pub revision: u64,
    /// What happened, line by line.
    pub trace: Vec<String>,
    /// What was committed, and what there is in the end.
    pub story: Story,
    /// How many places there were at which something could have gone wrong.
    pub counts: Counts,
    /// The acts that took place.
    pub acts: Vec<Act>,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that replays it.
    pub seed: u64,
    /// Which.
    pub what: String,
    /// The last lines of what happened.
    pub trace: Vec<String>,
    /// The acts that took place.
    pub acts: Vec<Act>,
}

impl Failure {
    /// The invariant, without who broke it and when: names and numbers are left out.
    #[must_use]
    pub fn class(&self) -> String {
        let is_word = |word: &&str| word.chars().all(|one| one.is_alphabetic() || one == ',');
        self.what.split_whitespace().filter(is_word).take(8).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        self.trace.iter().rev().take(60).rev().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
