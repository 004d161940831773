//! Plans, sessions, calendars, seeds: what is sent, what is printed, and which code
//! it ends with.

use serde_json::{Value, json};

use crate::objects::{changed, list, problem};
use crate::program::{Ended, run, run_with};
use crate::stub::{Answer, Stub};

const SESSION: &str = "kind: Session\nname: exam-1\nspec:\n  definition: {type_key: exam}\n  timeslot: {start: 2026-05-01T09:00:00Z}\n";
const DEFINITION: &str =
    "kind: ReportDefinition\nname: sum\nspec: {type_key: sum, version: \"1.0.0\"}\n";

fn session(status: &str, outcome: Option<&str>, revision: u64) -> Value {
    let history = json!({"to": status, "at": "2026-05-01T09:00:00Z", "by": "reconciler", "reason": "of the test"});
    json!({
        "kind": "Session", "name": "exam-1", "namespace": "default",
        "spec": {"definition": {"type_key": "exam"}, "timeslot": {"start": "2026-05-01T09:00:00Z"}},
        "desired_status": "Active", "id": "00000000000000e1", "generation": 1, "revision": revision,
        "status": status, "status_since": "2026-05-01T09:00:00Z", "state_history": [history],
        "observed": {
            "timeslot": {"start": "2026-05-01T09:00:00Z", "end": "2026-05-01T10:00:00Z"}, "outcome": outcome,
        },
        "created_at": "2026-05-01T08:00:00Z", "updated_at": "2026-05-01T09:00:00Z",
    })
}

fn plan(problem_code: Option<&str>) -> Value {
    let mut plan = json!({
        "key": {"kind": "Session", "namespace": "default", "name": "exam-1"},
        "timeslot": {"start": "2026-05-01T09:00:00Z", "end": "2026-05-01T10:00:00Z"},
    });
    if let Some(code) = problem_code {
        plan["problem"] = problem(code, 409, "1 host has fewer than 2 ports free");
        plan["earliest_start"] = json!("2026-05-01T11:00:00Z");
    }
    plan
}

fn planned(plans: Vec<Value>, options: &[&str]) -> (Ended, Stub) {
    let stub = Stub::start(move |_| Answer::Json(200, json!({"plans": plans})));
    let arguments = [&["plan", "-f", "-"], options].concat();
    let both = format!("{DEFINITION}---\n{SESSION}");
    (run_with(&stub.url(), &arguments, &both), stub)
}

#[test]
fn a_plan_is_one_request_and_its_code_says_whether_all_fits() {
    let (ended, stub) = planned(vec![plan(None)], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("session/default/exam-1 fits: "), "{}", ended.stdout);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /v1/plan");
    let sent: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(sent["manifests"].as_array().unwrap().len(), 2);

    for (codes, exit) in [
        (vec![Some("does_not_fit")], 4),
        (vec![None, Some("does_not_fit")], 4),
        (vec![Some("invalid_spec")], 1),
        (vec![Some("does_not_fit"), Some("invalid_spec")], 1),
    ] {
        let plans: Vec<_> = codes.iter().map(|code| plan(*code)).collect();
        let (ended, _) = planned(plans, &[]);
        assert_eq!(ended.code, exit, "{codes:?}: {}", ended.stderr);
    }
    let (ended, _) = planned(vec![plan(Some("does_not_fit"))], &[]);
    assert!(ended.stdout.contains("the earliest start that does is 2026-05-01T11:00:00Z"));
    assert!(ended.stderr.contains("fewer than 2 ports free"), "{}", ended.stderr);
}

#[test]
fn a_plan_for_programs_has_its_problems_in_it() {
    let (ended, _) = planned(vec![plan(Some("does_not_fit"))], &["-o", "json"]);
    assert_eq!(ended.code, 4);
    let plans: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(plans[0]["problem"]["code"], "does_not_fit");
}

