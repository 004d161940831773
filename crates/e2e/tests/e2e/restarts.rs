//! A workload that ends is started again, with pauses, and the history says so.

use rustix::process::Signal;
use serde_json::json;
use tessera_e2e::{Fleet, process};
use tessera_types::workload::{ExitOutcome, WorkloadStatus};
use tessera_types::{Duration, WaitReason};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_started_again_and_the_history_says_so() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let first = fleet.running("web").await;
    let killed = process(&first);
    killed.kill();
    let second = fleet
        .until("web", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    assert_ne!(process(&second), killed);
    assert_eq!(second.observed.epoch, first.observed.epoch, "it stays where it is");
    let exit = second.observed.last_exit.as_ref().unwrap();
    assert_eq!(exit.outcome, ExitOutcome::Signaled { signal: Signal::KILL.as_raw() });
    fleet.one_copy_each(&["web"]).await;

    let history = fleet.history("web").await;
    let path: Vec<_> = history.iter().map(|entry| entry.record.to.as_str()).collect();
    assert_eq!(
        path,
        [
            "Pending",
            "Scheduled",
            "Provisioning",
            "Running",
            "BackingOff",
            "Provisioning",
            "Running"
        ]
    );
    let ended = &history[4].record;
    assert_eq!(ended.metadata["exit"], "ended by signal 9 (SIGKILL)");
    assert_eq!(ended.by.to_string(), "agent/a");
    assert_eq!(ended.metadata["node"], "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_backs_off_to_its_ceiling_and_is_visible_as_such() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut manifest =
        fleet.workload("flaky", "echo connecting; echo 'no such database' >&2; exit 7");
    manifest["spec"]["restart"]["backoff"] = json!({"initial": "50ms", "max": "1s"});
    fleet.apply(&manifest).await;
    let at_ceiling = fleet
        .until("flaky", "at the ceiling", |it| {
            it.status == WorkloadStatus::BackingOff
                && it.observed.restarts >= 6
                && it.waiting_for.is_some()
        })
        .await;
    let observed = &at_ceiling.observed;
    let exit = observed.last_exit.as_ref().unwrap();
    assert_eq!(exit.outcome, ExitOutcome::Exited { code: 7 });
    assert_eq!(exit.last_lines, ["connecting", "no such database"]);
    let waiting = at_ceiling.waiting_for.as_ref().unwrap();
    assert_eq!(waiting.reason, WaitReason::Backoff);
    assert!(waiting.message.contains("exited with code 7"), "{}", waiting.message);
    assert_eq!(waiting.until, observed.next_start_at);
    let pause = observed.next_start_at.unwrap().since(at_ceiling.status_since);
    assert_eq!(pause, Duration::from_secs(1), "the ceiling");

    let described = fleet.ctl(&["describe", "workload", "flaky"]).expect(0).stdout;
    for part in ["BackingOff", "exited with code 7", "no such database"] {
        assert!(described.contains(part), "{part} in\n{described}");
    }
    let table = fleet.ctl(&["get", "workloads"]).expect(0).stdout;
    assert!(table.contains("BackingOff") || table.contains("Provisioning"), "{table}");
    fleet.until("flaky", "started again from the ceiling", |it| it.observed.restarts >= 7).await;
    pauses_grow(&fleet).await;
}

/// Each pause is twice the one before, up to the ceiling.
async fn pauses_grow(fleet: &Fleet) {
    let history = fleet.history("flaky").await;
    let ended = history.iter().filter(|entry| entry.record.to == "BackingOff");
    let started = history.iter().filter(|entry| {
        entry.record.to == "Provisioning" && entry.record.from.as_deref() == Some("BackingOff")
    });
    for (i, (ended, started)) in ended.zip(started).enumerate() {
        let declared = Duration::from_millis(50).times(1 << i).min(Duration::from_secs(1));
        let pause = started.record.at.since(ended.record.at);
        assert!(pause >= declared, "pause {i} was {pause}, and {declared} at least is declared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_bounded_and_a_job_completes() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut hopeless = fleet.workload("hopeless", "exit 1");
    hopeless["spec"]["restart"] = json!({
        "policy": "on_failure", "attempts_max": 3, "backoff": {"initial": "10ms", "max": "20ms"},
    });
    let mut job = fleet.workload("job", "echo done");
    job["spec"]["restart"] = json!("on_failure");
    fleet.apply(&hopeless).await;
    fleet.apply(&job).await;
    let failed = fleet.until("hopeless", "Failed", |it| it.status == WorkloadStatus::Failed).await;
    assert_eq!(failed.observed.restarts, 2);
    let reason = &failed.state_history.last().unwrap().reason;
    assert!(reason.contains("3 in a row"), "{reason}");
    let done = fleet.until("job", "Completed", |it| it.status == WorkloadStatus::Completed).await;
    assert_eq!(done.observed.last_exit.unwrap().outcome, ExitOutcome::Exited { code: 0 });
    assert_eq!(done.observed.assigned, None, "it holds no room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_killed_takes_its_copy_along_and_it_is_started_again() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let first = fleet.running("web").await;
    let copy = process(&first);
    copy.parent().unwrap().kill();
    let second = fleet
        .until("web", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    assert!(!copy.is_alive());
    assert_eq!(second.observed.last_exit.unwrap().outcome, ExitOutcome::SupervisorLost);
    fleet.one_copy_each(&["web"]).await;
}
