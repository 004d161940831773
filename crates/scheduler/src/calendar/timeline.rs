//! The sum of all holds as a step function of time.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use tessera_planted::{Bug, planted};
use tessera_types::Timestamp;

use super::load::{Load, NOTHING};
use tessera_types::timed::Window;

/// What is held at each instant. There is a step wherever a hold starts or
/// ends, also where the sum stays the same: so within a step the very same
/// holds are held, and one of them can be taken out of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    steps: BTreeMap<Timestamp, Step>,
}

#[derive(Clone, Debug)]
struct Step {
    /// How many holds start or end here; without any there is no step.
    edges: usize,
    /// What is held from here until the next step.
    load: Load,
}

impl Timeline {
    pub(super) fn add(&mut self, window: Window, load: &Load) {
        self.put_edge(window.from);
        self.put_edge(window.until);
        for (_, step) in self.steps.range_mut(window.from..window.until) {
            step.load.add(load);
        }
    }

    /// Takes away what was added with the same window and load.
    pub(super) fn remove(&mut self, window: Window, load: &Load) {
        for (_, step) in self.steps.range_mut(window.from..window.until) {
            step.load.remove(load);
        }
        self.take_edge(window.from);
        self.take_edge(window.until);
    }

    fn put_edge(&mut self, at: Timestamp) {
        if let Some(step) = self.steps.get_mut(&at) {
            step.edges += 1;
            return;
        }
        let load = self.load_at(at).clone();
        self.steps.insert(at, Step { edges: 1, load });
    }

    fn take_edge(&mut self, at: Timestamp) {
        if let Some(step) = self.steps.get_mut(&at) {
            step.edges -= 1;
            if step.edges == 0 {
                self.steps.remove(&at);
            }
        }
    }

    /// What is held at `at`.
    pub(super) fn load_at(&self, at: Timestamp) -> &Load {
        let mut until = self.steps.range(..=at);
        let last = until.rfind(|(from, _)| **from < at || !planted(Bug::EqualTimesIgnored));
        last.map_or(&NOTHING, |(_, step)| &step.load)
    }

    /// The steps within `window`, each with the time from which it holds there;
    /// the first is at the window's start.
    pub(super) fn within(&self, window: Window) -> impl Iterator<Item = (Timestamp, &Load)> {
        let first = (!window.is_empty()).then(|| (window.from, self.load_at(window.from)));
        first
            .into_iter()
            .chain(self.after(window.from).take_while(move |(at, _)| *at < window.until))
    }

    /// The steps that begin after `at`.
    pub(super) fn after(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, &Load)> {
        self.steps.range((Excluded(at), Unbounded)).map(|(at, step)| (*at, &step.load))
    }

    /// The first step after `at`, or never.
    pub(super) fn next_after(&self, at: Timestamp) -> Timestamp {
        self.after(at).next().map_or(Timestamp::MAX, |(at, _)| at)
    }

    /// Every step, from the first edge on.
    pub(super) fn all(&self) -> impl Iterator<Item = (Timestamp, &Load)> {
        self.steps.iter().map(|(at, step)| (*at, &step.load))
    }
}
