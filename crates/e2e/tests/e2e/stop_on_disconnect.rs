//! `on_disconnect: stop` promises at most one live copy, ever. A witness that
//! knows nothing of Tessera counts them all the time.

use rustix::process::Signal;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, Random, Sampler, process};
use tessera_types::node::NodeStatus;
use tessera_types::workload::{ExitOutcome, WorkloadStatus};

/// A workload that may run on any of these nodes, once at a time.
fn strict(fleet: &Fleet, name: &str, nodes: &[&str]) -> Value {
    let mut manifest = fleet.sleeper(name);
    manifest["spec"]["on_disconnect"] = json!("stop");
    manifest["spec"]["constraints"] = json!([{"label": "node", "in": nodes}]);
    // Deaf to anything but SIGKILL, so that nobody can count on its manners.
    manifest["spec"]["args"][1] = json!("trap '' TERM HUP INT; while :; do sleep 1000; done");
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn never_two_copies_whether_the_agent_is_frozen_dead_or_cut_off() {
    let mut fleet = Fleet::with_lease("2s").await;
    for node in ["frozen", "dead", "cut"] {
        fleet.add_node(node, &[]).await;
    }
    let names = ["on-frozen", "on-dead", "on-cut"];
    for (name, node) in names.into_iter().zip(["frozen", "dead", "cut"]) {
        fleet.apply(&strict(&fleet, name, &[node, "refuge"])).await;
        fleet.running(name).await;
    }
    fleet.add_node("refuge", &[]).await;
    let sampler = Sampler::start(&fleet.area().tag());
    let before = fleet.workloads().await;

    fleet.node("frozen").freeze();
    fleet.node("dead").kill();
    fleet.node("cut").gate.cut();
    for name in names {
        let moved = fleet
            .until(name, "on the refuge", |it| {
                it.status == WorkloadStatus::Running
                    && it.observed.assigned.as_ref().is_some_and(|at| at.node.as_str() == "refuge")
            })
            .await;
        assert!(moved.observed.epoch > before[name].observed.epoch);
        let old = before[name].observed.instance.as_ref().unwrap().pid.unwrap();
        assert!(!fleet.copies(name).contains(&old), "the copy on the lost node is dead");
    }
    fleet.node("frozen").thaw();
    fleet.node("dead").start();
    fleet.node("cut").gate.mend();
    for node in ["frozen", "dead", "cut"] {
        fleet.node_until(node, "Ready", |node| node.status == NodeStatus::Ready).await;
    }
    fleet.one_copy_each(&names).await;
    sampler.expect_never_two();
}

/// The dangerous moment is the end of the lease: the supervisor kills, the
/// control plane places elsewhere, and the agent comes back with old news.
#[tokio::test(flavor = "multi_thread")]
async fn never_two_copies_when_agents_come_back_around_the_end_of_the_lease() {
    const NODES: [&str; 4] = ["a", "b", "c", "d"];
    let mut random = Random::new();
    let mut fleet = Fleet::with_lease("2s").await;
    for node in NODES {
        fleet.add_node(node, &[]).await;
    }
    let names = ["w0", "w1", "w2", "w3"];
    for name in names {
        fleet.apply(&strict(&fleet, name, &NODES)).await;
        fleet.running(name).await;
    }
    let sampler = Sampler::start(&fleet.area().tag());
    // The lease ends after 2 s; others may have the workload from 5 s on.
    for around in [1_700..2_400_u64, 4_800..5_400] {
        let frozen: Vec<_> = NODES[..3]
            .iter()
            .map(|node| {
                let agent = fleet.node(node).agent().pid();
                let pause = random.millis(around.clone());
                let agent = tessera_e2e::Process::find(agent).unwrap();
                tokio::spawn(async move {
                    agent.signal(Signal::STOP);
                    tokio::time::sleep(pause).await;
                    agent.signal(Signal::CONT);
                })
            })
            .collect();
        for task in frozen {
            task.await.unwrap();
        }
        for name in names {
            fleet.running(name).await;
        }
        for node in NODES {
            fleet.node_until(node, "Ready", |node| node.status == NodeStatus::Ready).await;
        }
        fleet.one_copy_each(&names).await;
    }
    sampler.expect_never_two();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_control_plane_stops_those_copies_and_no_others() {
    let mut fleet = Fleet::with_lease("1s").await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&strict(&fleet, "strict", &["a"])).await;
    fleet.apply(&fleet.sleeper("kept")).await;
    let strict = process(&fleet.running("strict").await);
    let kept = process(&fleet.running("kept").await);
    let sampler = Sampler::start(&fleet.area().tag());
    fleet.kill_control();
    fleet.eventually("the lease lapses", async || (!strict.is_alive()).then_some(())).await;
    assert!(kept.is_alive());
    fleet.start_control().await;
    let after = fleet
        .until("strict", "back", |it| {
            it.status == WorkloadStatus::Running && it.observed.last_exit.is_some()
        })
        .await;
    assert_eq!(after.observed.last_exit.unwrap().outcome, ExitOutcome::Disconnected);
    assert_eq!(process(&fleet.running("kept").await), kept);
    fleet.one_copy_each(&["strict", "kept"]).await;
    sampler.expect_never_two();
}
