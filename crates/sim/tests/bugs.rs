//! Each seeded bug is found. `cargo xtask test` runs this as a stage of its own; by hand it is
//! `cargo test -p tessera-sim --features bugs --test bugs`.
#![cfg(feature = "bugs")]

use tessera_planted::Bug;
use tessera_sim::bugs::{SEEDS_MAX, find_all, table};

#[test]
fn each_bug_is_found() {
    let results = find_all(Bug::ALL, SEEDS_MAX);
    let table = table(&results);
    println!("{table}");
    let missed: Vec<_> = results.iter().filter(|(_, found)| found.is_none()).collect();
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} seeds: {missed:?}");
}
