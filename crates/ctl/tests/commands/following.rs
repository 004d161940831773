//! Commands that go on until Ctrl-C.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::objects::{changed, deleted, list, problem, workload};
use crate::program::{Running, run};
use crate::stub::{Answer, Request, Stub};

/// A control plane with a workload, which says these events.
fn watched(events: Vec<Value>) -> Stub {
    Stub::start(move |request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(200, list(&[workload("web", "Pending", 4)], 5)),
        "GET /v1/watch" => Answer::Events(events.clone()),
        _ => Answer::Json(200, list(&[], 5)),
    })
}

#[test]
fn changes_have_a_line_each_and_ctrl_c_is_quiet() {
    let web = workload("web", "Running", 6);
    let stub = watched(vec![changed(&web), deleted(&web, 7)]);
    let running = Running::start(&stub.url(), &["watch"]);
    assert_eq!(
        running.line(),
        "2026-05-01T08:00:00.000Z  workload/default/web  Running: of the test"
    );
    assert!(running.line().ends_with("workload/default/web  Running → Deleted"));
    let ended = running.interrupt();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (130, "", ""));
}

#[test]
fn json_events_are_those_of_the_api() {
    let web = workload("web", "Running", 6);
    let stub = watched(vec![changed(&web), deleted(&web, 7)]);
    let running = Running::start(&stub.url(), &["watch", "workloads", "-o", "json"]);
    let event: Value = serde_json::from_str(&running.line()).unwrap();
    assert_eq!((&event["event"], &event["revision"]), (&json!("changed"), &json!(6)));
    assert_eq!(event["resource"]["status"], "Running");
    let event: Value = serde_json::from_str(&running.line()).unwrap();
    assert_eq!(event, deleted(&web, 7));
}

#[test]
fn rows_follow_the_table() {
    let web = workload("web", "Running", 6);
    let stub = watched(vec![changed(&web), deleted(&web, 7)]);
    let running = Running::start(&stub.url(), &["get", "workloads", "--watch"]);
    assert!(running.line().starts_with("NAME  STATUS   NODE"));
    for status in ["Pending", "Running", "Deleted"] {
        assert!(running.line().starts_with(&format!("web   {status}  -")));
    }
}

/// When the changes in between are no longer kept, a new list is compared with what
/// was known.
#[test]
fn compaction_loses_no_change() {
    let watches = AtomicUsize::new(0);
    let lists = AtomicUsize::new(0);
    let stub = Stub::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(
            200,
            match lists.fetch_add(1, Ordering::SeqCst) {
                0 => list(&[workload("web", "Pending", 4)], 5),
                _ => list(&[workload("new", "Running", 90)], 95),
            },
        ),
        "GET /v1/watch" => match watches.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Events(vec![
                json!({"event": "failed", "problem": problem("compacted", 410, "too old")}),
            ]),
            _ => {
                assert!(request.query.contains("since=95"), "{}", request.query);
                Answer::Events(Vec::new())
            }
        },
        _ => Answer::Nothing,
    });
    let running = Running::start(&stub.url(), &["watch", "workloads"]);
    assert!(running.error_line().contains("listing again"));
    assert!(running.line().ends_with("workload/default/web  Pending → Deleted"));
    assert!(running.line().ends_with("workload/default/new  Running: of the test"));
}

/// A log that cannot be read is read again, but with pauses, and not for ever.
#[test]
fn a_log_that_always_ends_at_once_is_given_up() {
    let line = json!({"at": "2026-05-01T08:00:00Z", "stream": "stdout", "text": "hello"});
    let end = json!({"ended": "unreadable", "node": "a", "message": "a cannot read it: bad"});
    for (lines, breaks) in [(vec![line.clone(), end], false), (vec![line], true)] {
        let stub = Stub::start(move |_| Answer::Lines { lines: lines.clone(), breaks });
        let ended = run(&stub.url(), &["logs", "web", "--follow"]);
        let expected = if breaks { 5 } else { 1 };
        assert_eq!((ended.code, ended.stdout.as_str()), (expected, "hello\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("it was read 8 times"), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("; waiting").count(), usize::from(!breaks));
        // The line that the first answer brought was new.
        assert_eq!(stub.requests().len(), 9);
    }
}
