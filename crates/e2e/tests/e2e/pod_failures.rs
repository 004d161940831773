//! Pods that fail: a bounded number of tries, each of which is seen, and then
//! what the policy of the parent says.

use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, part, pod, room, session};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Pod, Session, SessionPart, WaitReason, Workload};

/// A fleet of one node with a host.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(10)).await;
    fleet
}

/// Fails when it is started for the first `times` times. What it counts is on the
/// disk.
fn fails(fleet: &Fleet, times: u32) -> Value {
    let tries = fleet.area().join("tries");
    let tries = tries.display();
    let script =
        format!("echo x >> {tries}; if test $(grep -c . {tries}) -le {times}; then exit 3; fi");
    fleet.actor("lab", &script)
}

/// A session of a part whose pod may fail, and one that goes on after it if the
/// policy is so.
fn two_parts(on_failure: &str) -> [Value; 3] {
    let short = json!({"duration": "4s", "lead_time": "4s", "teardown_buffer": "4s"});
    let parts = [("first", "part.bad"), ("second", "part.good")];
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, key)| json!({"name": name, "selector": {"type_key": key}}))
        .collect();
    let execution = json!({"order": "sequential", "on_failure": on_failure});
    let spec = json!({"parts": parts, "part_execution": execution});
    [
        part("part.bad", "pod.bad", short.clone()),
        part("part.good", "pod.good", short),
        definition("SessionDefinition", "two", spec),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_fails_twice_is_ready_at_the_third_try() {
    let fleet = fleet().await;
    let short = json!({"duration": "3s", "lead_time": "5s", "teardown_buffer": "4s"});
    fleet
        .declare(&[
            pod("pod.bad", &[fails(&fleet, 2)]),
            part("part.bad", "pod.bad", short),
            tessera_e2e::session_of("one", &[("first", "part.bad")]),
            session("s", "one", "6s"),
        ])
        .await;
    let tried = fleet
        .await_::<Pod>("s-first-pod", "tried again", |it| {
            it.observed.timed.phases.iter().any(|run| run.attempt > 1)
        })
        .await;
    let run = &tried.observed.timed.phases[0];
    assert_eq!(run.name.as_str(), "provision");
    let message = run.message.as_deref().unwrap();
    assert!(message.contains("workload/s-first-pod-lab exited with code 3"), "{message}");
    let session = fleet.over("s").await;
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed), "{session:#?}");
    assert_eq!(fleet.starts("s-first-pod-lab"), 3, "three tries: {:?}", fleet.all_starts());
    let path = fleet.path_of::<Pod>("s-first-pod").await;
    let usual = ["Scheduled", "Provisioning", "Ready", "Active", "TearingDown", "Terminated"];
    assert_eq!(path, usual, "a try that fails is not the pod's failure");
    fleet.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_succeeds_ends_its_session_after_its_tries() {
    let fleet = fleet().await;
    let good = pod("pod.good", &[fleet.actor("lab", "")]);
    fleet.declare(&[pod("pod.bad", &[fails(&fleet, 99)]), good]).await;
    fleet.declare(&two_parts("abort")).await;
    fleet.declare(&[session("s", "two", "5s")]).await;
    let session = fleet.over("s").await;
    assert_eq!(session.status, SessionStatus::Failed);
    let timed = &session.observed.timed;
    assert_eq!(timed.outcome, Some(Outcome::Failed));
    let failure = timed.failure.as_ref().unwrap();
    assert_eq!((failure.of.as_str(), failure.attempts), ("part first", 3), "{failure:?}");
    for words in
        ["workload/s-first-pod-lab exited with code 3", "see tesseractl logs s-first-pod-lab"]
    {
        assert!(failure.message.contains(words), "`{words}` is not in {failure:?}");
    }
    assert_eq!(fleet.starts("s-first-pod-lab"), 3, "{:?}", fleet.all_starts());
    let path = fleet.path_of::<Pod>("s-first-pod").await;
    assert_eq!(path, ["Scheduled", "Provisioning", "Failed", "TearingDown", "Terminated"]);
    let second = fleet.see::<SessionPart>("s-second").await;
    assert_eq!(second.observed.timed.outcome, Some(Outcome::Cancelled), "it never began");
    assert_eq!(fleet.starts("s-second-pod-lab"), 0);
    assert!(timed.leftovers.is_empty());
    fleet.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn or_its_session_goes_on_without_it() {
    let fleet = fleet().await;
    let good = pod("pod.good", &[fleet.actor("lab", "")]);
    fleet.declare(&[pod("pod.bad", &[fails(&fleet, 99)]), good]).await;
    fleet.declare(&two_parts("continue")).await;
    fleet.declare(&[session("s", "two", "5s")]).await;
    let failed = fleet.reaches::<SessionPart>("s-first", TimedStatus::Failed).await;
    let waiting = failed.waiting_for.unwrap();
    assert_eq!(waiting.reason, WaitReason::Phase);
    assert!(waiting.message.contains("retry or cancel"), "{waiting:?}");
    let gone = async || fleet.find::<Workload>("s-first-pod-lab").await.is_none().then_some(());
    fleet.eventually("what it had goes at once", gone).await;
    let session = fleet.over("s").await;
    assert_eq!(session.status, SessionStatus::Inactive);
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    let first = fleet.see::<SessionPart>("s-first").await;
    assert_eq!(first.observed.timed.outcome, Some(Outcome::Failed));
    let second = fleet.see::<SessionPart>("s-second").await;
    assert_eq!(second.observed.timed.outcome, Some(Outcome::Completed));
    assert!(second.observed.timed.started_at.is_some());
    assert_eq!(fleet.starts("s-first-pod-lab"), 3, "{:?}", fleet.all_starts());
    assert_eq!(fleet.starts("s-second-pod-lab"), 1);
    let path = fleet.path_of::<Session>("s").await;
    assert_eq!(path, ["Pending", "Active", "Inactive"]);
    fleet.nothing_left().await;
}
