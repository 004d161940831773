//! A control plane that does not run for a while must not take that for the silence of
//! its agents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tessera_client::{Api, HistoryOptions, PutOptions};
use tessera_e2e::Fleet;
use tessera_types::{HistoryEntry, KindName, Manifest, Name, ResourceKey, Workload};

const NODES: [&str; 3] = ["a", "b", "c"];

/// Declares workloads that no node takes, again and again with other labels.
fn churn(api: Api, ends: Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut number = 0_u64;
        while !ends.load(Ordering::Relaxed) {
            number += 1;
            let manifest = json!({
                "name": format!("churn-{}", number % 20), "labels": {"n": number.to_string()},
                "spec": {"command": "x", "constraints": [{"label": "no", "equal": "node"}]},
            });
            let manifest: Manifest<Workload> = serde_json::from_value(manifest).unwrap();
            // What comes of it does not matter: it only keeps the loop busy.
            let options = PutOptions::default();
            let put = api.put(&manifest, &options);
            let _ = tokio::time::timeout(Duration::from_secs(1), put).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_when_the_control_plane_was_frozen_under_load() {
    let mut fleet = Fleet::with_lease("4s").await;
    for node in NODES {
        fleet.add_node(node, &[]).await;
    }
    let names: Vec<_> = (0..6).map(|number| format!("w{number}")).collect();
    for name in &names {
        fleet.apply(&fleet.sleeper(name)).await;
    }
    for name in &names {
        fleet.running(name).await;
    }
    let before = fleet.workloads().await;
    let ends = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4).map(|_| churn(fleet.api.clone(), Arc::clone(&ends))).collect();
    // Longer than the lease, and not as long as the lease and a nap.
    for pause in [4500, 6000] {
        fleet.control().signal(Signal::STOP);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        fleet.control().signal(Signal::CONT);
        // Until each agent was heard of again, and the loop has looked at it.
        let revision = fleet.revision().await;
        fleet
            .eventually("the loop goes on", async || {
                (fleet.revision().await.0 > revision.0 + 50).then_some(())
            })
            .await;
    }
    ends.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    for node in NODES {
        let key = ResourceKey::new(KindName::Node, None, node.parse::<Name>().unwrap());
        let options = HistoryOptions { limit: Some(1000), before_seq: None };
        let history = fleet.api.history(&key, options).await.unwrap().items;
        // It was made as Offline, too.
        let became =
            |entry: &&HistoryEntry| entry.record.to == "Offline" && entry.record.from.is_some();
        let offline = history.iter().filter(became).count();
        assert_eq!(offline, 0, "{node}: {history:#?}");
    }
    let after = fleet.workloads().await;
    for name in &names {
        let of = |all: &std::collections::BTreeMap<String, tessera_types::Object<Workload>>| {
            let observed = &all[name].observed;
            (observed.epoch, observed.instance.clone())
        };
        assert_eq!(of(&after), of(&before), "{name} is where it was");
    }
}
