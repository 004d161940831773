//! What operators do to sessions: open a gate, have what failed tried again.

use reqwest::Method;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_names_no_part_opens_the_only_gate_or_none() {
    let fleet = fleet().await;
    let spec = json!({"duration": "10m", "lead_time": "2s", "teardown_buffer": "4s"});
    let gated =
        |name: &str| json!({"name": name, "selector": {"type_key": "sitting"}, "gate": "approval"});
    let parts = json!([gated("oral"), gated("written"), {"name": "last", "selector": {"type_key": "sitting"}}]);
    fleet
        .declare(&[
            pod("desk", &[fleet.actor("lab", "")]),
            part("sitting", "desk", spec),
            definition("SessionDefinition", "exam", json!({ "parts": parts })),
            session("s", "exam", "1h"),
        ])
        .await;
    let approver = async |part: &str| {
        fleet.see::<SessionPart>(&format!("s-{part}")).await.observed.approved_by
    };
    let approve = async |key: &str, body: serde_json::Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        fleet.send(Method::POST, "/v1/sessions/s/approve", &headers, body.to_string()).await
    };
    let (status, answer) = approve("k1", json!({})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("not_now")), "which one? {answer}");
    let told = answer.to_string();
    assert!(told.contains("oral") && told.contains("written"), "{answer}");
    assert_eq!((approver("oral").await, approver("written").await), (None, None));
    let oral = json!({"part": "oral"});
    let (status, answer) = approve("k2", oral.clone()).await;
    assert_eq!((status, &answer["part"]), (202, &json!("oral")), "{answer}");
    assert_eq!(answer["outcome"], "opened", "{answer}");
    fleet.await_::<SessionPart>("s-oral", "approved", |it| it.observed.approved_by.is_some()).await;
    // One that is open stays so, and it is said; no other opens.
    for key in ["k3", "k4"] {
        let (status, answer) = approve(key, oral.clone()).await;
        assert_eq!((status, &answer["outcome"]), (202, &json!("unchanged")), "{answer}");
        assert_eq!((&answer["part"], &answer["resource"]["name"]), (&json!("oral"), &json!("s")));
    }
    assert_eq!(approver("written").await, None);
    // Now there is one that waits; the same request again is the same.
    for _ in 0..2 {
        let (status, answer) = approve("k5", json!({})).await;
        assert_eq!((status, &answer["part"]), (202, &json!("written")), "{answer}");
    }
    let (status, answer) = approve("k6", json!({})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("not_now")), "{answer}");
    // The last part has no gate: nothing comes after it.
    let (status, answer) = approve("k7", json!({"part": "last"})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("not_now")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("last"), "{answer}");
}
