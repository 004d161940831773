//! What a change of a declaration comes to; placement and its reasons.

use serde_json::{Value, json};
use tessera_e2e::{Fleet, process};
use tessera_types::workload::{ExitOutcome, WorkloadStatus};
use tessera_types::{Object, WaitReason, Workload};

fn node_of(workload: &Object<Workload>) -> &str {
    workload.observed.assigned.as_ref().expect("it is placed").node.as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_runs_restarts_it_and_a_change_of_labels_does_not() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut manifest = fleet.workload("web", "echo version $VERSION; exec sleep 100000");
    manifest["spec"]["env"]["VERSION"] = json!("1");
    fleet.apply(&manifest).await;
    let first = fleet.running("web").await;

    manifest["labels"] = json!({"team": "core"});
    let labelled = fleet.apply(&manifest).await;
    assert_eq!((labelled.generation, labelled.id), (first.generation, first.id));
    // These change the spec, and no copy has to be started for them.
    manifest["spec"]["stop"] = json!({"grace": "1s"});
    manifest["spec"]["restart"]["backoff"]["max"] = json!("2s");
    let respecified = fleet.apply(&manifest).await;
    assert_eq!(respecified.generation, first.generation + 1);

    manifest["spec"]["env"]["VERSION"] = json!("2");
    fleet.apply(&manifest).await;
    let second = fleet
        .until("web", "replaced", |it| {
            it.status == WorkloadStatus::Running && it.observed.placed_generation == it.generation
        })
        .await;
    assert_ne!(process(&second).pid, process_number(&first));
    fleet.one_copy_each(&["web"]).await;
    assert_eq!(fleet.ctl(&["logs", "web"]).expect(0).stdout, "version 1\nversion 2\n");
    let stops = fleet.history("web").await;
    let stops: Vec<_> = stops.iter().filter(|entry| entry.record.to == "Stopping").collect();
    assert_eq!(stops.len(), 1, "the label and the grace stopped nothing");
    assert_eq!(stops[0].record.reason, "its spec changed");
}

fn process_number(workload: &Object<Workload>) -> u32 {
    workload.observed.instance.as_ref().unwrap().pid.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_and_capacity_decide_and_a_refusal_accounts_for_every_node() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &["--label", "zone=a", "--cpu", "1", "--memory", "1GiB"]).await;
    fleet.add_node("b", &["--label", "zone=b", "--cpu", "2", "--memory", "1GiB"]).await;
    let constrained = |name: &str, constraint: Value| {
        let mut manifest = fleet.sleeper(name);
        manifest["spec"]["constraints"] = json!([constraint]);
        manifest
    };
    for (name, constraint, node) in [
        ("equal", json!({"label": "zone", "equal": "b"}), "b"),
        ("not-equal", json!({"label": "zone", "not_equal": "b"}), "a"),
        ("one-of", json!({"label": "zone", "in": ["b", "c"]}), "b"),
        ("exists", json!({"label": "zone", "exists": true}), ""),
    ] {
        fleet.apply(&constrained(name, constraint)).await;
        let running = fleet.running(name).await;
        assert!(node.is_empty() || node_of(&running) == node, "{name}: {}", node_of(&running));
    }
    let mut large = constrained("large", json!({"label": "zone", "not_equal": "a"}));
    large["spec"]["resources"] = json!({"cpu": "4"});
    let planned = fleet.ctl_with(&["apply", "-f", "-", "--dry-run"], &large.to_string()).expect(0);
    assert!(planned.stdout.contains("it would wait: none of 2 nodes fits"), "{}", planned.stdout);
    fleet.ctl(&["get", "workload", "large"]).expect(3);
    fleet.apply(&large).await;
    let waiting = fleet.until("large", "waits", |it| it.waiting_for.is_some()).await;
    let waiting = waiting.waiting_for.unwrap();
    assert_eq!(waiting.reason, WaitReason::NoNodeFits);
    for part in ["none of 2 nodes", "zone!=a", "4 cpu free (2 at most, on b)"] {
        assert!(waiting.message.contains(part), "{part} in: {}", waiting.message);
    }
    // Room is made by a person who declares less.
    large["spec"]["resources"] = json!({"cpu": "500m"});
    fleet.apply(&large).await;
    assert_eq!(node_of(&fleet.running("large").await), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_spread_or_packed_as_declared() {
    let mut fleet = Fleet::start().await;
    for (node, zone) in [("a", "zone=x"), ("b", "zone=x"), ("c", "zone=y")] {
        fleet.add_node(node, &["--label", zone]).await;
    }
    let mut zones = Vec::new();
    for i in 0..4 {
        let mut manifest = fleet.sleeper(&format!("even{i}"));
        manifest["labels"] = json!({"app": "even"});
        manifest["spec"]["spread_by"] = json!("zone");
        fleet.apply(&manifest).await;
        zones.push(node_of(&fleet.running(&format!("even{i}")).await) == "c");
    }
    assert_eq!(zones.iter().filter(|in_y| **in_y).count(), 2, "two in each zone");
    let mut nodes = Vec::new();
    for i in 0..3 {
        let mut manifest = fleet.sleeper(&format!("packed{i}"));
        manifest["spec"]["placement"] = json!("pack");
        fleet.apply(&manifest).await;
        nodes.push(node_of(&fleet.running(&format!("packed{i}")).await).to_owned());
    }
    assert!(nodes.iter().all(|node| *node == nodes[0]), "{nodes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited_where_the_node_says_so() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let node = fleet.node_until("a", "known", |_| true).await;
    if !node.observed.executors.limits {
        eprintln!("did not run: this machine does not let its agent limit anything");
        return;
    }
    let mut hungry = fleet.workload("hungry", "echo eating; exec tail /dev/zero");
    hungry["spec"]["resources"] = json!({"memory": "32MiB"});
    hungry["spec"]["restart"] = json!("never");
    fleet.apply(&hungry).await;
    let failed = fleet.until("hungry", "Failed", |it| it.status == WorkloadStatus::Failed).await;
    let exit = failed.observed.last_exit.unwrap();
    assert_eq!(exit.outcome, ExitOutcome::OutOfMemory);
    assert_eq!(exit.last_lines, ["eating"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_counts_as_running_when_it_is_healthy_and_is_restarted_when_it_is_not() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let well = fleet.area().join("well");
    let mut manifest = fleet.sleeper("web");
    manifest["spec"]["health"] = json!({
        "exec": ["/bin/sh", "-c", format!("test -e {} || {{ echo not yet; exit 1; }}", well.display())],
        "start_period": "60s", "interval": "100ms", "timeout": "10s", "retries": 2,
    });
    fleet.apply(&manifest).await;
    let starting = fleet
        .until("web", "starts", |it| {
            it.status == WorkloadStatus::Provisioning
                && it.observed.instance.is_some()
                && it.waiting_for.is_some()
        })
        .await;
    assert_eq!(starting.waiting_for.unwrap().reason, WaitReason::Start);
    std::fs::write(&well, "").unwrap();
    fleet.running("web").await;
    std::fs::remove_file(&well).unwrap();
    manifest["spec"]["health"]["start_period"] = json!("0s");
    fleet.apply(&manifest).await;
    let again = fleet.until("web", "started again", |it| it.observed.restarts >= 1).await;
    let outcome = again.observed.last_exit.unwrap().outcome;
    assert!(matches!(outcome, ExitOutcome::Unhealthy { .. }), "{outcome}");
    std::fs::write(&well, "").unwrap();
    fleet.running("web").await;
    fleet.one_copy_each(&["web"]).await;
}
