//! The agent's core under random schedules: assignments, ends, crashes between any two actions, lost and repeated
//! messages. The rules are checked at every step ([`world`]), and convergence at the end.

mod rules;
mod world;

use proptest::prelude::*;
use tessera_types::Duration;

use world::{World, specs};

const WORKLOADS: u64 = 3;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Place(u64, usize),
    ChangeSpec(u64, usize),
    AskToStop(u64),
    Unassign(u64),
    Sync { age: usize, with_specs: bool },
    Register,
    PostReports { arrives: bool, acknowledged: bool },
    StartSucceeds(usize),
    StartFails(usize, bool),
    Exit(usize, i32),
    LapseLease(usize),
    Probe(usize, bool),
    CrashAfter(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let workload = 1..=WORKLOADS;
    let spec = 0..specs().len();
    prop_oneof![
        4 => prop_oneof![0..1500u64, 1500..40_000u64].prop_map(Step::Pass),
        2 => (workload.clone(), spec.clone()).prop_map(|(w, s)| Step::Place(w, s)),
        1 => (workload.clone(), spec).prop_map(|(w, s)| Step::ChangeSpec(w, s)),
        1 => workload.clone().prop_map(Step::AskToStop),
        1 => workload.prop_map(Step::Unassign),
        4 => any::<bool>().prop_map(|with_specs| Step::Sync { age: 0, with_specs }),
        2 => Just(Step::Register),
        1 => (0..5usize).prop_map(|age| Step::Sync { age, with_specs: true }),
        3 => any::<(bool, bool)>()
            .prop_map(|(arrives, acknowledged)| Step::PostReports { arrives, acknowledged }),
        4 => any::<usize>().prop_map(Step::StartSucceeds),
        1 => any::<(usize, bool)>().prop_map(|(n, permanent)| Step::StartFails(n, permanent)),
        3 => (any::<usize>(), 0..2i32).prop_map(|(n, code)| Step::Exit(n, code)),
        1 => any::<usize>().prop_map(Step::LapseLease),
        2 => any::<(usize, bool)>().prop_map(|(n, passes)| Step::Probe(n, passes)),
        1 => (0..4usize).prop_map(Step::CrashAfter),
        1 => Just(Step::Restart),
    ]
}

fn run(world: &mut World, step: &Step) {
    match *step {
        Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
        Step::Place(workload, spec) => world.place(workload, &specs()[spec]),
        Step::ChangeSpec(workload, spec) => world.change_spec(workload, &specs()[spec]),
        Step::AskToStop(workload) => world.ask_to_stop(workload),
        Step::Unassign(workload) => world.unassign(workload),
        Step::Sync { age, with_specs } => world.sync(age, with_specs),
        Step::Register => world.register(),
        Step::PostReports { arrives, acknowledged } => world.post_reports(arrives, acknowledged),
        Step::StartSucceeds(n) => world.start_succeeds(n),
        Step::StartFails(n, permanent) => world.start_fails(n, permanent),
        Step::Exit(n, code) => world.exit(n, code),
        Step::LapseLease(n) => world.lapse_lease(n),
        Step::Probe(n, passes) => world.probe(n, passes),
        Step::CrashAfter(actions) => world.crash_after = Some(actions),
        Step::Restart => {
            world.crash_agent();
            world.restart_agent();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_and_everything_converges(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in &steps {
            run(&mut world, step);
        }
        world.settle();
    }
}
