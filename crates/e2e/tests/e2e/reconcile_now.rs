//! An operator has a resource looked at now.

use serde_json::json;
use tessera_e2e::Fleet;
use tessera_types::{Manifest, Node, WaitReason};

/// Why the workload waits.
async fn message(fleet: &Fleet, name: &str) -> String {
    let waiting = fleet.get(name).await.waiting_for.expect("it waits");
    assert_eq!(waiting.reason, WaitReason::NoNodeFits);
    waiting.message
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_workload_waits_is_brought_up_to_date_when_an_operator_asks() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut manifest = fleet.sleeper("big");
    manifest["spec"]["resources"] = json!({"memory": "1024TiB"});
    fleet.apply(&manifest).await;
    fleet.until("big", "explained", |it| it.waiting_for.is_some()).await;
    let before = message(&fleet, "big").await;

    // A change of room alone is not told at once.
    let reserve = json!({"name": "a", "spec": {"reserved": {"memory": "64MiB"}}});
    let manifest: Manifest<Node> = serde_json::from_value(reserve).unwrap();
    fleet.api.put(&manifest, &Default::default()).await.unwrap();
    assert_eq!(message(&fleet, "big").await, before);

    let said = fleet.ctl(&["reconcile", "workload", "big"]).expect(0);
    assert_eq!(said.stdout, "workload/default/big is looked at\n");
    fleet
        .until("big", "explained anew", |it| {
            it.waiting_for.as_ref().is_some_and(|waiting| waiting.message != before)
        })
        .await;
    fleet.ctl(&["reconcile", "node/a"]).expect(0);
    fleet.ctl(&["reconcile", "workload", "nobody"]).expect(3);
    fleet.ctl(&["reconcile", "workload"]).expect(2);
}