#[test]
fn what_operators_do_to_sessions_is_sent_as_asked() {
    for (arguments, line, body) in [
        (vec!["extend", "exam-1", "--by", "15m"], "extend", json!({"by": "15m"})),
        (
            vec!["shrink", "exam-1", "--by", "PT90S", "--part", "lab"],
            "shrink",
            json!({"by": "1m30s", "part": "lab"}),
        ),
        (vec!["approve", "session/exam-1"], "approve", json!({})),
        (vec!["retry", "exam-1", "--part", "lab"], "retry", json!({"part": "lab"})),
        (vec!["cancel", "exam-1"], "cancel", Value::Null),
    ] {
        let stub = Stub::start(|request| {
            let session = session("Active", None, 6);
            match request.line.ends_with("/approve") {
                true => Answer::Json(202, approved("theory", "opened", &session)),
                false => Answer::Json(202, session),
            }
        });
        let ended = run(&stub.url(), &[&["session"], &arguments[..], &["-n", "lab"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.starts_with("session/default/exam-1 "), "{}", ended.stdout);
        let request = stub.requests().remove(0);
        assert_eq!(request.line, format!("POST /v1/sessions/exam-1/{line}"));
        assert_eq!(request.query, "namespace=lab");
        assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap_or_default(), body);
    }
}

#[test]
fn what_has_failed_is_tried_again_whatever_kind_it_is_of() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "POST /v1/sessions/exam-1/retry" => Answer::Json(202, session("Active", None, 6)),
        "POST /v1/pods/gone/retry" => Answer::Json(404, problem("not_found", 404, "no pod/gone")),
        _ => Answer::Json(409, problem("not_now", 409, "host/h is Active")),
    });
    let ended = run(&stub.url(), &["retry", "sessions", "exam-1", "-n", "lab"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "session/default/exam-1 is tried again\n"));
    let ended = run(&stub.url(), &["retry", "pod/gone", "session/exam-1", "host/h"]);
    assert!(ended.stderr.contains("no pod/gone") && ended.stderr.contains("host/h is Active"));
    assert!(ended.stdout.contains("is tried again"), "{}", ended.stdout);
    let lines: Vec<_> = stub.requests().iter().map(|request| request.line.clone()).collect();
    let paths = ["sessions/exam-1", "pods/gone", "sessions/exam-1", "hosts/h"];
    assert_eq!(lines, paths.map(|path| format!("POST /v1/{path}/retry")));
    assert_eq!(stub.requests()[0].query, "namespace=lab");
    for (words, hint) in [
        (&["retry", "part", "exam-1-lab"][..], "session retry SESSION --part PART"),
        (&["retry", "workload/web"], "sessions, pods and hosts"),
        (&["retry", "pods"], "which pods to try again"),
    ] {
        let ended = run(&stub.url(), words);
        assert_eq!(ended.code, 2, "{words:?}");
        assert!(ended.stderr.contains(hint), "{words:?}: {}", ended.stderr);
    }
}

/// The history has what has moved; without it, at least the end is told.
#[test]
fn an_extension_says_what_has_moved() {
    let words = "part lab extended by 15m: it ends at 2026-05-01T10:15:00Z instead of \
                 2026-05-01T10:00:00Z; the session ends at 2026-05-01T10:15:00Z";
    let mut told = session("Active", None, 6);
    let note = json!({"from": "Active", "to": "Active", "at": "2026-05-01T09:00:00Z", "by": "api",
        "reason": words});
    told["state_history"].as_array_mut().unwrap().push(note);
    for (session, words) in
        [(told, words), (session("Active", None, 6), "extended: it ends at 2026-05-01T10:00:00Z")]
    {
        let stub = Stub::start(move |_| Answer::Json(202, session.clone()));
        let ended = run(&stub.url(), &["session", "extend", "exam-1", "--by", "15m"]);
        let start = format!("session/default/exam-1 {words} (");
        assert!(ended.stdout.starts_with(&start), "{}{}", ended.stdout, ended.stderr);
    }
}

