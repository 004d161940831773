//! Every scenario ends as it does when nothing goes wrong, with one thing going wrong at a
//! share of the places where it can. `cargo xtask sim --boundaries` tries all of them.

use tessera_sim::{Reference, Script, scenarios};

/// Every so manieth place, unless `TESSERA_SIM_EVERY` says otherwise.
const EVERY: usize = 40;

fn scenario(name: &str) -> Script {
    scenarios().into_iter().find(|script| script.name == name).expect("a scenario")
}

fn ends_as_it_does(name: &str) {
    let reference = Reference::of(scenario(name)).unwrap_or_else(|failure| panic!("{failure}"));
    let every = std::env::var("TESSERA_SIM_EVERY").ok().and_then(|text| text.parse().ok());
    let boundaries = reference.boundaries();
    assert!(boundaries.len() > 50, "{name}: {:?}", reference.outcome().counts);
    for boundary in boundaries.into_iter().step_by(every.unwrap_or(EVERY)) {
        if let Err(failure) = reference.compare(boundary) {
            panic!("{name} at {boundary}: {failure}");
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
    a_session "session", a_pipeline "pipeline", a_tenant "tenant",
    a_node_that_is_lost "node-lost", a_bad_spec "bad-then-good"
}
