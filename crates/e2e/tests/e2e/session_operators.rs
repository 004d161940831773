//! What operators do to sessions: open a gate, have what failed tried again.

use serde_json::json;
use tessera_e2e::{Fleet, definition, part, pod, room, session};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{Outcome, TimedStatus};
use tessera_types::{Pod, SessionPart, WaitReason};

async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(10)).await;
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_waits_for_somebody_who_approves() {
    let fleet = fleet().await;
    let spec =
        |duration: &str| json!({"duration": duration, "lead_time": "2s", "teardown_buffer": "4s"});
    let parts = json!([
        {"name": "oral", "selector": {"type_key": "oral"}, "gate": "approval"},
        {"name": "written", "selector": {"type_key": "written"}},
    ]);
    fleet
        .declare(&[
            pod("desk", &[fleet.actor("lab", "")]),
            part("oral", "desk", spec("1s")),
            part("written", "desk", spec("1h")),
            definition("SessionDefinition", "exam", json!({"parts": parts})),
            session("s", "exam", "3s"),
        ])
        .await;
    let waits = |it: &tessera_types::Object<SessionPart>| {
        it.status == TimedStatus::Ready
            && it.waiting_for.as_ref().is_some_and(|it| it.reason == WaitReason::Gate)
    };
    let ready = fleet.await_::<SessionPart>("s-written", "waits at its gate", waits).await;
    let said = ready.waiting_for.unwrap().message;
    assert!(said.contains("oral") && said.contains("approv"), "{said}");
    fleet.reaches::<SessionPart>("s-oral", TimedStatus::Terminated).await;
    let written = fleet.see::<SessionPart>("s-written").await;
    assert_eq!(written.status, TimedStatus::Ready, "its time alone does not let it begin");
    let (status, answer) = fleet.post("/v1/sessions/s/approve", &json!({"part": "written"})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("not_now")), "{answer}");
    let (status, answer) = fleet.post("/v1/sessions/s/approve", &json!({"part": "nobody"})).await;
    assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "{answer}");
    let (status, answer) = fleet.post("/v1/sessions/s/approve", &json!({})).await;
    assert_eq!(status, 202, "{answer}");
    fleet.reaches::<SessionPart>("s-written", TimedStatus::Active).await;
    let oral = fleet.see::<SessionPart>("s-oral").await;
    assert_eq!(oral.observed.approved_by.unwrap().to_string(), "api");
    assert_eq!(fleet.post("/v1/sessions/s/approve", &json!({})).await.0, 409, "it is open");
    assert_eq!(fleet.post("/v1/sessions/s/cancel", &json!({})).await.0, 202);
    let session = fleet.over("s").await;
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Cancelled));
    fleet.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_is_tried_again_when_an_operator_says_so() {
    let fleet = fleet().await;
    let cure = fleet.area().join("cure");
    let needs = format!("test -e {} || exit 7", cure.display());
    let mut desk = pod("desk", &[fleet.actor("lab", &needs)]);
    desk["spec"]["provision"]["attempts_max"] = json!(2);
    let spec = json!({"duration": "1h", "lead_time": "2s", "teardown_buffer": "4s"});
    let parts =
        json!([{"name": "first", "selector": {"type_key": "sitting"}, "on_failure": "continue"}]);
    fleet
        .declare(&[
            desk,
            part("sitting", "desk", spec),
            definition("SessionDefinition", "exam", json!({"parts": parts})),
            session("s", "exam", "3s"),
        ])
        .await;
    assert_eq!(fleet.post("/v1/sessions/s/retry", &json!({})).await.0, 409, "nothing failed");
    fleet.reaches::<SessionPart>("s-first", TimedStatus::Failed).await;
    assert_eq!(fleet.starts("s-first-pod-lab"), 2);
    // Without a cure it fails again, after as many tries.
    assert_eq!(fleet.post("/v1/sessions/s/retry", &json!({})).await.0, 202);
    fleet
        .eventually("it is tried as often again", async || {
            (fleet.starts("s-first-pod-lab") == 4).then_some(())
        })
        .await;
    let failed = fleet.reaches::<SessionPart>("s-first", TimedStatus::Failed).await;
    let failure = failed.observed.timed.failure.unwrap();
    assert!(failure.message.contains("exited with code 7"), "{failure:?}");
    std::fs::write(cure, "").unwrap();
    assert_eq!(fleet.post("/v1/sessions/s/retry", &json!({"part": "first"})).await.0, 202);
    fleet.reaches::<SessionPart>("s-first", TimedStatus::Active).await;
    // It is told so by its part, in a commit of its own.
    fleet.reaches::<Pod>("s-first-pod", TimedStatus::Active).await;
    let part = fleet.see::<SessionPart>("s-first").await;
    assert_eq!((part.observed.timed.failure, part.observed.timed.outcome), (None, None));
    assert_eq!(fleet.starts("s-first-pod-lab"), 5);
    let path = fleet.path_of::<Pod>("s-first-pod").await;
    let again = ["Provisioning", "Failed"];
    let expected = [&["Scheduled"][..], &again, &again, &["Provisioning", "Ready", "Active"]];
    assert_eq!(path, expected.concat());
    let left = fleet.see::<tessera_types::Session>("s").await.observed.timed.timeslot.unwrap();
    let by = left.end.since(jiff::Timestamp::now().into()).as_millis() / 1000 - 1;
    let (status, answer) =
        fleet.post("/v1/sessions/s/shrink", &json!({"by": format!("{by}s")})).await;
    assert_eq!(status, 202, "{answer}");
    let session = fleet.over("s").await;
    assert_eq!(session.status, SessionStatus::Inactive);
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    fleet.nothing_left().await;
}
