//! Ports: which are free over a whole window.

use std::collections::{BTreeMap, HashMap};

use tessera_types::Timestamp;
use tessera_types::host::HostCapacity;

use super::holds::Held;
use tessera_types::timed::Window;

/// A set of ports, one bit each: the words from the one with the lowest port to the one
/// with the highest. Hosts have some hundred ports side by side, and their calendars are
/// copied and asked all the time.
#[derive(Clone, Debug, Default)]
pub(super) struct PortSet {
    /// The place of the first word among those of all ports.
    first: usize,
    words: Vec<u64>,
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

    fn insert(&mut self, port: u16) {
        let place = usize::from(port / 64);
        if self.words.is_empty() {
            self.first = place;
        }
        let missing = self.first.saturating_sub(place);
        self.words.splice(0..0, std::iter::repeat_n(0, missing));
        self.first -= missing;
        let at = place - self.first;
        self.words.resize(self.words.len().max(at + 1), 0);
        self.words[at] |= 1 << (port % 64);
    }

    /// Where the bit of a port is, if the set can have it.
    fn find(&self, port: u16) -> Option<(usize, u64)> {
        let at = usize::from(port / 64).checked_sub(self.first)?;
        (at < self.words.len()).then_some((at, 1 << (port % 64)))
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        self.find(port).is_some_and(|(at, bit)| self.words[at] & bit != 0)
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those that none of `holds` has.
    pub(super) fn without<'a>(&self, holds: impl Iterator<Item = &'a Held>) -> Self {
        let mut free = self.clone();
        for port in holds.flat_map(|held| &held.hold.ports) {
            if let Some((at, bit)) = free.find(*port) {
                free.words[at] &= !bit;
            }
        }
        free
    }

    /// Its ports, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let words = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            let place = self.first + at;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_whatever_the_order() {
        let mut set = PortSet::default();
        assert_eq!((set.len(), set.contains(0), set.contains(65_535)), (0, false, false));
        for port in [7000, 65_535, 1, 7000, 64, 0] {
            set.insert(port);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 64, 7000, 65_535]);
        assert_eq!((set.len(), set.contains(64), set.contains(63)), (5, true, false));
    }
}
