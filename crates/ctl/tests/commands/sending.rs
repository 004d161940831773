//! Commands that change something.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::objects::{applied, list, problem, refused, workload};
use crate::program::{run, run_with};
use crate::stub::{Answer, Stub};

const TWO: &str = "name: a\nspec: {command: x}\n---\nname: b\nspec: {command: x}\n";

fn answering(results: Value) -> Stub {
    Stub::start(move |_| Answer::Json(200, json!({"results": results})))
}

#[test]
fn each_result_has_its_line() {
    let stub = answering(json!([applied("a", "created"), applied("b", "updated")]));
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], TWO);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, "workload/default/a created\nworkload/default/b updated\n");
    let body: Value = serde_json::from_str(&stub.requests()[0].body).unwrap();
    let manifest =
        json!({"kind": "Workload", "name": "a", "namespace": "default", "spec": {"command": "x"}});
    assert_eq!(body["manifests"][0], manifest);
}

#[test]
fn one_that_is_refused_does_not_hide_the_others() {
    let conflict =
        problem("conflict", 409, "it is at revision 9, and the manifest was made from revision 5");
    let stub = answering(json!([refused("a", &conflict), applied("b", "created")]));
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], TWO);
    assert_eq!(ended.code, 4);
    assert_eq!(ended.stdout, "workload/default/b created\n");
    assert!(
        ended.stderr.starts_with("error[conflict]: workload/default/a: it is at revision 9"),
        "{}",
        ended.stderr
    );
    let invalid = problem("invalid_spec", 422, "spec: no");
    let stub = answering(json!([refused("a", &conflict), refused("b", &invalid)]));
    assert_eq!(run_with(&stub.url(), &["apply", "-f", "-"], TWO).code, 1);
}

#[test]
fn a_lost_reply_is_asked_for_again_under_the_same_key() {
    let calls = AtomicUsize::new(0);
    let stub = Stub::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Nothing,
        _ => Answer::Json(
            200,
            json!({"results": [applied("a", "created"), applied("b", "created")]}),
        ),
    });
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], TWO);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].idempotency_key.is_some());
    assert_eq!(requests[0].idempotency_key, requests[1].idempotency_key);
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn what_is_asked_of_a_session_is_sent_again_under_the_same_key() {
    for words in [
        &["session", "extend", "s", "--by", "5m"][..],
        &["session", "shrink", "s", "--by", "5m"],
        &["session", "approve", "s"],
        &["session", "retry", "s"],
        &["session", "cancel", "s"],
        &["retry", "session", "s"],
        &["retry", "pod/p"],
        &["retry", "host", "h"],
    ] {
        let stub = Stub::start(|_| Answer::Nothing);
        assert_eq!(run(&stub.url(), words).code, 5, "{words:?}");
        let requests = stub.requests();
        let [first, second] = requests.as_slice() else { panic!("{words:?}: {}", requests.len()) };
        assert!(first.idempotency_key.is_some(), "{words:?}");
        assert_eq!(first.idempotency_key, second.idempotency_key, "{words:?}");
        assert_eq!((&first.line, &first.body), (&second.line, &second.body), "{words:?}");
    }
}

#[test]
fn results_that_do_not_match_are_not_believed() {
    let stub = answering(json!([applied("a", "created")]));
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], TWO);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
}

#[test]
fn a_diff_says_by_its_exit_code_whether_there_is_one() {
    let plan = |outcome: &str, diff: Value| {
        json!({"outcome": outcome, "resource": workload("a", "Running", 5), "diff": diff,
            "placement": {"node": "node-a", "message": "it is the emptiest"}})
    };
    let changed = plan("updated", json!([{"path": "spec.command", "before": "y", "after": "x"}]));
    let same = plan("unchanged", json!([]));
    let one = "name: a\nspec: {command: x}\n";
    let stub = Stub::start(move |request| {
        assert!(request.query.contains("dry_run=true"), "{}", request.query);
        Answer::Json(200, changed.clone())
    });
    let ended = run_with(&stub.url(), &["diff", "-f", "-"], one);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let expected = "workload/default/a would be updated\n  ~ spec.command: \"y\" → \"x\"\n  \
        it would run on node-a: it is the emptiest\n";
    assert_eq!(ended.stdout, expected);
    assert_eq!(run_with(&stub.url(), &["apply", "--dry-run", "-f", "-"], one).stdout, expected);
    let stub = Stub::start(move |_| Answer::Json(200, same.clone()));
    let ended = run_with(&stub.url(), &["diff", "-f", "-"], one);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    let stub = Stub::start(|_| Answer::Json(500, problem("internal", 500, "no")));
    assert_eq!(run_with(&stub.url(), &["diff", "-f", "-"], one).code, 2);
}