/// History outlives what it is of.
#[test]
fn the_timeline_of_what_is_gone_is_its_own_history() {
    let entry = |seq: u64, id: &str, to: &str| {
        json!({"seq": seq, "revision": seq, "id": id, "to": to, "by": "api", "reason": "of the test",
            "at": format!("2026-05-01T09:00:0{seq}Z")})
    };
    let [old, new] = ["00000000000000e1", "00000000000000e2"];
    let items = [entry(5, new, "Deleted"), entry(4, new, "Pending"), entry(1, old, "Pending")];
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/sessions/exam-1/history" => Answer::Json(200, json!({"items": items})),
        _ => Answer::Json(404, problem("not_found", 404, "there is no session/default/exam-1")),
    });
    let ended = run(&stub.url(), &["history", "session", "exam-1", "--timeline"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "times are relative to 2026-05-01T09:00:04.000Z\n\
         +0.0s ┬ session exam-1: Pending (of the test)\n\
         +1.0s └ session exam-1: Deleted (of the test)\n"
    );
    assert!(ended.stderr.contains("session/default/exam-1 is gone"), "{}", ended.stderr);
    let ended = run(&stub.url(), &["history", "session", "other", "--timeline"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
}

fn approved(part: &str, outcome: &str, session: &Value) -> Value {
    json!({"part": part, "outcome": outcome, "message": "", "resource": session})
}

#[test]
fn an_approval_says_whose_gate_is_open() {
    for (outcome, words) in [
        ("opened", "approved: the gate of part lab is open"),
        ("unchanged", "unchanged: the gate of part lab was open already"),
    ] {
        let answer = approved("lab", outcome, &session("Active", None, 6));
        let stub = Stub::start(move |_| Answer::Json(202, answer.clone()));
        let ended = run(&stub.url(), &["session", "approve", "exam-1"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout, format!("session/default/exam-1 {words}\n"));
    }
}

#[test]
fn a_refused_extension_is_a_conflict() {
    let stub = Stub::start(|_| Answer::Json(409, problem("does_not_fit", 409, "x is in the way")));
    let ended = run(&stub.url(), &["session", "extend", "exam-1", "--by", "15m"]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.starts_with("error[does_not_fit]: x is in the way"), "{}", ended.stderr);
    assert_eq!(run(&stub.url(), &["session", "extend", "exam-1", "--by", "soon"]).code, 2);
}

/// Follows a session to which these things happen.
fn follow(events: Vec<Value>) -> Ended {
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/sessions" => Answer::Json(200, list(&[session("Pending", None, 5)], 5)),
        "GET /v1/watch" => Answer::Events(events.clone()),
        _ => Answer::Json(200, list(&[], 5)),
    });
    run(&stub.url(), &["session", "follow", "exam-1"])
}

#[test]
fn a_session_is_told_to_its_end_and_the_code_says_how_it_ended() {
    for (status, outcome, code) in
        [("Inactive", "completed", 0), ("Failed", "failed", 1), ("Inactive", "cancelled", 1)]
    {
        let ended = follow(vec![
            changed(&session("Active", None, 6)),
            changed(&session(status, Some(outcome), 7)),
        ]);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert!(lines[0].ends_with(" session exam-1: Pending (of the test)"), "{}", ended.stdout);
        assert!(lines[1].ends_with(" session exam-1: Active (of the test)"), "{}", ended.stdout);
        assert_eq!(lines[3], format!("session exam-1 ended: {outcome}"));
    }
}

#[test]
fn apply_follows_what_it_declares() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "POST /v1/apply" => {
            let key = json!({"kind": "Session", "namespace": "default", "name": "exam-1"});
            let result = json!({"key": key, "outcome": "created", "generation": 1, "revision": 6});
            Answer::Json(200, json!({"results": [result]}))
        }
        "GET /v1/watch" => Answer::Events(vec![
            changed(&session("Pending", None, 6)),
            changed(&session("Failed", Some("failed"), 7)),
        ]),
        line if line.ends_with("/exam-1") => {
            Answer::Json(404, problem("not_found", 404, "there is no session/default/exam-1"))
        }
        _ => Answer::Json(200, list(&[], 5)),
    });
    let ended = run_with(&stub.url(), &["apply", "--follow", "-f", "-"], SESSION);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let lines =
        ["session/default/exam-1 created", "1 of 1 converged", "session exam-1 ended: failed"];
    let mut rest = ended.stdout.as_str();
    for line in lines {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("{line} in {}", ended.stdout)).1;
    }
    // For programs the story stays apart.
    let ended = run_with(&stub.url(), &["apply", "--follow", "-o", "name", "-f", "-"], SESSION);
    assert_eq!(ended.stdout, "session/default/exam-1\n");
    assert!(ended.stderr.contains("session exam-1 ended: failed"), "{}", ended.stderr);
}

