//! Every scenario ends as it does when nothing goes wrong, with one thing going wrong at a
//! share of the places where it can. `cargo xtask sim --boundaries` tries all of them.

use std::process::Command;

use tessera_sim::{Reference, Script, scenarios};

/// Every Nth place, unless `TESSERA_SIM_EVERY` says otherwise.
const EVERY: usize = 40;

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Where the share begins, unless `TESSERA_SIM_OFFSET` says so: elsewhere with each commit, so that
/// in time all places are tried, and the verdict depends on the commit alone.
fn offset_of_commit() -> usize {
    let head = Command::new("git").args(["rev-parse", "--short=8", "HEAD"]).output();
    let digits = head.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let number = digits.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
    number.unwrap_or_default()
}

fn scenario(name: &str) -> Script {
    scenarios().into_iter().find(|script| script.name == name).expect("a scenario")
}

fn ends_as_it_does(name: &str) {
    let reference = Reference::of(scenario(name)).unwrap_or_else(|failure| panic!("{failure}"));
    let every = number("TESSERA_SIM_EVERY").unwrap_or(EVERY).max(1);
    let boundaries = reference.boundaries();
    assert!(boundaries.len() > 50, "{name}: {:?}", reference.outcome().counts);
    // However large the steps are, one place is tried.
    let offset = number("TESSERA_SIM_OFFSET").unwrap_or_else(offset_of_commit);
    let offset = offset % every.min(boundaries.len());
    println!("{name}: TESSERA_SIM_EVERY={every} TESSERA_SIM_OFFSET={offset}");
    for boundary in boundaries.into_iter().skip(offset).step_by(every) {
        if let Err(failure) = reference.compare(boundary) {
            let again = format!("cargo xtask sim --boundaries --scenario {name} --at {boundary}");
            panic!("{name} at {boundary}, again by {again}: {failure}");
        }
    }
}

macro_rules! scenarios {
    ($($test:ident $name:literal),+) => {
        $(#[test] fn $test() { ends_as_it_does($name); })+

        #[test]
        fn each_scenario_has_a_test() {
            let names: Vec<_> = scenarios().into_iter().map(|script| script.name).collect();
            assert_eq!(names, [$($name),+]);
        }
    };
}

scenarios! {
    a_workloads_life "workload", on_disconnect_stop "on-disconnect", a_drain "drain",
    a_session "session", a_pipeline "pipeline", a_server "server",
    a_session_that_is_given_up "given-up", a_tenant "tenant",
    a_node_that_is_lost "node-lost", a_bad_spec "bad-then-good"
}
