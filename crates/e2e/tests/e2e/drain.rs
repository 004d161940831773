//! Cordon keeps what is there, drain moves it off, and neither ever starts
//! anything on the node.

use std::collections::BTreeMap;

use serde_json::json;
use tessera_client::{Watch, WatchOptions, call};
use tessera_e2e::{Fleet, process};
use tessera_types::api::WatchEvent;
use tessera_types::node::NodeStatus;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Epoch, KindName, Name, Resource, Revision, WaitReason};

const NAMES: [&str; 6] = ["w0", "w1", "w2", "w3", "w4", "w5"];

fn node_of(workload: &tessera_types::Object<tessera_types::Workload>) -> Option<&str> {
    workload.observed.assigned.as_ref().map(|assigned| assigned.node.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_moves_everything_off_and_never_starts_a_copy_there() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.add_node("b", &[]).await;
    let sampler = tessera_e2e::Sampler::start(&fleet.area().tag());
    for name in NAMES {
        fleet.apply(&fleet.sleeper(name)).await;
        fleet.running(name).await;
    }
    let before = fleet.workloads().await;
    let epochs = before.values().map(|it| (it.name.clone(), it.observed.epoch)).collect();
    let options = WatchOptions { kind: Some(KindName::Workload), ..WatchOptions::default() };
    let mut watch = Watch::open(&fleet.api, options).await.unwrap();
    let a = "a".parse::<Name>().unwrap();
    let drained = call(fleet.api.node_drain(&a)).await.unwrap();
    // More of them arrive while it is drained, and some crash.
    for i in 0..6 {
        fleet.apply(&fleet.sleeper(&format!("late{i}"))).await;
        let crashed = fleet.workloads().await;
        if let Some(copy) = crashed[NAMES[i]].observed.instance.as_ref().and_then(|it| it.pid) {
            tessera_e2e::Process::find(copy).inspect(|copy| copy.kill());
        }
    }
    fleet.node_until("a", "Drained", |node| node.status == NodeStatus::Drained).await;
    let all = fleet.workloads().await;
    for name in all.keys() {
        let there = fleet.until(name, "on b", |it| node_of(it) == Some("b")).await;
        assert_ne!(there.observed.epoch, Epoch(0));
        fleet.running(name).await;
    }
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    fleet.one_copy_each(&names).await;
    let last = fleet.revision().await;
    placed_nowhere_else(&mut watch, epochs, drained.revision, last).await;
    sampler.expect_never_two();

    fleet.ctl(&["uncordon", "a"]).expect(0);
    let mut pinned = fleet.sleeper("pinned");
    pinned["spec"]["constraints"] = json!([{"label": "node", "equal": "a"}]);
    fleet.apply(&pinned).await;
    assert_eq!(node_of(&fleet.running("pinned").await), Some("a"));
}

/// Reads all events up to `last`: after `drained`, no placement on `a` was made.
async fn placed_nowhere_else(
    watch: &mut Watch,
    mut epochs: BTreeMap<Name, Epoch>,
    drained: Revision,
    last: Revision,
) {
    let mut seen = Revision::ZERO;
    while seen < last {
        let event = watch.next().await.unwrap();
        seen = match &event {
            WatchEvent::Changed { revision, .. }
            | WatchEvent::Deleted { revision, .. }
            | WatchEvent::Bookmark { revision } => *revision,
            WatchEvent::Failed { problem } => panic!("{problem}"),
        };
        let WatchEvent::Changed { resource: Resource::Workload(it), .. } = event else { continue };
        let before = epochs.insert(it.name.clone(), it.observed.epoch).unwrap_or_default();
        let is_new = it.observed.epoch > before;
        let wrong = seen > drained && is_new && node_of(&it) == Some("a");
        assert!(!wrong, "{} was placed on a at {seen}, after {drained}", it.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_waits_until_it_is_done_and_says_what_it_waits_for() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut slow = fleet.workload("slow", "trap '' TERM; while :; do sleep 1000; done");
    slow["spec"]["stop"] = json!({"grace": "1s"});
    fleet.apply(&slow).await;
    fleet.running("slow").await;
    let told = fleet.ctl(&["drain", "a", "--timeout", "30s"]).expect(0).stdout;
    assert!(told.contains("1 workload"), "{told}");
    assert!(fleet.copies("slow").is_empty(), "nothing is left when drain has said so");
    let waiting = fleet.until("slow", "waits", |it| it.status == WorkloadStatus::Pending).await;
    let waiting = fleet
        .until(waiting.name.as_str(), "says why", |it| it.waiting_for.is_some())
        .await
        .waiting_for
        .unwrap();
    assert_eq!(waiting.reason, WaitReason::NoNodeFits);
    assert!(waiting.message.contains("cordoned or draining"), "{}", waiting.message);
    fleet.ctl(&["uncordon", "a"]).expect(0);
    fleet.running("slow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cordon_keeps_what_is_there_and_takes_nothing_new() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("old")).await;
    let old = process(&fleet.running("old").await);
    fleet.ctl(&["cordon", "a"]).expect(0);
    fleet.node_until("a", "Cordoned", |node| node.status == NodeStatus::Cordoned).await;
    fleet.apply(&fleet.sleeper("new")).await;
    let waiting = fleet.until("new", "waits", |it| it.waiting_for.is_some()).await;
    let message = waiting.waiting_for.unwrap().message;
    assert!(message.contains("cordoned"), "{message}");
    // It is still looked after: a copy that ends is started again.
    old.kill();
    fleet
        .until("old", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    fleet.ctl(&["uncordon", "a"]).expect(0);
    fleet.running("new").await;
}
