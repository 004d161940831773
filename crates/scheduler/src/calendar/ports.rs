//! Ports: which are free over a whole window.

use std::collections::{BTreeMap, HashMap};

use tessera_types::Timestamp;
use tessera_types::host::HostCapacity;

use super::holds::Held;
use tessera_types::timed::Window;

const WORDS: usize = 65_536 / 64;

/// A set of ports, one bit each.
#[derive(Clone, Debug)]
pub(super) struct PortSet(Box<[u64]>);

impl Default for PortSet {
    fn default() -> Self {
        Self(vec![0; WORDS].into_boxed_slice())
    }
}

impl PortSet {
    /// The ports that `capacity` has to give.
    pub(super) fn of(capacity: &HostCapacity) -> Self {
        let mut set = Self::default();
        for port in capacity.all_ports() {
            set.insert(port);
        }
        set
    }

    /// The ports that any of `holds` has.
    pub(super) fn held<'a>(holds: impl Iterator<Item = &'a Held>) -> Self {
        let mut set = Self::default();
        for port in holds.flat_map(|held| &held.hold.ports) {
            set.insert(*port);
        }
        set
    }

    fn insert(&mut self, port: u16) {
        self.0[usize::from(port / 64)] |= 1 << (port % 64);
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        self.0[usize::from(port / 64)] & (1 << (port % 64)) != 0
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those that are not in `other`.
    pub(super) fn without(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine &= !theirs;
        }
        self
    }

    /// Its ports, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(|(place, word)| {
            (0..64u16)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| place as u16 * 64 + bit)
        })
    }
}

/// The time from which `count` of the ports in `all` are free of `holds`: those
/// that overlap a window in which fewer are. Never, if too many are held for
/// ever.
///
/// Each port is free of these holds once the last of them that has it ends; a
/// window that starts later still meets those that have not ended, whatever
/// else it meets.
pub(super) fn freed_at<'a>(
    all: &PortSet,
    count: usize,
    holds: impl Iterator<Item = &'a Held>,
) -> Timestamp {
    let mut ends: Vec<(u16, Timestamp)> = holds
        .flat_map(|held| held.hold.ports.iter().map(|port| (*port, held.hold.window.until)))
        .filter(|(port, _)| all.contains(*port))
        .collect();
    ends.sort_unstable();
    let mut freed: Vec<Timestamp> =
        ends.chunk_by(|a, b| a.0 == b.0).filter_map(|ends| Some(ends.last()?.1)).collect();
    freed.sort_unstable();
    let free = all.len() - freed.len();
    freed.get(count.saturating_sub(free + 1)).copied().unwrap_or(Timestamp::MAX)
}

/// How many sorts of ports [`choices`] tells apart.
const SORTS_MAX: usize = 64;

/// Ways to choose `count` of the ports in `free`, at most `max` of them; and
/// whether these are all that matter.
///
/// Two ports that `holds` have at the same times are as good as each other, for
/// as long as only times matter at which these holds are told. So it only
/// matters how many of each sort are chosen.
pub(super) fn choices<'a>(
    free: &PortSet,
    count: usize,
    holds: impl Iterator<Item = &'a Held>,
    max: usize,
) -> (Vec<Vec<u16>>, bool) {
    let mut taken: BTreeMap<u16, Vec<Window>> = BTreeMap::new();
    for held in holds {
        for port in held.hold.ports.iter().filter(|port| free.contains(**port)) {
            taken.entry(*port).or_default().push(held.hold.window);
        }
    }
    let mut sorts: Vec<Vec<u16>> = Vec::new();
    let mut place_of = HashMap::new();
    for port in free.iter() {
        let windows = taken.remove(&port).unwrap_or_default();
        let place = *place_of.entry(windows).or_insert_with(|| {
            sorts.push(Vec::new());
            sorts.len() - 1
        });
        sorts[place].push(port);
    }
    let told_apart = sorts.len() <= SORTS_MAX;
    sorts.truncate(SORTS_MAX);
    let mut found = Vec::new();
    choose_of_each(&sorts, count, &mut Vec::new(), &mut found, max + 1);
    let complete = told_apart && found.len() <= max;
    found.truncate(max);
    (found, complete)
}

/// Adds to `found` every way to choose `count` more ports, as many as possible
/// of the first sort first.
fn choose_of_each(
    sorts: &[Vec<u16>],
    count: usize,
    chosen: &mut Vec<u16>,
    found: &mut Vec<Vec<u16>>,
    max: usize,
) {
    if count == 0 {
        let mut ports = chosen.clone();
        ports.sort_unstable();
        found.push(ports);
        return;
    }
    let Some((sort, others)) = sorts.split_first() else { return };
    let left: usize = others.iter().map(Vec::len).sum();
    for taken in (count.saturating_sub(left)..=count.min(sort.len())).rev() {
        if found.len() == max {
            return;
        }
        chosen.extend(&sort[..taken]);
        choose_of_each(others, count - taken, chosen, found, max);
        chosen.truncate(chosen.len() - taken);
    }
}
