//! Scenarios end as they do without faults, whatever goes wrong in them at random.
//!
//! Invariants say what must never be, and the boundaries let one thing go wrong. Here all that a
//! seed has goes wrong while people follow a script, and the end is compared with the reference.

use tessera_sim::{Class, Config, Reference, Script, Selection, scenarios};
use tessera_types::Duration;

/// Runs of each scenario, unless `TESSERA_SIM_SEEDS` says otherwise.
const SEEDS: usize = 4;

/// An outage may last a minute, and one may follow another: so much longer than where one thing
/// goes wrong may it take until all is done, and then until it has come to be.
const LONGER: u64 = 10;
const CALM: Duration = Duration::from_secs(900);

fn scenario(name: &str) -> Script {
    let mut all = scenarios().into_iter();
    let script = all.find(|script| script.name == name).expect("a scenario");
    let busy = Duration::from_millis(script.busy.as_millis() * LONGER);
    Script { busy, calm: CALM, ..script }
}

/// Messages that are lost, late and doubled, and a control plane that dies: both are over within
/// seconds, as the windows and limits of these scenarios have room for. What lasts is left out, as
/// its end is another and no mistake: a window that an outage outlasts ends what it is of, and a job
/// that was lost with its node, its supervisor or the engine's clock is tried again as another job.
const SHORT: &str = "n,c";

/// What goes wrong in it, and at how many places at least in each run, besides messages.
fn selection(name: &str) -> (Selection, usize) {
    match name {
        "session" | "pipeline" | "given-up" | "server" => {
            (Selection::Only(SHORT.parse().expect("acts")), 0)
        }
        _ => (Selection::All, 20),
    }
}

fn ends_as_it_does(name: &str) {
    let script = scenario(name);
    let reference = Reference::of(script.clone()).unwrap_or_else(|failure| panic!("{failure}"));
    let (acts, least) = selection(name);
    let mut all = 0;
    let seeds = std::env::var("TESSERA_SIM_SEEDS").ok().and_then(|text| text.parse().ok());
    // In every third seed nodes are removed, and with them what people declared of them.
    for seed in (0..).filter(|seed| seed % 3 != 1).take(seeds.unwrap_or(SEEDS)) {
        let config = Config::of_script(script.clone().into());
        let ran =
            reference.compare_with(Config { seed, faults: true, acts: acts.clone(), ..config });
        let outcome = ran.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let mut messages = outcome.acts.clone();
        let faults = messages.extract_if(.., |act| act.class != Class::Network).count();
        let messages = messages.len();
        all += faults;
        assert!(faults >= least && messages > 20, "{name}, {seed}: {faults} and {messages}");
    }
    assert!(all > 0, "{name}: nothing but messages");
}

macro_rules! scenarios {
    ($($test:ident $name:literal),+) => {
        $(#[test] fn $test() { ends_as_it_does($name); })+
    };
}

scenarios! {
    a_workloads_life "workload", on_disconnect_stop "on-disconnect", a_drain "drain",
    a_session "session", a_pipeline "pipeline", a_server "server",
    a_session_that_is_given_up "given-up", a_tenant "tenant",
    a_node_that_is_lost "node-lost", a_bad_spec "bad-then-good"
}
