//! The same seed and sources are the same run, to the byte: beside other threads, and in
//! another process, where every hash map has other seeds and everything other addresses.

use std::process::Command;

use tessera_sim::{Config, run};

const SEEDS: std::ops::Range<u64> = 1..4;

/// Of the whole trace and every commit.
fn digest(seed: u64) -> String {
    let config = Config { digests: true, tells_all: true, ..Config::of_seed(seed) };
    let outcome = run(config).unwrap_or_else(|failure| panic!("{failure}"));
    format!("seed {seed}: {:016x}", outcome.story.digest)
}

/// A process of its own, which runs them on this many threads.
fn digests_of_a_process(threads: &str) -> Vec<String> {
    let (from, count) = (SEEDS.start.to_string(), (SEEDS.end - SEEDS.start).to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_tessera-sim"))
        .args(["--from", &from, "--seeds", &count, "--threads", threads, "--digest"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect()
}

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let (alone, beside) = (digests_of_a_process("1"), digests_of_a_process("4"));
    assert_eq!(alone.len(), SEEDS.count());
    assert_eq!(alone, beside);
}

#[test]
fn the_same_seed_is_the_same_run_beside_others() {
    let alone: Vec<_> = SEEDS.map(digest).collect();
    let beside: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = SEEDS.map(|seed| scope.spawn(move || digest(seed))).collect();
        runs.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(alone, beside);
    let mut distinct = alone.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), alone.len(), "runs of different seeds differ");
}
