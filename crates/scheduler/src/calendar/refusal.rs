//! Why no host takes a booking, counted over all hosts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use tessera_types::Name;

use super::clash::Clash;
use super::hosts::Filtered;
use super::load::Dimension;
use super::window::beside;

/// Why no host takes a booking. Its text is complete: it accounts for every
/// host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    text: String,
    permanent: bool,
    proven: bool,
}

/// What is wrong with a host, as far as hosts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Empty,
    Lacks(Dimension),
    Closed,
    Taken(Dimension),
}

/// How many hosts share a reason, and the one that comes closest to fitting.
struct Group<'a> {
    hosts: usize,
    best: (&'a Name, &'a Clash),
}

impl Refusal {
    /// Why a booking fits on none of the hosts of `clashes`.
    pub(super) fn new(clashes: &[(&Name, Clash)], filtered: &[Filtered]) -> Self {
        Self {
            text: text(clashes, filtered),
            permanent: clashes.iter().all(|(_, clash)| clash.is_permanent()),
            proven: true,
        }
    }

    /// The same for one of `count` bookings that were tried together in every
    /// way there is.
    pub(super) fn in_any_order(self, count: usize) -> Self {
        let text = format!("{}; no other arrangement of the {count} bookings fits", self.text);
        Self { text, ..self }
    }

    /// The same for one of `count` bookings, where another arrangement of them
    /// might have fitted.
    pub(super) fn unproven(self, count: usize, why: impl fmt::Display) -> Self {
        let text = format!(
            "{}; whether another arrangement of the {count} bookings fits is not known: {why}",
            self.text
        );
        Self { text, proven: false, ..self }
    }

    /// Whether no release of a hold would help: each host itself is in the way.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Whether it is certain that it does not fit. Only a batch of bookings can
    /// be refused without proof, when there are too many arrangements to try.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven
    }
}

fn text(clashes: &[(&Name, Clash)], filtered: &[Filtered]) -> String {
    let hosts = clashes.len() + filtered.iter().map(|filtered| filtered.hosts).sum::<usize>();
    match (hosts, clashes) {
        (0, _) => "there is no host: declare one".to_owned(),
        (1, [(name, clash)]) => format!("the only host, {name}, does not fit: {clash}"),
        (1, _) => {
            let why = filtered.iter().find(|filtered| filtered.hosts > 0);
            let why = why.map_or_else(String::new, |filtered| of_one(&filtered.reason));
            format!("the only host does not fit: it {why}")
        }
        _ => format!("none of {hosts} hosts fits: {}", reasons(clashes, filtered)),
    }
}

fn reasons(clashes: &[(&Name, Clash)], filtered: &[Filtered]) -> String {
    let ruled_out = filtered.iter().filter(|filtered| filtered.hosts > 0).map(|filtered| {
        match filtered.hosts {
            1 => format!("1 {}", of_one(&filtered.reason)),
            hosts => format!("{hosts} {}", filtered.reason),
        }
    });
    let groups = group(clashes);
    let full = groups.values().map(Group::text);
    ruled_out.chain(full).collect::<Vec<_>>().join(", ")
}

/// What is said of several, said of one: its first word is the verb.
fn of_one(reason: &str) -> String {
    let (verb, rest) = reason.split_once(' ').unwrap_or((reason, ""));
    let verb = match verb {
        "are" => "is".to_owned(),
        "have" => "has".to_owned(),
        "do" => "does".to_owned(),
        regular => format!("{regular}s"),
    };
    format!("{verb} {rest}")
}

fn group<'a>(clashes: &'a [(&'a Name, Clash)]) -> BTreeMap<Reason, Group<'a>> {
    let mut groups: BTreeMap<Reason, Group<'a>> = BTreeMap::new();
    for (name, clash) in clashes {
        let group = groups
            .entry(Reason::of(clash))
            .or_insert_with(|| Group { hosts: 0, best: (name, clash) });
        group.hosts += 1;
        if (available(clash), Reverse(*name)) > (available(group.best.1), Reverse(group.best.0)) {
            group.best = (name, clash);
        }
    }
    groups
}

/// How much of what it is short of a host could give.
fn available(clash: &Clash) -> u128 {
    match clash {
        Clash::Lacks { has, .. } => *has,
        Clash::Taken(taken) => taken.free,
        Clash::Empty { .. } | Clash::Closed { .. } => 0,
    }
}

impl Reason {
    fn of(clash: &Clash) -> Self {
        match clash {
            Clash::Empty { .. } => Self::Empty,
            Clash::Lacks { dimension, .. } => Self::Lacks(dimension.clone()),
            Clash::Closed { .. } => Self::Closed,
            Clash::Taken(taken) => Self::Taken(taken.dimension.clone()),
        }
    }
}

impl Group<'_> {
    fn text(&self) -> String {
        let (name, clash) = self.best;
        let count = self.hosts;
        let has = if count == 1 { "has" } else { "have" };
        match clash {
            Clash::Empty { .. } => clash.to_string(),
            Clash::Lacks { dimension, needs, has: most } => {
                let most = dimension.amount(*most);
                format!(
                    "{count} {has} {} in all ({most} at most, on {name})",
                    less(dimension, *needs)
                )
            }
            Clash::Closed { open, window } => {
                let (open, window) = (beside(*open, window.from), beside(*window, window.from));
                let is = if count == 1 { "is" } else { "are" };
                format!("{count} {is} not open {window} ({name} is open {open})")
            }
            Clash::Taken(taken) => {
                let less = less(&taken.dimension, taken.needs);
                let free = taken.dimension.amount(taken.free);
                format!("{count} {has} {less} free ({free} at most, on {name} {})", taken.when())
            }
        }
    }
}

fn less(dimension: &Dimension, needs: u128) -> String {
    let than = match dimension {
        Dimension::Cpu | Dimension::Memory => "less than",
        Dimension::Counted(_) if dimension.is_node_port() && needs == 1 => {
            return format!("no {dimension}");
        }
        Dimension::Counted(_) | Dimension::Ports => "fewer than",
    };
    format!("{than} {} {dimension}", dimension.amount(needs))
}
