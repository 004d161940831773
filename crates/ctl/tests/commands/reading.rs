//! Commands that only read.

use serde_json::{Value, json};

use crate::objects::{list, problem, workload};
use crate::program::{run, run_with};
use crate::stub::{Answer, Request, Stub};

fn two(request: &Request) -> Answer {
    match request.line.as_str() {
        "GET /v1/workloads" => Answer::Json(
            200,
            list(&[workload("db", "Failed", 4), workload("web", "Running", 5)], 5),
        ),
        "GET /v1/workloads/web" => Answer::Json(200, workload("web", "Running", 5)),
        _ => Answer::Json(404, problem("not_found", 404, "there is no such thing")),
    }
}

#[test]
fn a_table_names_what_is_there() {
    let stub = Stub::start(two);
    let ended = run(&stub.url(), &["get", "workloads"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME  STATUS   NODE  RESTARTS  AGE"), "{}", ended.stdout);
    assert!(lines[1].starts_with("db    Failed   -     0"), "{}", ended.stdout);
    assert!(lines[2].starts_with("web   Running  -     0"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\x1b'));
    let coloured = run(&stub.url(), &["get", "workloads", "--color", "always"]);
    assert!(coloured.stdout.contains("\x1b[31mFailed\x1b[0m"), "{:?}", coloured.stdout);
}

#[test]
fn what_is_there_is_shown_beside_what_is_not() {
    let stub = Stub::start(two);
    let ended = run(&stub.url(), &["get", "workload", "web", "nope", "-o", "name"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, "workload/default/web\n"));
    assert!(ended.stderr.starts_with("error[not_found]"), "{}", ended.stderr);
}

#[test]
fn an_empty_list_says_so_apart_from_the_output() {
    let stub = Stub::start(|_| Answer::Json(200, list(&[], 1)));
    let ended = run(&stub.url(), &["get", "wl"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert_eq!(ended.stderr, "no workloads found\n");
    assert_eq!(run(&stub.url(), &["get", "wl", "-o", "json"]).stdout, "[]\n");
}

#[test]
fn json_is_what_the_api_said() {
    let stub = Stub::start(two);
    let one: Value =
        serde_json::from_str(&run(&stub.url(), &["get", "wl/web", "-o", "json"]).stdout).unwrap();
    assert_eq!(one["name"], "web");
    assert_eq!(one["status"], "Running");
    let all: Value =
        serde_json::from_str(&run(&stub.url(), &["get", "wl", "-o", "json"]).stdout).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
}

/// What is printed can be applied, with its identity and revision as preconditions.
#[test]
fn what_get_prints_apply_takes() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "POST /v1/apply" => {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let results: Vec<_> = body["manifests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|manifest| {
                    assert!(manifest.get("status").is_none(), "{manifest}");
                    assert_eq!(manifest["id"], "00000000000000a1");
                    assert!(manifest["revision"].is_u64());
                    crate::objects::applied(manifest["name"].as_str().unwrap(), "unchanged")
                })
                .collect();
            Answer::Json(200, json!({"results": results}))
        }
        _ => two(request),
    });
    for format in ["yaml", "json"] {
        let printed = run(&stub.url(), &["get", "wl", "-o", format]).stdout;
        let ended = run_with(&stub.url(), &["apply", "-f", "-"], &printed);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout, "workload/default/db unchanged\nworkload/default/web unchanged\n");
    }
}

#[test]
fn all_pages_are_read() {
    let stub = Stub::start(|request| {
        let second = request.query.contains("page=next");
        let mut page = list(&[workload(if second { "b" } else { "a" }, "Running", 3)], 3);
        if !second {
            page["next_page"] = json!("next");
        }
        Answer::Json(200, page)
    });
    let ended = run(&stub.url(), &["get", "wl", "-A", "-o", "name"]);
    assert_eq!(ended.stdout, "workload/default/a\nworkload/default/b\n");
    assert!(stub.requests().iter().all(|request| !request.query.contains("namespace")));
}

#[test]
fn the_namespace_and_the_selector_are_asked_for() {
    let stub = Stub::start(|_| Answer::Json(200, list(&[], 3)));
    run(&stub.url(), &["get", "wl", "-n", "lab", "-l", "app in (a,b)"]);
    let query = stub.requests()[0].query.clone();
    assert!(query.contains("namespace=lab"), "{query}");
    assert!(query.contains("selector=app+in+%28a%2Cb%29"), "{query}");
}

#[test]
fn logs_go_to_the_stream_they_were_written_to() {
    let stub = Stub::start(|request| {
        assert_eq!(request.line, "GET /v1/workloads/web/logs");
        assert!(
            request.query.contains("tail=5") && request.query.contains("since=20"),
            "{}",
            request.query
        );
        Answer::Text(
            200,
            "{\"at\":\"2026-05-01T08:00:00Z\",\"stream\":\"stdout\",\"text\":\"out\"}\n\
             {\"at\":\"2026-05-01T08:00:01Z\",\"stream\":\"stderr\",\"text\":\"err\"}\n",
        )
    });
    let ended = run(&stub.url(), &["logs", "web", "--tail", "5", "--since", "10m"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"));
    let ended = run(
        &stub.url(),
        &["logs", "workload/web", "--tail", "5", "--since", "2026-05-01T08:00:00Z", "--timestamps"],
    );
    assert_eq!(ended.stdout, "2026-05-01T08:00:00.000Z out\n");
}

#[test]
fn a_history_ends_with_the_newest() {
    let entry = |seq: u64, to: &str| {
        json!({"seq": seq, "revision": seq, "id": "00000000000000a1", "to": to, "at": "2026-05-01T08:00:00Z",
            "by": "reconciler", "reason": "why", "metadata": {"code": "1"}})
    };
    let stub = Stub::start(move |request| {
        let page = if request.query.contains("before_seq=3") {
            json!({"items": [entry(2, "Scheduled"), entry(1, "Pending")]})
        } else {
            json!({"items": [entry(4, "Running"), entry(3, "Provisioning")], "before_seq": 3})
        };
        Answer::Json(200, page)
    });
    let ended = run(&stub.url(), &["history", "workload", "web"]);
    let order = ["Pending", "Scheduled", "Provisioning", "Running"];
    let lines: Vec<_> = ended.stdout.lines().skip(1).collect();
    assert_eq!(lines.len(), 4, "{}", ended.stdout);
    for (line, status) in lines.iter().zip(order) {
        assert!(line.contains(status) && line.ends_with("why (code=1)"), "{line}");
    }
    let ended = run(&stub.url(), &["history", "workload/web", "--limit", "3", "-o", "json"]);
    let entries: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(entries[0]["to"], "Scheduled");
}

#[test]
fn versions_are_told_apart() {
    let stub = Stub::start(|_| {
        Answer::Json(200, json!({"ready": true, "version": "9.9.9", "revision": 1}))
    });
    let ended = run(&stub.url(), &["version"]);
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(ended.stdout, format!("tesseractl {own}\ncontrol plane 9.9.9 at {}\n", stub.url()));
    assert_eq!(run(&stub.url(), &["version", "--client"]).stdout, format!("tesseractl {own}\n"));
    assert_eq!(stub.requests().len(), 1);
}
