//! A node that is silent is Offline; its workloads move; when it is back,
//! everything settles and stays so.

use std::collections::BTreeMap;
use std::time::Duration;

use tessera_client::{Watch, WatchOptions};
use tessera_e2e::{Fleet, process};
use tessera_types::api::WatchEvent;
use tessera_types::node::NodeStatus;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Epoch, KindName, Resource, WaitReason};

const NAMES: [&str; 6] = ["w0", "w1", "w2", "w3", "w4", "w5"];

#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_a_dead_node_run_elsewhere_and_nothing_flaps_when_it_is_back() {
    let mut fleet = Fleet::with_lease("3s").await;
    for node in ["a", "b", "c"] {
        fleet.add_node(node, &[]).await;
    }
    for name in NAMES {
        fleet.apply(&fleet.sleeper(name)).await;
    }
    let mut before = BTreeMap::new();
    for name in NAMES {
        before.insert(name, fleet.running(name).await);
    }
    let on = |name: &str| before[name].observed.assigned.as_ref().unwrap().node.as_str();
    let moved: Vec<_> = NAMES.into_iter().filter(|name| on(name) == "a").collect();
    assert_eq!(moved.len(), 2, "they are spread");

    fleet.node("a").kill();
    let offline = fleet.node_until("a", "Offline", |node| node.status == NodeStatus::Offline).await;
    assert_eq!(offline.waiting_for.unwrap().reason, WaitReason::Agent);
    for name in &moved {
        let there = fleet
            .until(name, "elsewhere", |it| {
                let node = it.observed.assigned.as_ref().map(|assigned| assigned.node.as_str());
                it.status == WorkloadStatus::Running && node.is_some_and(|node| node != "a")
            })
            .await;
        assert_eq!(there.observed.epoch, Epoch(2));
        // By declaration the old copy goes on while its node is cut off.
        assert!(process(&before[name]).is_alive());
    }

    fleet.node("a").start();
    fleet.node_until("a", "Ready", |node| node.status == NodeStatus::Ready).await;
    fleet.one_copy_each(&NAMES).await;
    let settled = fleet.workloads().await;
    for name in NAMES {
        let epoch = if moved.contains(&name) { Epoch(2) } else { Epoch(1) };
        assert_eq!(settled[name].observed.epoch, epoch, "{name}");
        if !moved.contains(&name) {
            assert_eq!(process(&settled[name]), process(&before[name]), "{name} was not touched");
        }
    }
    nothing_changes(&fleet, Duration::from_secs(4)).await;
    fleet.one_copy_each(&NAMES).await;
}

/// Fails if any workload changes within `time`, which is longer than a lease.
async fn nothing_changes(fleet: &Fleet, time: Duration) {
    let options = WatchOptions { kind: Some(KindName::Workload), ..WatchOptions::default() };
    let mut watch = Watch::open(&fleet.api, options).await.unwrap();
    let _bounded = tokio::time::timeout(time, async {
        loop {
            let event = watch.next().await.unwrap();
            if let WatchEvent::Changed { resource: Resource::Workload(changed), .. } = event {
                panic!("{} changed: {:?}", changed.name, changed.state_history.last());
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_back_before_its_workloads_moved_goes_on_with_them() {
    let mut fleet = Fleet::with_lease("2s").await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let before = process(&fleet.running("web").await);
    fleet.node("a").kill();
    let lost = fleet.until("web", "Lost", |it| it.status == WorkloadStatus::Lost).await;
    let waiting = fleet.until("web", "says why", |it| it.waiting_for.is_some()).await;
    let message = waiting.waiting_for.unwrap().message;
    assert!(message.contains("a is Offline"), "{message}");
    fleet.node("a").start();
    let after = fleet.running("web").await;
    assert_eq!(process(&after), before);
    assert_eq!((after.observed.epoch, after.observed.restarts), (lost.observed.epoch, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_cable_is_pulled_goes_offline_and_recovers() {
    let mut fleet = Fleet::with_lease("2s").await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let before = process(&fleet.running("web").await);
    fleet.node("a").gate.cut();
    fleet.node_until("a", "Offline", |node| node.status == NodeStatus::Offline).await;
    fleet.add_node("b", &[]).await;
    let moved = fleet
        .until("web", "on b", |it| {
            it.status == WorkloadStatus::Running
                && it.observed.assigned.as_ref().is_some_and(|at| at.node.as_str() == "b")
        })
        .await;
    // What was under way when the cable was pulled arrives now, long after it mattered.
    fleet.node("a").gate.mend();
    fleet.node_until("a", "Ready", |node| node.status == NodeStatus::Ready).await;
    fleet.one_copy_each(&["web"]).await;
    assert!(!before.is_alive());
    assert_eq!(fleet.get("web").await.observed.epoch, moved.observed.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_for_good_is_deleted_and_its_return_changes_nothing() {
    let mut fleet = Fleet::with_lease("1s").await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let copy = process(&fleet.running("web").await);
    fleet.node("a").kill();
    fleet.until("web", "Lost", |it| it.status == WorkloadStatus::Lost).await;
    fleet.delete("web").await;
    let waiting = fleet
        .until("web", "waits", |it| {
            it.waiting_for.as_ref().is_some_and(|it| it.message.contains("delete node/a"))
        })
        .await;
    assert_eq!(waiting.waiting_for.unwrap().reason, WaitReason::NodeOffline);
    assert!(copy.is_alive(), "nobody can know, so it is not said to be gone");
    fleet.ctl(&["delete", "node", "a"]).expect(0);
    fleet.gone("web").await;
    fleet
        .eventually("the node is gone", async || {
            (fleet.ctl(&["get", "node", "a"]).code == 3).then_some(())
        })
        .await;
    fleet.node("a").start();
    fleet.node_until("a", "Ready", |node| node.status == NodeStatus::Ready).await;
    fleet.eventually("the old copy is stopped", async || (!copy.is_alive()).then_some(())).await;
    assert!(fleet.workloads().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_fleet_writes_nothing() {
    let mut fleet = Fleet::with_lease("1s").await;
    fleet.add_node("a", &[]).await;
    fleet.add_node("b", &["--simulated"]).await;
    for name in NAMES {
        fleet.apply(&fleet.sleeper(name)).await;
        fleet.running(name).await;
    }
    let before = fleet.revision().await;
    // Several heartbeats of each node.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fleet.revision().await, before);
}
