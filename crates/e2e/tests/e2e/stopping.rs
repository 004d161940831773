//! Deleting stops as was declared, then kills; and what does not die is
//! reported, not forgotten.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tessera_e2e::{Fleet, Process, process};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{HistoryEntry, WaitReason};

/// The entry in which the workload was stopped.
fn stopped(history: &[HistoryEntry]) -> &HistoryEntry {
    history.iter().find(|entry| entry.record.to == "Stopped").expect("it was stopped")
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_sends_the_declared_signal_and_waits_for_the_grace() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let said = fleet.area().join("said");
    let script = format!(
        "trap 'echo USR1 >> {0}; echo cleaning up; sleep 0.3; echo clean >> {0}; exit 0' USR1; \
         trap 'echo TERM >> {0}' TERM; echo ready; while :; do sleep 0.02; done",
        said.display()
    );
    let mut manifest = fleet.workload("polite", &script);
    manifest["spec"]["stop"] = json!({"signal": "USR1", "grace": "30s"});
    fleet.apply(&manifest).await;
    fleet.running("polite").await;
    // It may be stopped only once its trap is set.
    fleet
        .eventually("it is ready", async || {
            log_of(&fleet, "polite").contains("ready").then_some(())
        })
        .await;
    fleet.ctl(&["delete", "workload", "polite", "--wait"]).expect(0);
    assert_eq!(fs::read_to_string(&said).unwrap(), "USR1\nclean\n");
    assert!(fleet.copies("polite").is_empty());
    fleet.ctl(&["get", "workload", "polite"]).expect(3);

    let history = fleet.history("polite").await;
    assert_eq!(stopped(&history).record.metadata["exit"], "exited with code 0");
    let stopping = history.iter().find(|entry| entry.record.to == "Stopping").unwrap();
    assert_eq!(stopping.record.reason, "it is being deleted");
    assert_eq!(history.last().unwrap().record.to, "Deleted");
    assert_eq!(log_of(&fleet, "polite"), "ready\ncleaning up\n", "its log outlives it");
}

