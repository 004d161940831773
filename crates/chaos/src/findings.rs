//! What was looked at, how often, and what was found to be wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

/// More of one sort would only hide the others.
const SHOWN_MAX: usize = 20;

/// What must hold of the system, whatever goes wrong with its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Invariant {
    /// What was acknowledged is there.
    Acknowledged,
    /// Revisions only grow, and a watcher sees each change once, in order.
    Watch,
    /// What was watched is what lists and histories say.
    History,
    /// Only legal transitions happen.
    Legal,
    /// What was deleted does not come back.
    Gone,
    /// Never two live copies of what is declared so.
    NeverTwo,
    /// One copy of each that should run, which is the one that the API says.
    One,
    /// Nothing of a session before its time or after its cleanup deadline.
    Window,
    /// An effect outside, and the program of a job, happen once.
    Once,
    /// Nothing runs that belongs to nobody.
    Orphans,
    /// Who does not progress says why.
    Explained,
    /// No node or host is over its capacity.
    Capacity,
    /// A system that is left alone comes to rest.
    Settled,
    /// Everything declared comes about once nothing goes wrong any more.
    Converged,
    /// Memory is bounded.
    Memory,
    /// No panic, and no error that the faults do not explain.
    Logs,
    /// Programs end when they are asked to, and not otherwise.
    Ends,
}

impl Invariant {
    /// All of them.
    pub(crate) const ALL: [Self; 17] = [
        Self::Acknowledged,
        Self::Watch,
        Self::History,
        Self::Legal,
        Self::Gone,
        Self::NeverTwo,
        Self::One,
        Self::Window,
        Self::Once,
        Self::Orphans,
        Self::Explained,
        Self::Capacity,
        Self::Settled,
        Self::Converged,
        Self::Memory,
        Self::Logs,
        Self::Ends,
    ];
}

#[derive(Debug, Default, Serialize)]
struct Check {
    looks: u64,
    violations: u64,
    shown: Vec<String>,
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<BTreeMap<Invariant, Check>>);

impl Findings {
    /// Counts a look at something, and what is wrong with it if it does not hold.
    pub(crate) fn judge(&self, invariant: Invariant, holds: bool, wrong: impl FnOnce() -> String) {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let check = all.entry(invariant).or_default();
        check.looks += 1;
        if holds {
            return;
        }
        check.violations += 1;
        if check.shown.len() < SHOWN_MAX {
            let wrong = wrong();
            eprintln!("VIOLATION {invariant:?}: {wrong}");
            check.shown.push(wrong);
        }
    }

    /// As [`Findings::judge`], of what says itself what is wrong.
    pub(crate) fn take(&self, invariant: Invariant, result: Result<(), String>) {
        let wrong = result.err();
        self.judge(invariant, wrong.is_none(), || wrong.unwrap_or_default());
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_clean(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.values().all(|check| check.violations == 0)
    }

    /// What was never looked at: of that nothing is known.
    pub(crate) fn unseen(&self) -> Vec<Invariant> {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_unseen = |it: &Invariant| all.get(it).is_none_or(|check| check.looks == 0);
        Invariant::ALL.into_iter().filter(is_unseen).collect()
    }

    /// How often this was looked at.
    #[cfg(test)]
    pub(crate) fn looks(&self, invariant: Invariant) -> u64 {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.get(&invariant).map_or(0, |check| check.looks)
    }

    /// How often this was found to be wrong.
    #[cfg(test)]
    pub(crate) fn wrong(&self, invariant: Invariant) -> u64 {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.get(&invariant).map_or(0, |check| check.violations)
    }

    /// For the report.
    pub(crate) fn json(&self) -> serde_json::Value {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        serde_json::to_value(&*all).unwrap_or_default()
    }

    /// For people: each invariant with the number of looks and of violations.
    pub(crate) fn table(&self) -> String {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let row = |(invariant, check): (&Invariant, &Check)| {
            let name = format!("{invariant:?}");
            format!("  {name:<14} {:>8} looks {:>5} violations\n", check.looks, check.violations)
        };
        all.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_looked_at_is_known() {
        let findings = Findings::default();
        assert_eq!(findings.unseen(), Invariant::ALL);
        for invariant in Invariant::ALL.into_iter().filter(|it| *it != Invariant::Window) {
            findings.judge(invariant, true, String::new);
        }
        assert_eq!(findings.unseen(), [Invariant::Window]);
    }
}
