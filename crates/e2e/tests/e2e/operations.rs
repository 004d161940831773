//! What an operator looks at: metrics, the API's own document, and the log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tessera_client::Api;
use tessera_e2e::{Area, Fleet, Running};
use tessera_types::node::NodeStatus;

async fn metrics(fleet: &Fleet) -> BTreeMap<String, f64> {
    let text =
        reqwest::get(format!("{}/metrics", fleet.url())).await.unwrap().text().await.unwrap();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.add_node("b", &[]).await;
    for name in ["w1", "w2", "w3"] {
        fleet.apply(&fleet.sleeper(name)).await;
        fleet.running(name).await;
    }
    let mut large = fleet.sleeper("large");
    large["spec"]["resources"] = serde_json::json!({"cpu": "5000"});
    fleet.apply(&large).await;
    fleet.until("large", "unplaced", |it| it.waiting_for.is_some()).await;
    fleet.ctl(&["get", "workload", "nobody"]).expect(3);
    let found = metrics(&fleet).await;
    let expected = [
        (r#"tessera_resources{kind="Node",status="Ready"}"#, 2.0),
        (r#"tessera_resources{kind="Workload",status="Running"}"#, 3.0),
        (r#"tessera_resources{kind="Workload",status="Pending"}"#, 1.0),
        ("tessera_workloads_unplaced", 1.0),
        ("tessera_reconcile_placed_total", 3.0),
        ("tessera_reconcile_nodes_offline_total", 0.0),
        ("tessera_reconcile_refused", 0.0),
        ("tessera_reconcile_given_up", 0.0),
        ("tessera_store_failures", 0.0),
        ("tessera_watchers", 0.0),
        (r#"tessera_http_requests_total{method="PUT",code="200"}"#, 4.0),
    ];
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(&value), "{name}: {found:#?}");
    }
    let revision = fleet.revision().await.0 as f64;
    assert!(found["tessera_store_revision"] <= revision);
    for name in [
        "tessera_reconcile_passes_total",
        "tessera_reconcile_evaluated_total",
        "tessera_reconcile_pass_duration_seconds_count",
        "tessera_store_commits",
        "tessera_store_revision",
        "tessera_store_disk_bytes",
        "tessera_agent_heartbeats_total",
        "tessera_http_request_duration_seconds_count",
        r#"tessera_http_requests_total{method="GET",code="404"}"#,
    ] {
        assert!(found.get(name).is_some_and(|value| *value > 0.0), "{name}: {found:#?}");
    }
    assert!(
        found.contains_key("tessera_reconcile_due")
            && found.contains_key("tessera_store_conflicts")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_the_api_is_served_as_it_is_kept() {
    let fleet = Fleet::start().await;
    let answer = reqwest::get(format!("{}/openapi.json", fleet.url())).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let served: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/tessera.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(served, kept);
}

/// Where a program listens, once it has said so.
async fn listening(control: &mut Running) -> String {
    let line = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
    control.line("the control plane comes up", line).await
}

/// The log with `RUST_LOG=tessera=debug` shows the loop converging: what is to be seen
/// is a promise of the README.
#[tokio::test(flavor = "multi_thread")]
async fn the_loop_can_be_watched_converging() {
    let area = Area::new();
    let env = [("RUST_LOG", PathBuf::from("tessera=debug"))];
    let state = area.join("control");
    let arguments =
        ["--listen", "127.0.0.1:0", "--lease", "1s", "--state-dir", state.to_str().unwrap()];
    let mut control = Running::start(&area, "tessera-control", &arguments, &env);
    let url = listening(&mut control).await;
    let state = area.join("agent");
    let state = ["--state-dir", state.to_str().unwrap()];
    let arguments = [&["--simulated", "--name", "node-a", "--server", &url][..], &state].concat();
    let mut agent = Running::start(&area, "tessera-agent", &arguments, &env);
    agent.line("it registers", |line| line.contains("registered").then_some(())).await;
    let file = area.join("web.json");
    std::fs::write(&file, r#"{"name":"web","spec":{"command":"/bin/sleep"}}"#).unwrap();
    tessera_e2e::tesseractl(&url, &["apply", "--wait", "-f", file.to_str().unwrap()], "").expect(0);
    agent.line("a heartbeat", |line| has(line, &["DEBUG", "heartbeat", "took=", "news="])).await;
    agent.kill();
    for parts in [
        &["DEBUG", "tessera::api", "method=POST", "path=\"/v1/apply\"", "status=200", "took="][..],
        &["DEBUG", "tessera::store", "commit", "writes=", "duration_us="],
        &["DEBUG", "reconcile pass", "nodes_evaluated=", "workloads_placed=1"],
        &["DEBUG", "tessera::agents", "heartbeat", "node=node-a"],
        &["DEBUG", "reconcile pass", "nodes_offline=1"],
    ] {
        control.line(&format!("{parts:?}"), |line| has(line, parts)).await;
    }
    control.kill();
}

fn has(line: &str, parts: &[&str]) -> Option<()> {
    parts.iter().all(|part| line.contains(part)).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_can_be_many_simulated_nodes() {
    let fleet = Fleet::start().await;
    let (url, state) = (fleet.url(), fleet.area().join("agents"));
    let state = ["--state-dir", state.to_str().unwrap()];
    let arguments =
        [&["--simulated-nodes", "25", "--name", "sim", "--server", &url][..], &state].concat();
    let agent = Running::start(fleet.area(), "tessera-agent", &arguments, &[]);
    let api = Api::new(&fleet.url()).unwrap();
    fleet
        .eventually("all are Ready", async || {
            let nodes = api
                .list::<tessera_types::Node>(&tessera_client::ListOptions::default())
                .await
                .ok()?
                .items;
            let ready = nodes.iter().filter(|node| node.status == NodeStatus::Ready);
            let names: Vec<_> = ready.map(|node| node.name.to_string()).collect();
            let expected: Vec<_> = (1..=25).map(|number| format!("sim-{number:04}")).collect();
            (names == expected).then_some(())
        })
        .await;
    agent.interrupt().await.expect(0);
}
