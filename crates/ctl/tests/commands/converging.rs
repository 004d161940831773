//! Waiting for what was asked.

use serde_json::{Value, json};

use crate::objects::{applied, changed, deleted, list, problem, workload};
use crate::program::{Ended, run, run_with};
use crate::stub::{Answer, Stub};

const WEB: &str = "name: web\nspec: {command: /bin/sleep, args: ['3600']}\n";

/// Applies a workload to a control plane that then says these events.
fn apply(events: Vec<Value>, options: &[&str]) -> Ended {
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(200, list(&[], 5)),
        "GET /v1/watch" => {
            assert!(request.query.contains("since=5"), "{}", request.query);
            Answer::Events(events.clone())
        }
        "POST /v1/apply" => Answer::Json(200, json!({"results": [applied("web", "created")]})),
        _ => Answer::Json(404, problem("not_found", 404, "there is no workload/default/web")),
    });
    let arguments = [&["apply", "--wait", "-f", "-"], options].concat();
    run_with(&stub.url(), &arguments, WEB)
}

#[test]
fn every_transition_has_a_line_and_the_end_is_success() {
    let events = ["Pending", "Scheduled", "Provisioning", "Running"];
    let events = events.iter().zip(6..).map(|(status, at)| changed(&workload("web", status, at)));
    let ended = apply(events.collect(), &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "workload/default/web created");
    assert_eq!(lines[1], "workload/default/web Pending: of the test");
    assert_eq!(lines[4], "workload/default/web Running: of the test");
    assert!(lines[5].starts_with("1 of 1 converged, after "), "{}", ended.stdout);
}

#[test]
fn a_failure_is_told_at_once_with_the_last_lines() {
    let mut failed = workload("web", "Failed", 7);
    failed["observed"]["last_exit"] = json!({
        "at": "2026-05-01T08:00:00Z", "outcome": "exited", "code": 3, "last_lines": ["no such table: users"],
    });
    let ended = apply(vec![changed(&failed)], &[]);
    assert_eq!(ended.code, 1);
    for part in [
        "error: 1 of 1 not converged\n",
        "workload/default/web: Failed: of the test",
        "exited with code 3",
        "| no such table: users",
    ] {
        assert!(ended.stderr.contains(part), "{part} in {}", ended.stderr);
    }
}

#[test]
fn a_timeout_says_what_is_waited_for() {
    let mut pending = workload("web", "Pending", 6);
    pending["waiting_for"] = json!({
        "reason": "no_node_fits", "message": "no node has 4 cpus free", "since": "2026-05-01T08:00:00Z",
    });
    let ended = apply(vec![changed(&pending)], &["--timeout", "300ms"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("waits for: no node has 4 cpus free"), "{}", ended.stdout);
    assert!(
        ended.stderr.starts_with("error: 1 of 1 not converged within 300ms\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("waits for: no node has 4 cpus free"), "{}", ended.stderr);
}

#[test]
fn output_for_programs_has_no_progress_in_it() {
    let ended = apply(vec![changed(&workload("web", "Running", 7))], &["-o", "json"]);
    let results: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(results[0]["outcome"], "created");
    assert!(ended.stderr.contains("1 of 1 converged"), "{}", ended.stderr);
}

#[test]
fn deletion_is_followed_until_it_is_done() {
    let mut asked = workload("web", "Stopping", 7);
    asked["deletion_requested_at"] = json!("2026-05-01T09:00:00Z");
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(200, list(&[], 5)),
        "GET /v1/workloads/web" => Answer::Json(200, workload("web", "Running", 5)),
        "DELETE /v1/workloads/web" => Answer::Json(202, workload("web", "Running", 6)),
        _ => Answer::Events(vec![changed(&asked), deleted(&asked, 8)]),
    });
    let ended = run(&stub.url(), &["delete", "workload", "web", "--wait"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.matches("deletion requested").count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("workload/default/web Stopping → Deleted"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1 of 1 deleted"), "{}", ended.stdout);
}

#[test]
fn a_broken_connection_is_made_again_and_told() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(200, list(&[], 5)),
        "POST /v1/apply" => Answer::Json(200, json!({"results": [applied("web", "created")]})),
        "GET /v1/watch" => match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Answer::BrokenEvents(vec![changed(&workload("web", "Pending", 6))]),
            _ => {
                assert!(request.query.contains("since=6"), "{}", request.query);
                Answer::Events(vec![changed(&workload("web", "Running", 7))])
            }
        },
        _ => Answer::Json(404, problem("not_found", 404, "there is no workload/default/web")),
    });
    let ended = run_with(&stub.url(), &["apply", "--wait", "-f", "-"], WEB);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("trying again\nconnected again\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1 of 1 converged"), "{}", ended.stdout);
}