/// What is over does not take place again, and that is no success.
#[test]
fn a_session_that_was_over_before_has_not_converged() {
    let over = session("Inactive", Some("completed"), 5);
    let note = "it is over (completed) since 2026-05-01T09:00:00Z; delete it, or declare it under \
                another name";
    let stub = Stub::start(move |request| match request.line.as_str() {
        "POST /v1/apply" => {
            let key = json!({"kind": "Session", "namespace": "default", "name": "exam-1"});
            let result = json!({"key": key, "outcome": "unchanged", "generation": 1, "revision": 5,
                "note": note});
            Answer::Json(200, json!({"results": [result]}))
        }
        "GET /v1/watch" => Answer::Events(Vec::new()),
        line if line.ends_with("/exam-1") => Answer::Json(200, over.clone()),
        "GET /v1/sessions" => Answer::Json(200, list(std::slice::from_ref(&over), 5)),
        _ => Answer::Json(200, list(&[], 5)),
    });
    let ended = run_with(&stub.url(), &["apply", "-f", "-"], SESSION);
    assert_eq!(ended.stdout, format!("session/default/exam-1 unchanged: {note}\n"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for option in ["--wait", "--follow"] {
        let ended = run_with(&stub.url(), &["apply", option, "-f", "-"], SESSION);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(note), "{}", ended.stderr);
    }
}

#[test]
fn a_session_that_is_over_is_told_at_once() {
    let over = session("Inactive", Some("completed"), 5);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /v1/sessions" => Answer::Json(200, list(std::slice::from_ref(&over), 5)),
        "GET /v1/watch" => Answer::Events(Vec::new()),
        _ => Answer::Json(200, list(&[], 5)),
    });
    let ended = run(&stub.url(), &["session", "follow", "exam-1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn only_definitions_are_seeded_and_what_came_of_it_is_told() {
    let response = json!({
        "created": [{"kind": "ReportDefinition", "name": "sum"}],
        "updated": {"jobdefinition/grade": ["1.0.0", "1.1.0"]},
        "unchanged": 3,
        "pruned": [{"kind": "PodDefinition", "name": "old"}],
    });
    let stub = Stub::start(move |_| Answer::Json(200, response.clone()));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/sum.yaml"), DEFINITION).unwrap();
    let path = folder.path().to_str().unwrap();
    let ended = run(&stub.url(), &["seed", path, "--prune"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "reportdefinition/sum created\njobdefinition/grade updated 1.0.0 → 1.1.0\n\
         poddefinition/old removed\n3 unchanged\n"
    );
    let request = stub.requests().remove(0);
    assert_eq!(request.line, "POST /v1/seed");
    let sent: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!((&sent["prune"], &sent["dry_run"]), (&json!(true), &json!(false)));
    let dry = run(&stub.url(), &["seed", path, "--dry-run"]);
    assert!(dry.stdout.starts_with("reportdefinition/sum would be created\n"), "{}", dry.stdout);

    std::fs::write(folder.path().join("z.yaml"), SESSION).unwrap();
    let before = stub.requests().len();
    let ended = run(&stub.url(), &["seed", path]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("z.yaml:1:1: session/default/exam-1 is not a definition"));
    assert_eq!(stub.requests().len(), before, "nothing was sent");
}

#[test]
fn a_calendar_is_a_picture_or_data() {
    let calendar = json!({
        "host": "rack", "capacity": {"cpu": 8000}, "holds": [], "steps": [],
        "window": {"from": "2026-05-01T09:00:00Z", "until": "2026-05-01T21:00:00Z"},
    });
    let stub = Stub::start(move |_| Answer::Json(200, calendar.clone()));
    let arguments = ["calendar", "host/rack", "--from", "2026-05-01T09:00:00Z", "--to", "12h"];
    let ended = run(&stub.url(), &arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("host/rack  ") && ended.stdout.contains("at most 0 of 8 (0%)")
    );
    let request = stub.requests().remove(0);
    assert_eq!(request.line, "GET /v1/hosts/rack/calendar");
    assert!(request.query.contains("to=2026-05-01T21%3A00%3A00Z"), "{}", request.query);
    let ended = run(&stub.url(), &[&arguments[..], &["-o", "json"]].concat());
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap()["host"], "rack");
}

#[test]
fn what_is_wrong_with_a_seed_has_its_file() {
    let mut refused = problem("invalid_spec", 422, "spec.version: x is sum 1.0.0 too");
    refused["instance"] = json!("reportdefinition/sum");
    let mut several = problem("invalid_spec", 422, "x");
    several["invalid"] = json!([
        {"path": "reportdefinition/sum: spec.version", "message": "a"},
        {"path": "partdefinition/lab: spec.report", "message": "b"},
    ]);
    for (refused, words) in [
        (refused, vec!["<stdin>:1:1: spec.version: x is sum 1.0.0 too"]),
        (
            several,
            vec![
                "<stdin>:1:1: reportdefinition/sum: spec.version: a",
                "  partdefinition/lab: spec.report: b",
            ],
        ),
    ] {
        let stub = Stub::start(move |_| Answer::Json(422, refused.clone()));
        let ended = run_with(&stub.url(), &["seed", "-"], DEFINITION);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        for words in words {
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_is_declared_first_is_deleted_last() {
    let stub = Stub::start(|request| {
        let kind = if request.line.contains("sessions") { "session" } else { "definition" };
        Answer::Json(404, problem("not_found", 404, kind))
    });
    let both = format!("{DEFINITION}---\n{SESSION}");
    run_with(&stub.url(), &["delete", "-f", "-", "--ignore-not-found"], &both);
    let lines: Vec<_> = stub.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["DELETE /v1/sessions/exam-1", "DELETE /v1/reportdefinitions/sum"]);
}
