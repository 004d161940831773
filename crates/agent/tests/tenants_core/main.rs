//! What the core of tenants promises, whatever comes in which order and whoever dies when.

mod world;

use proptest::prelude::*;
use tessera_types::Duration;
use tessera_types::sync::InstallState;

use world::{INTERVAL, World};

#[derive(Clone, Copy, Debug)]
enum Happens {
    Declare(u8),
    Delete(u8),
    Drop(u8),
    Ask(u8),
    Deliver,
    Register,
    Step,
    /// The agent dies before it hears what came of a job.
    Cut,
    Restart,
    RestartManager,
    Post {
        answered: bool,
    },
    Fire(u8),
    EndRun(u8),
    Drift(u8),
    StopTimer(u8),
    Conflict(u8, bool),
    DiskFull(bool),
    NoManager(bool),
    Held(bool),
    Pass(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens::*;
    let which = 0..4u8;
    prop_oneof![
        3 => which.clone().prop_map(Declare),
        1 => which.clone().prop_map(Delete),
        1 => which.clone().prop_map(Drop),
        4 => which.clone().prop_map(Ask),
        8 => Just(Deliver),
        1 => Just(Register),
        20 => Just(Step),
        3 => Just(Cut),
        2 => Just(Restart),
        1 => Just(RestartManager),
        4 => any::<bool>().prop_map(|answered| Post { answered }),
        2 => which.clone().prop_map(Fire),
        4 => which.clone().prop_map(EndRun),
        1 => which.clone().prop_map(Drift),
        1 => which.clone().prop_map(StopTimer),
        1 => (which, any::<bool>()).prop_map(|(which, there)| Conflict(which, there)),
        1 => any::<bool>().prop_map(DiskFull),
        1 => any::<bool>().prop_map(NoManager),
        1 => any::<bool>().prop_map(Held),
        4 => (0..40u64).prop_map(Pass),
    ]
}

fn happen(world: &mut World, what: Happens) {
    match what {
        Happens::Declare(which) => world.declare(which),
        Happens::Delete(which) => world.delete(which),
        Happens::Drop(which) => world.drop(which),
        Happens::Ask(which) => world.ask(which),
        Happens::Deliver => world.deliver(),
        Happens::Register => world.core.registered(),
        Happens::Step => drop(world.step(false)),
        Happens::Cut => drop(world.step(true)),
        Happens::Restart => world.restart(),
        Happens::RestartManager => world.restart_manager(),
        Happens::Post { answered } => world.post(answered),
        Happens::Fire(which) => world.fire(which),
        Happens::EndRun(which) => world.end_run(which, 0),
        Happens::Drift(which) => world.drift(which),
        Happens::StopTimer(which) => world.stop_timer(which),
        Happens::Conflict(which, there) => {
            let name = format!("t{which}").parse().unwrap();
            if there {
                world.conflicts.insert(name);
            } else {
                world.conflicts.remove(&name);
            }
        }
        Happens::DiskFull(full) => world.disk_full = full,
        Happens::NoManager(away) => world.no_manager = away,
        Happens::Held(held) => world.is_held = held,
        Happens::Pass(seconds) => world.now = world.now.plus(Duration::from_secs(seconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened: in the end the machine is as declared, every run was started at most once and has an end,
    /// and then nothing is done or told any more.
    #[test]
    fn all_comes_to_the_same_end(story in prop::collection::vec(happens(), 0..150)) {
        let mut world = World::new();
        for what in story {
            happen(&mut world, what);
        }
        world.settle();
        // What somebody changed is put right within one interval.
        world.now = world.now.plus(INTERVAL);
        world.settle();

        for (run, starts) in &world.starts {
            prop_assert!(*starts <= 1, "{run} was started {starts} times");
        }
        for wanted in world.wanted.values().filter(|wanted| !wanted.gone) {
            let report = wanted.report.as_ref().unwrap();
            prop_assert_eq!(report.generation, wanted.generation);
            if world.conflicts.contains(&wanted.name) {
                prop_assert_eq!(report.state, InstallState::Conflict);
            } else {
                prop_assert_eq!(report.state, InstallState::Installed);
                prop_assert_eq!(report.hash.as_ref(), Some(&wanted.spec.hash()));
                prop_assert_eq!(world.installed.get(&wanted.name), Some(&wanted.spec.manifest));
            }
        }
        let live = |name: &tessera_types::Name| world.wanted.values().any(|it| !it.gone && it.name == *name);
        prop_assert!(world.installed.keys().all(live), "something was left behind");
        prop_assert_eq!(world.core.notes().count(), world.wanted.values().filter(|it| !it.gone).count());

        // A settled node is silent, and looks no more often than it was told to.
        let jobs = world.jobs;
        for _ in 0..60 {
            while world.step(false) {}
            prop_assert!(world.core.unreported().next().is_none());
            world.now = world.now.plus(Duration::from_secs(1));
        }
        let most = 2 * (2 * world.core.notes().count() as u32 + 2) + 4;
        prop_assert!(world.jobs - jobs <= most, "{} jobs in a minute", world.jobs - jobs);
    }

    /// Where nothing fails and the service manager stays, a run that was asked for is started exactly once, however
    /// often the agent dies.
    #[test]
    fn a_run_is_started_once_however_often_the_agent_dies(
        cuts in prop::collection::vec(any::<bool>(), 0..60), posts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut world = World::new();
        world.declare(1);
        world.settle();
        world.ask(1);
        for (cut, answered) in cuts.into_iter().zip(posts) {
            world.deliver();
            world.step(cut);
            world.post(answered);
            world.now = world.now.plus(Duration::from_millis(400));
        }
        world.settle();
        prop_assert_eq!(world.starts.values().copied().collect::<Vec<_>>(), [1]);
        let ends: Vec<_> = world.ends.values().map(|end| end.exit_code).collect();
        prop_assert_eq!(ends, [7]);
    }
}

#[test]
fn drift_is_put_right_and_counted_and_an_installation_is_not() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    let report = |world: &World| world.wanted.values().next().unwrap().report.clone().unwrap();
    assert_eq!(report(&world).repaired, None);
    world.drift(1);
    world.now = world.now.plus(INTERVAL);
    world.settle();
    let repaired = report(&world).repaired.unwrap();
    assert_eq!((repaired.count, repaired.what.as_str()), (1, "it"));
    world.declare(1);
    world.settle();
    assert_eq!(report(&world).repaired.unwrap().count, 1, "a change is no drift");
}

#[test]
fn a_run_while_another_is_under_way_joins_it() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    world.fire(1);
    world.ask(1);
    world.deliver();
    while world.step(false) {}
    world.settle();
    assert!(world.starts.is_empty());
    assert_eq!(world.ends.len(), 1);
}

#[test]
fn a_run_is_not_waited_for_where_the_tenant_cannot_be_installed() {
    let mut world = World::new();
    world.conflicts.insert("t1".parse().unwrap());
    world.declare(1);
    world.ask(1);
    world.settle();
    let end = world.ends.values().next().unwrap();
    assert_eq!((end.exit_code, end.message.as_deref()), (4, Some("/t1 is in the way: a file")));
}

#[test]
fn nothing_is_installed_while_the_disk_is_full_and_it_is_said() {
    let mut world = World::new();
    world.disk_full = true;
    world.declare(1);
    world.deliver();
    while world.step(false) {}
    world.post(true);
    let report = world.wanted.values().next().unwrap().report.clone().unwrap();
    assert_eq!(report.state, InstallState::Failed);
    assert_eq!(report.reason.as_deref(), Some("the disk is full"));
    assert!(world.installed.is_empty());
    world.disk_full = false;
    world.now = world.now.plus(INTERVAL);
    world.settle();
    assert_eq!(world.installed.len(), 1);
}

/// systemd forgets a unit that nothing refers to once it has ended well, and with it that it ran.
#[test]
fn a_run_whose_timer_is_off_is_not_started_twice_when_the_agent_dies() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    world.stop_timer(1);
    world.ask(1);
    world.deliver();
    // Whichever job is under way when it dies, and the program ends well meanwhile.
    while world.step(true) {
        world.end_run(1, 0);
        world.deliver();
        world.now = world.now.plus(Duration::from_secs(1));
        if world.jobs > 40 {
            break;
        }
    }
    world.settle();
    assert!(world.starts.values().all(|starts| *starts == 1), "{:?}", world.starts);
    assert_eq!(world.ends.len(), 1);
}

#[test]
fn a_run_begins_when_its_timer_is_on_again_and_its_end_is_told() {
    let mut world = World::new();
    world.declare(2);
    world.settle();
    world.stop_timer(2);
    world.ask(2);
    world.settle();
    let ends: Vec<_> = world.ends.values().map(|end| end.exit_code).collect();
    assert_eq!(ends, [0], "{:?}", world.ends);
    assert_eq!(world.starts.len(), 1);
}

#[test]
fn a_tenant_that_runs_without_a_pause_can_be_deleted() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    world.busy.insert(1);
    world.fire(1);
    world.delete(1);
    world.settle();
    assert!(world.installed.is_empty());
}

