//! Extending and shrinking a session: its teardown moves, on the agent as well,
//! and nothing is restarted; one that cannot be changed stays as it was.

use reqwest::Method;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, Process, part, pod, process, room, session, session_of};
use tessera_types::timed::{Outcome, TimedStatus, Timeslot};
use tessera_types::{Pod, Session, SessionPart, Timestamp, Workload};

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// A fleet of one node with a room of `seats`, and sessions that take one each.
async fn fleet(seats: u64, part_spec: Value) -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.declare(&room(seats)).await;
    let mut desk = pod("desk", &[fleet.actor("lab", "")]);
    desk["spec"]["demand"] = json!({"counted": {"seats": 1}});
    fleet
        .declare(&[
            desk,
            part("sitting", "desk", part_spec),
            session_of("one", &[("first", "sitting")]),
        ])
        .await;
    fleet
}

fn slot(session: &tessera_types::Object<Session>) -> Timeslot {
    session.observed.timed.timeslot.unwrap()
}

/// The process of the only workload, once its session is active.
async fn sitting(fleet: &Fleet, name: &str) -> Process {
    fleet.reaches::<SessionPart>(&format!("{name}-first"), TimedStatus::Active).await;
    process(&fleet.running(&format!("{name}-first-pod-lab")).await)
}

