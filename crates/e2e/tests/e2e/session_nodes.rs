//! Sessions on nodes that are lost: what a pod has moves, and what cannot be
//! removed is named when its time is over.

use serde_json::json;
use tessera_e2e::{Fleet, part, pod, process, room, session, session_of};
use tessera_types::node::NodeStatus;
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Object, Pod, Session, SessionPart, Workload};

fn node_of(workload: &Object<Workload>) -> String {
    workload.observed.assigned.as_ref().unwrap().node.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workloads_of_a_lost_node_move_and_the_session_goes_on() {
    let mut fleet = Fleet::with_lease("2s").await;
    for node in ["a", "b"] {
        fleet.add_node(node, &[]).await;
    }
    fleet.declare(&room(1)).await;
    let mut workloads = [fleet.actor("left", ""), fleet.actor("right", "")];
    for workload in &mut workloads {
        workload["spec"]["spread_by"] = json!("node");
    }
    let spec = json!({"duration": "9s", "lead_time": "3s", "teardown_buffer": "4s"});
    fleet
        .declare(&[
            pod("desk", &workloads),
            part("sitting", "desk", spec),
            session_of("one", &[("first", "sitting")]),
            session("s", "one", "4s"),
        ])
        .await;
    fleet.reaches::<SessionPart>("s-first", TimedStatus::Active).await;
    let left = fleet.running("s-first-pod-left").await;
    let right = fleet.running("s-first-pod-right").await;
    let (lost, kept) = (node_of(&left), node_of(&right));
    assert_ne!(lost, kept, "they are spread");
    let stays = process(&right);
    fleet.node(&lost).kill();
    let moved = fleet
        .until("s-first-pod-left", "runs elsewhere", |it| {
            it.observed.epoch.0 == 2
                && it.status == tessera_types::workload::WorkloadStatus::Running
        })
        .await;
    assert_eq!(node_of(&moved), kept);
    let pod = fleet.see::<Pod>("s-first-pod").await;
    assert_eq!(pod.status, TimedStatus::Active, "{pod:#?}");
    assert_eq!(process(&fleet.get("s-first-pod-right").await), stays, "it was not touched");
    assert_eq!(fleet.starts("s-first-pod-left"), 2);
    assert_eq!(fleet.starts("s-first-pod-right"), 1);
    let session = fleet.over("s").await;
    assert_eq!(session.status, SessionStatus::Inactive, "{session:#?}");
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    let path = fleet.path_of::<SessionPart>("s-first").await;
    let usual = ["Scheduled", "Provisioning", "Ready", "Active", "TearingDown", "Terminated"];
    assert_eq!(path, usual);
    fleet.nothing_left().await;
}

/// A session whose only node is cut off while it is active; what is left of it is
/// named at its deadline, and goes when the node is back.
async fn cut_off(lease: &str) {
    let mut fleet = Fleet::with_lease(lease).await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(1)).await;
    let spec = json!({"duration": "4s", "lead_time": "3s", "teardown_buffer": "3s"});
    fleet
        .declare(&[
            pod("desk", &[fleet.actor("lab", "")]),
            part("sitting", "desk", spec),
            session_of("one", &[("first", "sitting")]),
            session("s", "one", "4s"),
        ])
        .await;
    fleet.reaches::<SessionPart>("s-first", TimedStatus::Active).await;
    let copy = process(&fleet.running("s-first-pod-lab").await);
    fleet.node("a").gate.cut();
    let session = fleet.over("s").await;
    let slot = session.observed.timed.timeslot.unwrap();
    assert!(session.status_since >= slot.cleanup_deadline(), "not before its deadline");
    let late = session.status_since.since(slot.cleanup_deadline());
    assert!(late < "5s".parse().unwrap(), "and not long after it: {late}");
    let leftovers = session.observed.timed.leftovers.join("; ");
    assert!(leftovers.contains("workload/s-first-pod-lab on a"), "{leftovers}");
    let pod = fleet.see::<Pod>("s-first-pod").await;
    assert_eq!(pod.status, TimedStatus::Terminated);
    assert_eq!(pod.observed.binding, None, "its host is free");
    let said = &fleet.life::<Pod>("s-first-pod").await.last().unwrap().reason.clone();
    assert!(said.contains("its deadline has passed") && said.contains("s-first-pod-lab"), "{said}");
    let ended = async || (!copy.is_alive()).then_some(());
    fleet.eventually("the agent ends it at the end of its window", ended).await;
    fleet.node("a").gate.mend();
    fleet.node_until("a", "Ready", |node| node.status == NodeStatus::Ready).await;
    fleet.nothing_left().await;
    assert_eq!(fleet.starts("s-first-pod-lab"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_node_has_left_is_named_at_the_deadline() {
    cut_off("60s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_that_is_offline_has_left_is_named_at_the_deadline() {
    cut_off("1s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_is_gone_when_its_node_is() {
    let mut fleet = Fleet::with_lease("60s").await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(1)).await;
    let spec = json!({"duration": "3s", "lead_time": "3s", "teardown_buffer": "2s"});
    fleet
        .declare(&[
            pod("desk", &[fleet.actor("lab", "")]),
            part("sitting", "desk", spec),
            session_of("one", &[("first", "sitting")]),
            session("s", "one", "4s"),
        ])
        .await;
    fleet.reaches::<SessionPart>("s-first", TimedStatus::Active).await;
    fleet.node("a").gate.cut();
    fleet.ctl(&["delete", "session", "s"]).expect(0);
    fleet.vanishes::<Session>("s").await;
    fleet.vanishes::<Pod>("s-first-pod").await;
    let left = fleet.get("s-first-pod-lab").await;
    assert!(left.waiting_for.is_some(), "what is left says what it waits for: {left:#?}");
    fleet.node("a").gate.mend();
    fleet.nothing_left().await;
}
