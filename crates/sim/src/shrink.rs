//! From a run that fails to a smaller one that fails in the same way.
//!
//! The one idea: delta debugging (Zeller, Hildebrandt 2002) over the acts that took place.
//! Each has its own chance, so a run with only some of them is a run like any other; parts
//! are left out as long as it still fails, larger ones first.

use tessera_types::Duration;

use crate::acts::{Act, ActSet, Class, Selection};
use crate::config::{Config, Failure};
use crate::sim::run;

/// What is left when nothing more can be spared.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The run.
    pub config: Config,
    /// How it fails.
    pub failure: Failure,
    /// How many acts the first one had.
    pub acts_before: usize,
    /// How many runs it took to find it.
    pub runs: u32,
}

/// The shortest time that is tried.
const STEP: Duration = Duration::from_secs(1);

/// Looks for a smaller run that fails as `failure` does, with at most `runs_max` runs.
#[must_use]
pub fn shrink(config: &Config, failure: &Failure, runs_max: u32) -> Shrunk {
    let acts_before = failure.acts.len();
    let class = failure.class();
    let (config, failure) = (config.clone(), failure.clone());
    let mut search = Search { best: (config, failure), class, runs: 0, runs_max };
    search.shorten();
    search.spare_classes();
    search.spare_acts();
    search.spare_machines();
    search.shorten();
    let (config, failure) = search.best;
    Shrunk { config, failure, acts_before, runs: search.runs }
}

struct Search {
    best: (Config, Failure),
    class: String,
    runs: u32,
    runs_max: u32,
}

impl Search {
    /// Whether this one fails in the same way; it is the best one then.
    fn still_fails(&mut self, config: Config) -> bool {
        if self.runs >= self.runs_max {
            return false;
        }
        self.runs += 1;
        match run(config.clone()) {
            Err(failure) if failure.class() == self.class => {
                self.best = (config, failure);
                true
            }
            _ => false,
        }
    }

    fn with(&self, change: impl FnOnce(&mut Config)) -> Config {
        let mut config = self.best.0.clone();
        change(&mut config);
        config
    }

    fn only(&self, acts: impl IntoIterator<Item = Act>) -> Config {
        let acts: ActSet = acts.into_iter().collect();
        self.with(|config| config.acts = Selection::Only(acts))
    }

    /// Peace comes as early as it may.
    fn shorten(&mut self) {
        let mut passes = Duration::ZERO;
        let mut fails = self.best.0.busy;
        while fails > passes.plus(STEP) {
            let half = passes.plus(fails).as_millis() / 2 / STEP.as_millis().max(1);
            let half = STEP.times(half).max(passes.plus(STEP)).min(fails);
            if half == fails {
                return;
            }
            match self.still_fails(self.with(|config| config.busy = half)) {
                true => fails = half,
                false => passes = half,
            }
        }
    }

    /// Leaves out all acts of a class at once, where that does.
    fn spare_classes(&mut self) {
        for class in [
            Class::Network,
            Class::Crash,
            Class::Engine,
            Class::Tenant,
            Class::Machine,
            Class::Host,
            Class::Fault,
        ] {
            let acts = self.best.1.acts.clone();
            let kept = acts.iter().copied().filter(|act| act.class != class);
            self.still_fails(self.only(kept));
        }
    }

    fn spare_acts(&mut self) {
        let mut parts = 2;
        loop {
            let acts = self.best.1.acts.clone();
            let size = acts.len().div_ceil(parts).max(1);
            let found = (0..acts.len()).step_by(size).any(|from| {
                let part = from..from + size;
                let kept = acts.iter().enumerate().filter(|(i, _)| !part.contains(i));
                self.still_fails(self.only(kept.map(|(_, act)| *act)))
            });
            match found {
                true => parts = (parts - 1).max(2),
                false if size == 1 => return,
                false => parts *= 2,
            }
        }
    }

    fn spare_machines(&mut self) {
        for nodes in 1..self.best.0.nodes {
            if self.still_fails(self.with(|config| config.nodes = nodes)) {
                return;
            }
        }
    }
}
