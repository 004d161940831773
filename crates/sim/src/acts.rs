//! What people and fate do, each act with a number and a stream of chance of its own.
//!
//! The one idea: an act draws from a stream that only the seed and its number decide, so
//! that one that is left out takes nothing from the others. A run that fails can then be
//! looked for among runs with fewer acts, until none can be spared ([`crate::shrink`]).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::rng::Rng;

/// Who or what acts. Each class counts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// An operator declares, edits, deletes, drains, books.
    Operator,
    /// The same for tenants, with what happens to them on their machines.
    Tenant,
    /// Something breaks, and is mended later.
    Fault,
    /// The control plane dies between two steps of its own.
    Crash,
    /// The engine dies, or its clock is set.
    Engine,
    /// A message is lost, late or doubled.
    Network,
    /// Something fails on one machine alone: the supervisor of a run, the disk of an agent.
    Machine,
    /// Somebody changes, drains or removes a host, or a definition.
    Host,
    /// The engine stands still, or is cut off from the control plane.
    Stall,
}

impl Class {
    const ALL: [(Self, char); 9] = [
        (Self::Operator, 'o'),
        (Self::Tenant, 't'),
        (Self::Fault, 'f'),
        (Self::Crash, 'c'),
        (Self::Engine, 'e'),
        (Self::Network, 'n'),
        (Self::Machine, 'm'),
        (Self::Host, 'h'),
        (Self::Stall, 's'),
    ];

    fn letter(self) -> char {
        Self::ALL[self as usize].1
    }

    fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == letter).map(|(class, _)| class)
    }
}

/// One act: the class, and which of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act {
    /// Its class.
    pub class: Class,
    /// Its number, from 1.
    pub number: u32,
}

impl Act {
    /// The stream that is its own.
    pub(crate) fn rng(self, seed: u64) -> Rng {
        Rng::of(seed, u64::from(self.number) << 8 | self.class as u64)
    }

    /// What decides when the next of its class comes, whether this one is left out or not.
    pub(crate) fn pause(self, seed: u64) -> Rng {
        Rng::of(seed, u64::from(self.number) << 8 | 0x80 | self.class as u64)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.class.letter(), self.number)
    }
}

/// Some acts, as `o3,o7-12,n`: one, a range, and a whole class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActSet {
    classes: BTreeSet<Class>,
    acts: BTreeSet<Act>,
}

impl ActSet {
    /// Whether an act is one of them.
    #[must_use]
    pub fn contains(&self, act: Act) -> bool {
        self.classes.contains(&act.class) || self.acts.contains(&act)
    }
}

impl FromIterator<Act> for ActSet {
    fn from_iter<I: IntoIterator<Item = Act>>(acts: I) -> Self {
        Self { classes: BTreeSet::new(), acts: acts.into_iter().collect() }
    }
}

impl fmt::Display for ActSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> =
            self.classes.iter().map(|class| class.letter().to_string()).collect();
        let mut acts = self.acts.iter().copied().peekable();
        while let Some(first) = acts.next() {
            let mut last = first;
            let follows =
                |next: &Act, last: Act| next.class == last.class && next.number == last.number + 1;
            while let Some(next) = acts.next_if(|next| follows(next, last)) {
                last = next;
            }
            words.push(match first == last {
                true => first.to_string(),
                false => format!("{first}-{}", last.number),
            });
        }
        f.write_str(&words.join(","))
    }
}

impl FromStr for ActSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut set = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let wrong = || format!("'{word}' names no acts: o3, o7-12, or n for all of a class");
            let mut letters = word.chars();
            let class = letters.next().and_then(Class::of_letter).ok_or_else(wrong)?;
            let numbers = letters.as_str();
            if numbers.is_empty() {
                set.classes.insert(class);
                continue;
            }
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong());
            }
            set.acts.extend((first..=last).map(|number| Act { class, number }));
        }
        Ok(set)
    }
}

/// Which of the acts that a seed has take place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// All but these.
    Without(ActSet),
    /// These and no others.
    Only(ActSet),
}

impl Selection {
    /// Whether this one does.
    #[must_use]
    pub fn takes(&self, act: Act) -> bool {
        match self {
            Self::All => true,
            Self::Without(left_out) => !left_out.contains(act),
            Self::Only(kept) => kept.contains(act),
        }
    }
}

/// The acts of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    counts: [u32; Class::ALL.len()],
    /// Those that took place.
    pub(crate) happened: Vec<Act>,
}

impl Acts {
    /// The next of its class. It need not take place.
    pub(crate) fn next(&mut self, class: Class) -> Act {
        let count = &mut self.counts[class as usize];
        *count += 1;
        Act { class, number: *count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ActSet {
        text.parse().unwrap()
    }

    #[test]
    fn acts_are_read_as_they_are_written() {
        for text in ["", "o3", "o3,o7-12,t1", "n,o1-2", "f1-2,e9"] {
            assert_eq!(set(text).to_string(), text);
        }
        for wrong in ["3", "x3", "o3-", "o-3", "o3-x", "oo"] {
            assert!(wrong.parse::<ActSet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_set_has_what_it_names() {
        let named = set("n,o3-4");
        let has = |class, number| named.contains(Act { class, number });
        assert!(has(Class::Network, 77) && has(Class::Operator, 3) && has(Class::Operator, 4));
        assert!(!has(Class::Operator, 5) && !has(Class::Fault, 3));
    }

    #[test]
    fn each_act_has_a_stream_of_its_own() {
        let acts = Class::ALL
            .into_iter()
            .flat_map(|(class, _)| (1..50).map(move |number| Act { class, number }));
        let draws: BTreeSet<u64> = acts
            .flat_map(|act| [act.rng(1), act.pause(1), act.rng(2)])
            .map(|mut rng| rng.between(0, u64::MAX))
            .collect();
        assert_eq!(draws.len(), Class::ALL.len() * 49 * 3);
    }
}
