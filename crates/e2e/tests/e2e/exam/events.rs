//! Events from outside, in all three modes of CloudEvents over HTTP, and what
//! becomes of those that nothing waits for.

use reqwest::Method;
use serde_json::{Value, json};
use tessera_e2e::Fleet;
use tessera_types::timed::TimedStatus;
use tessera_types::{Job, Report, SessionPart};

use super::{SOURCE, exam, expect_passed, submitted};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

async fn send(fleet: &Fleet, content_type: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", content_type)];
    fleet.send(Method::POST, "/v1/events", &headers, body.to_string()).await
}

/// What became of the events of a request.
fn outcomes(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    events.iter().map(|event| event["outcome"].as_str().unwrap()).collect()
}

/// An event with another value for one attribute.
fn with(id: &str, attribute: &str, value: &str) -> Value {
    let mut event = submitted(id);
    event[attribute] = json!(value);
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_does_once_what_the_part_says_and_others_do_nothing() {
    let fleet = exam().await;
    let early = send(&fleet, STRUCTURED, &submitted("early")).await.1;
    assert_eq!(outcomes(&early), ["unmatched"], "no part is active: {early}");
    let said = early["events"][0]["message"].as_str().unwrap();
    assert!(said.contains("theory") && said.contains("Scheduled"), "{said}");
    fleet.reaches::<SessionPart>("exam-1-theory", TimedStatus::Active).await;
    nothing_comes_of_these(&fleet).await;

    let (status, answer) = send(&fleet, STRUCTURED, &submitted("1")).await;
    assert_eq!((status, outcomes(&answer)), (202, vec!["accepted"]), "{answer}");
    let graded = fleet
        .await_::<SessionPart>("exam-1-theory", "graded", |it| it.observed.graded_at.is_some())
        .await;
    assert_eq!(graded.observed.score, Some(80.0));
    let by: Vec<_> = graded.state_history.iter().map(|it| it.by.to_string()).collect();
    assert!(by.contains(&format!("event/{SOURCE}")), "it is in the history: {by:?}");
    let again = send(&fleet, STRUCTURED, &submitted("1")).await.1;
    assert_eq!(outcomes(&again), ["duplicate"], "{again}");

    fleet.reaches::<SessionPart>("exam-1-lab", TimedStatus::Active).await;
    let batch =
        json!([submitted("1"), with("2", "type", "student.left"), with("3", "subject", "nobody")]);
    let answer = send(&fleet, BATCHED, &batch).await.1;
    assert_eq!(outcomes(&answer), ["duplicate", "unmatched", "unmatched"], "{answer}");
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        // Percent-encoded, as the binding allows.
        ("ce-source", "https:%2F%2Flms.test"),
        ("ce-type", "student.submitted"),
        ("ce-subject", "sessionpart/default/exam-1-lab"),
        ("ce-part", "lab"),
        ("content-type", "application/json"),
    ];
    let binary = fleet.send(Method::POST, "/v1/events", &headers, "{}".to_owned()).await.1;
    assert_eq!(outcomes(&binary), ["accepted"], "the lab has not seen it: {binary}");
    expect_passed(&fleet).await;
    let late = send(&fleet, STRUCTURED, &submitted("late")).await.1;
    assert_eq!(outcomes(&late), ["unmatched"], "{late}");
    let jobs = fleet.all::<Job>().await.len();
    assert_eq!(jobs, 2, "one grading for each event that was accepted");
}

/// None of these changes anything.
async fn nothing_comes_of_these(fleet: &Fleet) {
    let part = fleet.see::<SessionPart>("exam-1-theory").await;
    for event in [
        with("u1", "type", "student.left"),
        with("u2", "subject", "session/default/exam-2"),
        with("u3", "subject", "session/other/exam-1"),
        with("u4", "subject", "a/b/c/d"),
        with("u5", "part", "lab"),
    ] {
        let (status, answer) = send(fleet, STRUCTURED, &event).await;
        assert_eq!((status, outcomes(&answer)), (202, vec!["unmatched"]), "{event}: {answer}");
        assert!(answer["events"][0]["message"].is_string(), "it says why: {answer}");
    }
    let foreign = with("f", "source", "https://elsewhere.test");
    let (status, answer) = send(fleet, STRUCTURED, &foreign).await;
    assert_eq!((status, &answer["code"]), (403, &json!("source_not_allowed")), "{answer}");
    let mixed = json!([submitted("m"), foreign]);
    let (status, _) = send(fleet, BATCHED, &mixed).await;
    assert_eq!(status, 403, "all of a batch or nothing");
    for (content_type, body) in [
        (STRUCTURED, json!([])),
        (STRUCTURED, json!({"specversion": "1.0", "id": "x", "source": SOURCE})),
        (STRUCTURED, with("v", "specversion", "0.3")),
        (BATCHED, submitted("not-a-batch")),
        ("application/json", submitted("no-attributes-in-headers")),
    ] {
        let (status, answer) = send(fleet, content_type, &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{answer}");
    }
    for wrong in ["%+1", "100%", "%E2%82", "%0A"] {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", wrong),
            ("ce-source", SOURCE),
            ("ce-type", "student.submitted"),
            ("ce-subject", "exam-1"),
        ];
        let (status, answer) = fleet.send(Method::POST, "/v1/events", &headers, "{}".into()).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("ce-id"), "{answer}");
    }
    let after = fleet.see::<SessionPart>("exam-1-theory").await;
    assert_eq!(after.revision, part.revision, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_again_is_graded_again() {
    let fleet = exam().await;
    fleet.reaches::<SessionPart>("exam-1-theory", TimedStatus::Active).await;
    let answer = send(&fleet, STRUCTURED, &submitted("1")).await.1;
    assert_eq!(outcomes(&answer), ["accepted"], "{answer}");
    let has_score = |score: f64| {
        move |it: &tessera_types::Object<SessionPart>| {
            it.observed.score == Some(score) && it.status == TimedStatus::Active
        }
    };
    let first = fleet.await_::<SessionPart>("exam-1-theory", "graded", has_score(80.0)).await;
    let paper = fleet.area().join("theory.paper");
    let better = std::fs::read_to_string(&paper).unwrap().replace("4 wrong", "4 right");
    std::fs::write(&paper, better).unwrap();
    let answer = send(&fleet, STRUCTURED, &submitted("2")).await.1;
    assert_eq!(outcomes(&answer), ["accepted"], "{answer}");
    let second = fleet.await_::<SessionPart>("exam-1-theory", "graded", has_score(90.0)).await;
    assert!(second.observed.graded_at > first.observed.graded_at);
    let report = fleet.see::<Report>("exam-1-theory-report").await;
    assert_eq!(report.observed.score, Some(90.0), "{report:#?}");
    let session = fleet.over("exam-1").await;
    assert_eq!(session.observed.score, Some(82.5), "of 90 and 75: {session:#?}");
    assert_eq!(fleet.all::<Job>().await.len(), 3);
    fleet.nothing_left().await;
}