#[test]
fn a_manager_that_does_not_answer_is_asked_once_for_all_tenants() {
    let mut world = World::new();
    (0..4).for_each(|which| world.declare(which));
    world.settle();
    (0..4).for_each(|which| world.declare(which));
    world.delete(3);
    world.no_manager = true;
    world.deliver();
    let before = world.jobs;
    while world.step(false) {}
    assert_eq!(world.jobs - before, 4 + 1, "each is written down, and somebody is asked once");
    world.post(true);
    for wanted in world.wanted.values() {
        let report = wanted.report.as_ref().unwrap();
        let state = if wanted.remove { InstallState::Removing } else { InstallState::Failed };
        assert_eq!((report.state, report.reason.as_deref()), (state, Some("no manager")));
    }
    // Who wants a run is told that, and does not wait.
    world.ask(1);
    world.deliver();
    while world.step(false) {}
    world.post(true);
    let end = world.ends.values().next().unwrap();
    assert_eq!((end.exit_code, end.message.as_deref()), (5, Some("no manager")));
    world.settle();
    assert_eq!(world.installed.len(), 3);
}

#[test]
fn who_else_changes_units_makes_no_tenant_fail_and_ends_no_run() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    world.is_held = true;
    world.declare(2);
    world.stop_timer(1);
    world.ask(1);
    world.deliver();
    while world.step(false) {}
    // The specs that it lacked.
    world.deliver();
    while world.step(false) {}
    world.post(true);
    assert_eq!(world.ends.len(), 0, "{:?}", world.ends);
    let reports = world.wanted.values().map(|it| it.report.as_ref().unwrap());
    for report in reports {
        assert_eq!(
            (report.state, report.reason.as_deref()),
            (InstallState::Installing, Some("somebody installs"))
        );
    }
    world.settle();
    assert_eq!(world.ends.values().map(|end| end.exit_code).collect::<Vec<_>>(), [7]);
}

#[test]
fn a_deletion_says_which_run_it_waits_for() {
    let mut world = World::new();
    world.declare(1);
    world.settle();
    world.ask(1);
    world.deliver();
    while world.step(false) {}
    world.delete(1);
    world.deliver();
    while world.step(false) {}
    world.post(true);
    let report = world.wanted.values().next().unwrap().report.clone().unwrap();
    assert_eq!(report.state, InstallState::Removing);
    assert_eq!(report.reason.as_deref(), Some("waits for the end of t1.service, which is running"));
}

/// Else the control plane, which has forgotten the first, could take a late report of it for newer than all of the
/// second.
#[test]
fn the_numbers_of_reports_go_on_when_a_tenant_comes_back() {
    let mut world = World::new();
    world.declare(1);
    world.declare(1);
    world.settle();
    let wanted = world.wanted.values().next().unwrap().clone();
    world.drop(1);
    world.settle();
    assert_eq!(world.core.notes().count(), 0);
    world.wanted.insert(wanted.id, wanted.clone());
    world.settle();
    let (before, after) =
        (wanted.report.unwrap(), world.wanted[&wanted.id].report.clone().unwrap());
    assert!(after.seq > before.seq, "{} after {}", after.seq, before.seq);
}