/// Waits until the agent of `a` has saved that the workload ends at `at`.
async fn the_agent_knows(fleet: &Fleet, at: Timestamp) {
    let text = at.to_string();
    fleet
        .eventually(&format!("the agent knows of {text}"), async || {
            let saved = std::fs::read_dir(fleet.area().join("node-a/progress"));
            let mut files = saved.into_iter().flatten().flatten();
            files
                .any(|it| std::fs::read_to_string(it.path()).is_ok_and(|it| it.contains(&text)))
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_holds_on_an_agent_that_is_cut_off() {
    let spec = json!({"duration": "3s", "lead_time": "3s", "teardown_buffer": "2s"});
    let mut fleet = fleet(1, spec).await;
    fleet.declare(&[session("s", "one", "4s")]).await;
    let copy = sitting(&fleet, "s").await;
    let before = slot(&fleet.see::<Session>("s").await);
    let (status, answer) = fleet.post("/v1/sessions/s/extend", &json!({"by": "4s"})).await;
    assert_eq!(status, 202, "{answer}");
    let after = slot(&fleet.see::<Session>("s").await);
    assert_eq!(after.end, before.end.plus("4s".parse().unwrap()));
    assert_eq!(answer["observed"]["timeslot"]["end"], after.end.to_string());
    the_agent_knows(&fleet, after.teardown_at()).await;
    fleet.kill_control();
    let past_the_old = before.cleanup_deadline();
    fleet.eventually("the old end passes", async || (now() > past_the_old).then_some(())).await;
    assert!(copy.is_alive(), "it lives past its old end, {past_the_old}");
    fleet.eventually("it ends", async || (!copy.is_alive()).then_some(())).await;
    assert!(now() >= after.teardown_at(), "not before its new end");
    fleet.start_control().await;
    let session = fleet.over("s").await;
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed), "{session:#?}");
    assert_eq!(fleet.starts("s-first-pod-lab"), 1);
    fleet.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_delays_the_teardown_and_restarts_nothing() {
    let spec = json!({"duration": "3s", "lead_time": "3s", "teardown_buffer": "4s"});
    let fleet = fleet(1, spec).await;
    fleet.declare(&[session("s", "one", "4s")]).await;
    let copy = sitting(&fleet, "s").await;
    let before = slot(&fleet.see::<Session>("s").await);
    let (status, answer) =
        fleet.post("/v1/sessions/s/extend", &json!({"by": "3s", "part": "first"})).await;
    assert_eq!(status, 202, "{answer}");
    fleet.eventually("the old end passes", async || (now() > before.end).then_some(())).await;
    let part = fleet.see::<SessionPart>("s-first").await;
    assert_eq!(part.status, TimedStatus::Active, "{part:#?}");
    let workload = fleet.get("s-first-pod-lab").await;
    assert_eq!(process(&workload), copy);
    assert_eq!((workload.observed.restarts, workload.observed.epoch.0), (0, 1));
    let ended = fleet.over("s").await.observed.timed.ended_at.unwrap();
    assert!(ended >= before.end.plus("3s".parse().unwrap()), "{ended}");
    let notes = fleet.life::<Session>("s").await;
    assert!(notes.iter().any(|it| it.reason.contains("extended by 3s")), "{notes:#?}");
    fleet.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_shortened_ends_at_once_when_its_new_end_comes() {
    let spec = json!({"duration": "1h", "lead_time": "3s", "teardown_buffer": "4s"});
    let fleet = fleet(1, spec).await;
    fleet.declare(&[session("s", "one", "4s")]).await;
    let copy = sitting(&fleet, "s").await;
    let before = slot(&fleet.see::<Session>("s").await);
    let too_much = fleet.post("/v1/sessions/s/shrink", &json!({"by": "1h"})).await;
    assert_eq!((too_much.0, &too_much.1["code"]), (409, &json!("not_now")), "{}", too_much.1);
    assert_eq!(slot(&fleet.see::<Session>("s").await), before, "nothing has changed");
    // Two seconds from now, to the second.
    let left = before.end.since(now()).as_millis() / 1000 - 2;
    let (status, answer) =
        fleet.post("/v1/sessions/s/shrink", &json!({"by": format!("{left}s")})).await;
    assert_eq!(status, 202, "{answer}");
    let session = fleet.over("s").await;
    assert_eq!(session.observed.timed.outcome, Some(Outcome::Completed));
    assert!(session.observed.timed.ended_at.unwrap() >= slot(&session).end);
    assert!(!copy.is_alive());
    fleet.nothing_left().await;
}

/// Every resource of sessions, with its revision.
async fn revisions(fleet: &Fleet) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    all.extend(fleet.all::<Session>().await.iter().map(|it| (it.key(), it.revision)));
    all.extend(fleet.all::<SessionPart>().await.iter().map(|it| (it.key(), it.revision)));
    all.extend(fleet.all::<Pod>().await.iter().map(|it| (it.key(), it.revision)));
    all.extend(fleet.all::<Workload>().await.iter().map(|it| (it.key(), it.revision)));
    all.into_iter().map(|(key, revision)| (key.to_string(), revision.0)).collect()
}

/// Waits until every session, part and pod has said what it waits for.
async fn at_rest(fleet: &Fleet) {
    fleet
        .eventually("all wait", async || {
            let sessions = fleet.all::<Session>().await;
            let parts = fleet.all::<SessionPart>().await;
            let pods = fleet.all::<Pod>().await;
            let all = sessions.iter().all(|it| it.waiting_for.is_some())
                && parts.iter().all(|it| it.waiting_for.is_some())
                && pods.iter().all(|it| it.waiting_for.is_some());
            all.then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_refuses_an_extension_and_nothing_changes() {
    let spec = json!({"duration": "10m", "lead_time": "1m", "teardown_buffer": "1m"});
    let fleet = fleet(1, spec).await;
    // One after the other: 60m to 70m, and from 72m on.
    fleet.declare(&[session("early", "one", "60m"), session("late", "one", "72m")]).await;
    at_rest(&fleet).await;
    let before = (revisions(&fleet).await, fleet.revision().await);
    let (status, answer) = fleet.post("/v1/sessions/early/extend", &json!({"by": "5m"})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("does_not_fit")), "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    for words in ["room", "seats", "late-first-pod"] {
        assert!(detail.contains(words), "`{words}` is not in {detail}");
    }
    assert_eq!((revisions(&fleet).await, fleet.revision().await), before, "all is as it was");
    let (status, answer) = fleet.post("/v1/sessions/late/extend", &json!({"by": "5m"})).await;
    assert_eq!(status, 202, "nobody comes after it: {answer}");
    let wrong = fleet.post("/v1/sessions/late/extend", &json!({"by": "1m", "part": "x"})).await;
    assert_eq!((wrong.0, &wrong.1["code"]), (422, &json!("invalid_spec")), "{}", wrong.1);
    let nobody = fleet.post("/v1/sessions/nobody/extend", &json!({"by": "1m"})).await;
    assert_eq!(nobody.0, 404, "{}", nobody.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_extended() {
    let spec = json!({"duration": "1s", "lead_time": "1s", "teardown_buffer": "4s"});
    let fleet = fleet(1, spec).await;
    fleet.declare(&[session("s", "one", "2s")]).await;
    fleet.over("s").await;
    fleet.nothing_left().await;
    let before = (revisions(&fleet).await, fleet.revision().await);
    for verb in ["extend", "shrink", "cancel", "approve", "retry"] {
        let body = match verb {
            "extend" | "shrink" => json!({"by": "1s"}),
            _ => json!({}),
        };
        let (status, answer) = fleet.post(&format!("/v1/sessions/s/{verb}"), &body).await;
        assert_eq!((status, &answer["code"]), (409, &json!("not_now")), "{verb}: {answer}");
    }
    assert_eq!((revisions(&fleet).await, fleet.revision().await), before, "all is as it was");
}

/// Posts `body` under an idempotency key.
async fn under(fleet: &Fleet, key: &str, verb: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let path = format!("/v1/sessions/{verb}");
    fleet.send(Method::POST, &path, &headers, body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_with_its_key_is_done_once() {
    let spec = json!({"duration": "10m", "lead_time": "1m", "teardown_buffer": "1m"});
    let mut fleet = fleet(1, spec).await;
    // The first has room for eight minutes more, and so for five only once.
    fleet.declare(&[session("early", "one", "60m"), session("late", "one", "80m")]).await;
    at_rest(&fleet).await;
    let declared = slot(&fleet.see::<Session>("early").await);
    let by = json!({"by": "5m"});
    let first = under(&fleet, "k1", "early/extend", &by).await;
    assert_eq!(first.0, 202, "{}", first.1);
    let revision = fleet.revision().await;
    let again = under(&fleet, "k1", "early/extend", &by).await;
    assert_eq!(again.0, 202, "the same answer: {}", again.1);
    assert_eq!(again.1["observed"]["timeslot"], first.1["observed"]["timeslot"]);
    // Also by a control plane that was not there the first time.
    fleet.kill_control();
    fleet.start_control().await;
    assert_eq!(under(&fleet, "k1", "early/extend", &by).await.0, 202);
    let now = slot(&fleet.see::<Session>("early").await);
    assert_eq!(now.end, declared.end.plus("5m".parse().unwrap()), "extended once");
    assert_eq!(fleet.revision().await, revision, "nothing was written");
    for (verb, body) in [
        ("early/extend", json!({"by": "1m"})),
        ("early/shrink", by.clone()),
        ("late/extend", by.clone()),
        ("early/cancel", json!({})),
    ] {
        let (status, answer) = under(&fleet, "k1", verb, &body).await;
        let expected = (422, &json!("idempotency_key_reused"));
        assert_eq!((status, &answer["code"]), expected, "{verb}: {answer}");
    }
    let (status, answer) = under(&fleet, "k2", "early/extend", &by).await;
    assert_eq!((status, &answer["code"]), (409, &json!("does_not_fit")), "{answer}");
    // Many that arrive at once are one.
    let by = json!({"by": "1m"});
    let many = (0..8).map(|_| under(&fleet, "k3", "early/shrink", &by));
    for (status, answer) in futures::future::join_all(many).await {
        assert_eq!(status, 202, "{answer}");
    }
    let now = slot(&fleet.see::<Session>("early").await);
    assert_eq!(now.end, declared.end.plus("4m".parse().unwrap()), "shortened once");
    // What is given up is over at once here, and still the same answer.
    let cancelled = under(&fleet, "k4", "late/cancel", &json!({})).await;
    assert_eq!(cancelled.0, 202, "{}", cancelled.1);
    fleet.over("late").await;
    assert_eq!(under(&fleet, "k4", "late/cancel", &json!({})).await.0, 202);
    assert_eq!(under(&fleet, "k5", "late/cancel", &json!({})).await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_window_gets_longer_than_any_may_be_declared() {
    let spec = json!({"duration": "300d", "lead_time": "1m", "teardown_buffer": "1m"});
    let fleet = fleet(1, spec).await;
    fleet.declare(&[session("s", "one", "60m")]).await;
    at_rest(&fleet).await;
    let declared = slot(&fleet.see::<Session>("s").await);
    let before = (revisions(&fleet).await, fleet.revision().await);
    let (status, answer) = fleet.post("/v1/sessions/s/extend", &json!({"by": "67d"})).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_spec")), "{answer}");
    assert!(answer.to_string().contains("at most 366d are allowed"), "{answer}");
    assert_eq!((revisions(&fleet).await, fleet.revision().await), before, "all is as it was");
    let (status, answer) = fleet.post("/v1/sessions/s/extend", &json!({"by": "66d"})).await;
    assert_eq!(status, 202, "{answer}");
    let now = slot(&fleet.see::<Session>("s").await);
    assert_eq!(now.end, declared.end.plus("66d".parse().unwrap()));
}