#[test]
fn a_selector_deletes_what_it_matched_and_nothing_made_since() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(200, list(&[workload("a", "Running", 4)], 5)),
        "DELETE /v1/workloads/a" => Answer::Json(202, workload("a", "Stopping", 6)),
        _ => Answer::Nothing,
    });
    let ended = run(&stub.url(), &["delete", "workloads", "-l", "app=a"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "workload/default/a deletion requested\n"));
    let requests = stub.requests();
    let delete = requests.iter().find(|request| request.line.starts_with("DELETE")).unwrap();
    assert!(delete.query.contains("id=00000000000000a1"), "{}", delete.query);
}

#[test]
fn a_selector_that_matches_nothing_says_so_and_is_no_error() {
    let stub = Stub::start(|_| Answer::Json(200, list(&[], 5)));
    let ended = run(&stub.url(), &["delete", "workloads", "-l", "app=a", "--wait"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(ended.stderr.starts_with("nothing matches"), "{}", ended.stderr);
}

#[test]
fn a_drain_says_how_many_have_no_place_now() {
    let mut web = workload("web", "Pending", 9);
    web["observed"] = json!({"last_node": "node-a"});
    web["waiting_for"] = json!({
        "reason": "no_node_fits", "message": "the only node, node-a, is cordoned or draining",
        "since": "2026-05-01T08:00:00Z",
    });
    let node = |status: &str| {
        json!({
            "kind": "Node", "name": "node-a", "id": "00000000000000b1", "generation": 2, "revision": 6,
            "spec": {}, "desired_status": "Drained", "status": status, "observed": {},
            "status_since": "2026-05-01T08:00:00Z", "created_at": "2026-05-01T08:00:00Z",
            "updated_at": "2026-05-01T08:00:00Z", "state_history": [],
        })
    };
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/nodes" => Answer::Json(200, list(&[node("Drained")], 5)),
        "GET /v1/nodes/node-a" => Answer::Json(200, node("Drained")),
        "POST /v1/nodes/node-a/drain" => Answer::Json(202, node("Drained")),
        "GET /v1/workloads" => Answer::Json(200, list(std::slice::from_ref(&web), 9)),
        "GET /v1/hosts" => Answer::Json(200, list(&[], 9)),
        _ => Answer::Events(vec![]),
    });
    let ended = run(&stub.url(), &["drain", "node-a"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected = "1 workload has no place now; `get workloads` says why\n";
    assert!(ended.stdout.ends_with(expected), "{}", ended.stdout);
}

#[test]
fn illegal_states_are_conflicts() {
    let stub =
        Stub::start(|_| Answer::Json(409, problem("being_deleted", 409, "it is being deleted")));
    assert_eq!(run(&stub.url(), &["cordon", "node-a"]).code, 4);
    assert_eq!(run(&stub.url(), &["delete", "workload", "web"]).code, 4);
}

#[test]
fn what_a_tenant_probably_does_not_mean_is_said_and_not_refused() {
    let results =
        json!({"results": [{"key": {"kind": "Tenant", "name": "circ"}, "outcome": "created"}]});
    let stub = Stub::start(move |_| Answer::Json(200, results.clone()));
    let tenant = r#"
kind: Tenant
name: circ
spec:
  manifest: |
    name = "circ"
    kind = "extract"
    version = "1.2.0"
    schema = "circ"
    owner = "data@library.example"
    sources = ["sierra"]
    schedule = "*-*-* 08:35:00 UTC"
    freshness = "26h"

    [telemetry]

    [lifecycle]
    entrypoint = ["/srv/pull", "$HOME/lake"]
    subcommands = ["run", "status", "dry-run", "migrate"]
    environment = {PIN = "4711"}
"#;
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], tenant);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "tenant/circ created\n"), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "warning[shell_text]: `$HOME/lake` arrives as it is: no shell reads it\n  \
         --> <stdin>:2:1 (tenant/circ) spec.manifest:13:28 (lifecycle.entrypoint[1])\n   \
         = help: write the value in full\n\n"
    );
    // What a value is made of stays where it is.
    assert!(!ended.stderr.contains("4711"), "{ended:?}");
}
