//! Each seeded bug is found. `cargo xtask test` runs this as a stage of its own; by hand it is
//! `cargo test -p tessera-sim --features bugs --test bugs`.
#![cfg(feature = "bugs")]

use tessera_planted::Bug;
use tessera_sim::bugs::{SEEDS_MAX, find_all, table};

/// Its table says after how many seeds each was found, so that few are run here.
const GUIDE: &str = include_str!("../../../docs/testing.md");

/// The seed that found it, if the table has it: `| name | breaks | seeds | found by |`.
fn known(bug: Bug) -> Option<u64> {
    let begin = format!("| `{bug}` |");
    let row = GUIDE.lines().find(|line| line.starts_with(&begin))?;
    row.split('|').nth(3)?.trim().parse::<u64>().ok()?.checked_sub(1)
}

#[test]
fn each_bug_is_found() {
    let results = find_all(Bug::ALL, known, SEEDS_MAX);
    let table = table(&results);
    println!("{table}");
    let missed: Vec<_> = results.iter().filter(|(_, found)| found.is_none()).collect();
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} seeds: {missed:?}");
}

#[test]
fn the_guide_lists_each_bug() {
    let missing: Vec<_> = Bug::ALL.iter().filter(|bug| known(**bug).is_none()).collect();
    assert!(missing.is_empty(), "docs/testing.md has no row for {missing:?}");
}
