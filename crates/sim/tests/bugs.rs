//! Each seeded bug is found by the seed and the check that the guide names. `cargo xtask test` runs
//! this as a stage of its own; by hand it is
//! `cargo test -p tessera-sim --features bugs --test bugs`.
#![cfg(feature = "bugs")]

use tessera_planted::Bug;
use tessera_sim::bugs::{Found, find_among};

/// Its table says after how many seeds each was found, so that few are run here.
const GUIDE: &str = include_str!("../../../docs/testing.md");

/// How the table is written anew, where a seed does not mean the same run any more.
const AGAIN: &str = "cargo xtask sim --bugs --for-the-guide prints the rows of docs/testing.md";

/// The seed that found it, and the first words of what: `| name | breaks | seeds | found by |`.
fn known(bug: Bug) -> Option<(u64, &'static str)> {
    let begin = format!("| `{bug}` |");
    let row = GUIDE.lines().find(|line| line.starts_with(&begin))?;
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let [_, _, _, seeds, what, _] = cells.as_slice() else { return None };
    Some((seeds.parse::<u64>().ok()?.checked_sub(1)?, what))
}

/// Whether a bug was found by what the guide says: that something fails is not enough.
fn is_as_it_says((bug, found): &(Bug, Option<Found>)) -> bool {
    let says = known(*bug).map(|(_, what)| what).filter(|what| !what.is_empty());
    found.as_ref().zip(says).is_some_and(|(found, says)| found.what.starts_with(says))
}

#[test]
fn each_bug_is_found_as_the_guide_says() {
    let seed_of = |bug| known(bug).map(|(seed, _)| seed..seed + 1);
    let mut results = find_among(Bug::ALL, seed_of);
    results.retain(|result| !is_as_it_says(result));
    assert!(results.is_empty(), "found otherwise: {results:#?}; {AGAIN}");
}

#[test]
fn the_guide_lists_each_bug() {
    let missing: Vec<_> = Bug::ALL.iter().filter(|bug| known(**bug).is_none()).collect();
    assert!(missing.is_empty(), "docs/testing.md has no row for {missing:?}; {AGAIN}");
}
