//! `not_before` and `not_after`, which hold on a node that is cut off as well.

use serde_json::json;
use tessera_e2e::{Fleet, process};
use tessera_types::workload::{ExitOutcome, WorkloadStatus};
use tessera_types::{Duration, Timestamp, WaitReason};

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_before_its_window_and_nothing_runs_after_it() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let opens = now().plus(Duration::from_millis(1200));
    let closes = opens.plus(Duration::from_millis(1500));
    let mut manifest = fleet.workload("exam", "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    manifest["spec"]["not_before"] = json!(opens.to_string());
    manifest["spec"]["not_after"] = json!(closes.to_string());
    fleet.apply(&manifest).await;
    let waiting = fleet.until("exam", "waits", |it| it.waiting_for.is_some()).await;
    let waiting = waiting.waiting_for.unwrap();
    assert_eq!((waiting.reason, waiting.until), (WaitReason::NotBefore, Some(opens)));
    let running = fleet.running("exam").await;
    assert!(running.observed.instance.unwrap().started_at >= opens);
    let stopped = fleet.until("exam", "Stopped", |it| it.status == WorkloadStatus::Stopped).await;
    let exit = stopped.observed.last_exit.unwrap();
    assert_eq!(exit.outcome, ExitOutcome::WindowClosed);
    assert!(exit.at >= closes);
    assert!(fleet.copies("exam").is_empty());

    let mut late = fleet.sleeper("late");
    late["spec"]["not_after"] = json!(closes.to_string());
    fleet.apply(&late).await;
    let never = fleet.until("late", "Stopped", |it| it.status == WorkloadStatus::Stopped).await;
    assert_eq!(never.observed.epoch.0, 0, "it was not even placed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closes_while_the_control_plane_is_down_and_the_agent_is_dead() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.add_node("b", &[]).await;
    let pinned = |node: &str| {
        let mut manifest = fleet.sleeper(&format!("on-{node}"));
        manifest["spec"]["constraints"] = json!([{"label": "node", "equal": node}]);
        manifest
    };
    let closes = now().plus(Duration::from_secs(3));
    let [mut a, mut b] = [pinned("a"), pinned("b")];
    fleet.apply(&a).await;
    fleet.running("on-a").await;
    // The window of a copy that runs is moved, and the copy stays.
    a["spec"]["not_after"] = json!(closes.to_string());
    fleet.apply(&a).await;
    b["spec"]["not_after"] = json!(closes.to_string());
    fleet.apply(&b).await;
    fleet.running("on-b").await;
    let copies = [process(&fleet.get("on-a").await), process(&fleet.get("on-b").await)];
    fleet.eventually("a knows its window", async || knows_window(&fleet).then_some(())).await;
    fleet.node("b").kill();
    fleet.kill_control();
    fleet
        .eventually("both windows close", async || {
            copies.iter().all(|copy| !copy.is_alive()).then_some(())
        })
        .await;
    assert!(now() >= closes, "not before");
    fleet.start_control().await;
    fleet.node("b").start();
    for name in ["on-a", "on-b"] {
        let ended = fleet.until(name, "Stopped", |it| it.status == WorkloadStatus::Stopped).await;
        let exit = ended.observed.last_exit.unwrap();
        assert_eq!(exit.outcome, ExitOutcome::WindowClosed, "{name}");
        assert!(exit.at >= closes);
    }
}

/// Whether the agent of `a` has saved the spec with the window.
fn knows_window(fleet: &Fleet) -> bool {
    let saved = std::fs::read_dir(fleet.area().join("node-a/progress"));
    let mut files = saved.into_iter().flatten().flatten();
    files.any(|file| {
        std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("not_after"))
    })
}