fn log_of(fleet: &Fleet, name: &str) -> String {
    fleet.ctl(&["logs", name]).expect(0).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ignores_its_signal_is_killed_after_the_grace_with_all_its_children() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let children = fleet.area().join("children");
    // A child that left the session, as a daemon does, and one that did not.
    let script = format!(
        "trap '' TERM; setsid sleep 100001 & echo $! >> {0}; sleep 100002 & echo $! >> {0}; \
         echo ready; while :; do sleep 1; done",
        children.display()
    );
    let mut manifest = fleet.workload("deaf", &script);
    manifest["spec"]["stop"] = json!({"grace": "700ms"});
    fleet.apply(&manifest).await;
    let copy = process(&fleet.running("deaf").await);
    fleet
        .eventually("it is ready", async || log_of(&fleet, "deaf").contains("ready").then_some(()))
        .await;
    let children: Vec<_> = fs::read_to_string(&children)
        .unwrap()
        .lines()
        .map(|pid| Process::find(pid.parse().unwrap()).unwrap())
        .collect();
    assert_eq!(children.len(), 2);
    fleet.delete("deaf").await;
    let waiting = fleet.until("deaf", "Stopping", |it| it.status == WorkloadStatus::Stopping).await;
    assert!(copy.is_alive(), "the grace is not over");
    let waiting = waiting.waiting_for.unwrap();
    assert_eq!(waiting.reason, WaitReason::Stop);
    assert!(waiting.message.contains("grace 700ms"), "{}", waiting.message);
    fleet.gone("deaf").await;
    assert!(!copy.is_alive());
    assert!(children.iter().all(|child| !child.is_alive()), "its children are gone with it");
    let history = fleet.history("deaf").await;
    assert_eq!(stopped(&history).record.metadata["exit"], "ended by signal 9 (SIGKILL)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_intent_too_and_a_workload_that_is_wanted_again_starts_again() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut manifest = fleet.sleeper("web");
    fleet.apply(&manifest).await;
    let first = process(&fleet.running("web").await);
    manifest["desired_status"] = json!("Stopped");
    fleet.apply(&manifest).await;
    fleet.until("web", "Stopped", |it| it.status == WorkloadStatus::Stopped).await;
    assert!(!first.is_alive());
    manifest["desired_status"] = json!("Running");
    fleet.apply(&manifest).await;
    fleet.running("web").await;
    fleet.one_copy_each(&["web"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_what_never_started_and_what_backs_off_is_immediate() {
    let mut fleet = Fleet::start().await;
    fleet.apply(&fleet.sleeper("pending")).await;
    fleet.delete("pending").await;
    fleet.gone("pending").await;
    fleet.add_node("a", &[]).await;
    let mut flaky = fleet.workload("flaky", "exit 1");
    flaky["spec"]["restart"]["backoff"] = json!({"initial": "1h", "max": "1h"});
    fleet.apply(&flaky).await;
    fleet.until("flaky", "BackingOff", |it| it.status == WorkloadStatus::BackingOff).await;
    fleet.delete("flaky").await;
    fleet.gone("flaky").await;
}

/// A process that the kernel does not let die. Nothing that may be declared
/// makes one, so this uses the freezer of control groups of version 1, in which
/// SIGKILL waits until the group is thawed. The newer freezer lets frozen
/// processes die, so where there is no old one, this cannot be tried.
struct Freezer(PathBuf);

impl Freezer {
    fn new(name: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup/freezer");
        let group = root.join(name);
        (root.join("cgroup.procs").exists() && fs::create_dir(&group).is_ok())
            .then_some(Self(group))
    }

    fn freeze(&self, process: Process) {
        fs::write(self.0.join("cgroup.procs"), process.pid.to_string()).unwrap();
        fs::write(self.0.join("freezer.state"), "FROZEN").unwrap();
    }

    fn thaw(&self) {
        fs::write(self.0.join("freezer.state"), "THAWED").unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _gone = fs::write(self.0.join("freezer.state"), "THAWED");
        // It is busy until its last process has ended.
        let mut looks = 0..400;
        while fs::remove_dir(&self.0).is_err() && looks.next().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_die_is_reported_and_not_forgotten() {
    let mut fleet = Fleet::start().await;
    let Some(freezer) = Freezer::new(&fleet.area().tag()) else {
        eprintln!("did not run: it needs root and the freezer of control groups, version 1");
        return;
    };
    fleet.add_node("a", &[]).await;
    let mut manifest = fleet.sleeper("stuck");
    manifest["spec"]["stop"] = json!({"grace": "100ms"});
    fleet.apply(&manifest).await;
    let copy = process(&fleet.running("stuck").await);
    freezer.freeze(copy);
    fleet.delete("stuck").await;
    let reported = fleet
        .until("stuck", "reported", |it| {
            it.waiting_for.as_ref().is_some_and(|it| it.reason == WaitReason::Unkillable)
        })
        .await;
    let message = reported.waiting_for.unwrap().message;
    assert!(message.contains(&copy.pid.to_string()), "{message}");
    assert_eq!(reported.status, WorkloadStatus::Stopping);
    let described = fleet.ctl(&["describe", "workload", "stuck"]).expect(0).stdout;
    assert!(described.contains("SIGKILL does not end"), "{described}");
    let told = fleet.ctl(&["delete", "workload", "stuck", "--wait", "--timeout", "1s"]).expect(1);
    assert!(told.stderr.contains("SIGKILL does not end"), "{}", told.stderr);
    // An agent that begins anew knows of it as well.
    fleet.node("a").kill();
    fleet.node("a").start();
    assert!(copy.is_alive());
    freezer.thaw();
    fleet.gone("stuck").await;
    assert!(!copy.is_alive());
}
