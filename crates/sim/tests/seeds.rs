//! A few hundred seeds, and the simulation's own promise.

use tessera_sim::{Config, run};

/// How many seeds, unless `TESSERA_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 200;

#[test]
fn seeds_hold_every_invariant_and_converge() {
    let seeds = std::env::var("TESSERA_SIM_SEEDS").ok().and_then(|text| text.parse().ok());
    let from =
        std::env::var("TESSERA_SIM_FROM").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in from..from + seeds.unwrap_or(SEEDS) {
        if let Err(failure) = run(Config::of_seed(seed)) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 2, 3] {
        assert_eq!(run(Config::of_seed(seed)), run(Config::of_seed(seed)));
    }
}
