//! The differential oracle: what a script comes to with one thing going wrong, against what
//! it comes to when nothing does.

use std::sync::Arc;

use crate::boundary::Boundary;
use crate::config::{Config, Failure, Outcome};
use crate::script::Script;
use crate::sim::run;

/// A script, and what it comes to when nothing goes wrong.
#[derive(Clone, Debug)]
pub struct Reference {
    script: Arc<Script>,
    outcome: Outcome,
}

impl Reference {
    /// Runs a script without faults.
    ///
    /// # Errors
    /// [`Failure`] when it does not end well even so.
    pub fn of(script: Script) -> Result<Self, Failure> {
        let script = Arc::new(script);
        let outcome = run(Config::of_script(Arc::clone(&script)))?;
        Ok(Self { script, outcome })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.script.name
    }

    /// What it came to.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Every place at which something can go wrong.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Boundary> {
        self.outcome.counts.boundaries()
    }

    /// Runs it again with this going wrong, and compares.
    ///
    /// # Errors
    /// [`Failure`] when an invariant does not hold, or when it ends otherwise.
    pub fn compare(&self, boundary: Boundary) -> Result<Outcome, Failure> {
        let config = Config::of_script(Arc::clone(&self.script));
        self.compare_with(Config { boundary: Some(boundary), tells_all: true, ..config })
    }

    /// Runs it again as `config` says, and compares.
    ///
    /// # Errors
    /// As for [`Reference::compare`].
    pub fn compare_with(&self, config: Config) -> Result<Outcome, Failure> {
        let seed = config.seed;
        let outcome = run(config)?;
        match self.outcome.story.difference(&outcome.story) {
            None => Ok(outcome),
            Some(what) => {
                let what = format!("it ends otherwise: {what}");
                Err(Failure { seed, what, trace: outcome.trace, acts: Vec::new() })
            }
        }
    }
}
