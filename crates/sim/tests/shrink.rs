//! A run that fails is made smaller, and what is left is the cause.

use tessera_sim::{Config, Selection, run, shrink};

/// False on purpose: a cut-off machine is held against whoever killed an agent before.
fn never_cut_off_after_a_kill(trace: &[String]) -> Option<String> {
    let killed = trace.iter().position(|line| line.contains("is killed"))?;
    let is_machine = |line: &&String| !line.contains("the engine");
    let mut after = trace[killed..].iter().filter(is_machine);
    let cut_off = after.any(|line| line.contains("is cut off"));
    cut_off.then(|| "cut off after a kill".to_owned())
}

/// The smallest seed of this many that breaks it.
fn failing() -> (Config, tessera_sim::Failure) {
    let seeds = (0..50).map(Config::of_seed).filter(|config| config.faults);
    let with = |config| Config { never: Some(never_cut_off_after_a_kill), ..config };
    let mut ran = seeds.map(with).map(|config| (config.clone(), run(config).err()));
    ran.find_map(|(config, failure)| Some((config, failure?))).expect("a seed that does")
}

#[test]
fn what_is_left_is_what_breaks_it() {
    let (config, failure) = failing();
    let shrunk = shrink(&config, &failure, 500);
    let acts: Vec<_> = shrunk.failure.acts.iter().map(ToString::to_string).collect();
    assert_eq!(acts.len(), 2, "{acts:?}");
    // An agent may also be killed by a disk of its own that is full.
    assert!(acts.iter().all(|act| act.starts_with(['f', 'm'])), "{acts:?}");
    assert!(shrunk.acts_before > 20 && shrunk.config.busy < config.busy);
    assert_eq!(shrunk.config.nodes, 1);
    // What is printed replays it.
    assert_eq!(run(shrunk.config).err(), Some(shrunk.failure));
}

#[test]
fn the_acts_that_took_place_are_the_run() {
    let (config, failure) = failing();
    let only = Selection::Only(failure.acts.iter().copied().collect());
    assert_eq!(run(Config { acts: only, ..config }).err(), Some(failure));
}

#[test]
fn an_act_that_is_left_out_changes_none_of_those_before_it() {
    let config = Config { nodes: 2, ..Config::of_seed(3) };
    let whole = run(config.clone()).unwrap();
    let left_out = Selection::Without("f6".parse().unwrap());
    let without = run(Config { acts: left_out, ..config }).unwrap();
    let at = whole.trace.iter().position(|line| line.contains(" f6 ")).expect("six faults");
    assert_eq!(whole.trace[..at], without.trace[..at]);
    assert!(!without.trace.iter().any(|line| line.contains(" f6 ")));
}
