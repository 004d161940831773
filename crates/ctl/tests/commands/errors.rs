//! What goes wrong, and the exit code that goes with it.

use std::net::TcpListener;

use serde_json::json;

use crate::objects::{list, problem};
use crate::program::{Running, run, run_by_environment, run_with};
use crate::stub::{Answer, Stub};

const GOOD: &str = "name: web\nspec: {command: /bin/true}\n";

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for arguments in [
        &["get", "workloads"][..],
        &["describe", "workload", "web"],
        &["top"],
        &["watch"],
        &["logs", "web"],
    ] {
        let ended = run(&url, arguments);
        assert_eq!(ended.code, 5, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error[unreachable]: "), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("Connection refused\n  remedy: start one with `tessera up`"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(run_with(&url, &["apply", "-f", "-"], GOOD).code, 5);
}

#[test]
fn something_else_listens() {
    for status in [200, 404, 500] {
        let stub = Stub::start(move |_| Answer::Text(status, "<html>It works!</html>\n"));
        for arguments in [
            &["get", "workloads"][..],
            &["describe", "workload", "web"],
            &["watch"],
            &["logs", "web"],
        ] {
            let ended = run(&stub.url(), arguments);
            assert_eq!(ended.code, 5, "{status} {arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("not a control plane's"), "{}", ended.stderr);
        }
    }
}

#[test]
fn addresses_that_cannot_be_one() {
    for url in ["nonsense", "ftp://127.0.0.1", "https://127.0.0.1"] {
        let ended = run(url, &["get", "workloads"]);
        assert_eq!(ended.code, 2, "{url}: {}", ended.stderr);
        assert!(ended.stderr.contains("is not the address of a control plane"), "{}", ended.stderr);
    }
}

#[test]
fn what_is_not_there() {
    let missing =
        || Answer::Json(404, problem("not_found", 404, "there is no workload/default/web"));
    let stub = Stub::start(move |_| missing());
    for arguments in [
        &["get", "workload", "web"][..],
        &["describe", "workload/web"],
        &["delete", "wl", "web"],
        &["history", "wl", "web"],
        &["logs", "web"],
    ] {
        let ended = run(&stub.url(), arguments);
        assert_eq!(ended.code, 3, "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stderr, "error[not_found]: there is no workload/default/web\n");
        assert_eq!(ended.stdout, "");
    }
    let ended = run(&stub.url(), &["delete", "wl", "web", "--ignore-not-found"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn mistakes_on_the_command_line_send_nothing() {
    let stub = Stub::start(|_| Answer::Json(200, list(&[], 1)));
    for arguments in [
        &["get"][..],
        &["get", "worklods"],
        &["get", "workload", "Web"],
        &["get", "workloads", "-l", "=x"],
        &["get", "workload", "web", "-l", "a=b"],
        &["get", "workload", "web", "-A"],
        &["get", "workloads", "-o", "xml"],
        &["cordon", "node-a", "-o", "json"],
        &["cordon", "workload/web"],
        &["delete", "workloads"],
        &["delete"],
        &["logs", "web", "--since", "yesterday"],
        &["apply"],
        &["apply", "-f", "/nowhere/x.yaml"],
        &["apply", "-f", "-", "-f", "-"],
        &["drain", "node-a", "--timeout", "soon"],
        &["-n", "No", "get", "workloads"],
        &["frobnicate"],
    ] {
        let ended = run(&stub.url(), arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error"), "{arguments:?}: {}", ended.stderr);
    }
    assert!(stub.requests().is_empty(), "{:?}", stub.requests());
}

#[test]
fn an_unknown_option_is_not_offered_as_a_value() {
    for arguments in [&["delete", "--all"][..], &["get", "wl", "--foo"]] {
        let ended = run("http://127.0.0.1:1", arguments);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(!ended.stderr.contains("tip:"), "{}", ended.stderr);
    }
    let slip = run("http://127.0.0.1:1", &["apply", "--filee", "x"]);
    assert!(slip.stderr.contains("'--file'"), "{}", slip.stderr);
}

#[test]
fn help_and_completion_know_the_kinds() {
    let help = run("http://127.0.0.1:1", &["get", "--help"]).stdout;
    for kind in tessera_types::KindName::ALL {
        let line = format!("  {}, {}, {}\n", kind.singular(), kind.plural(), kind.short());
        assert!(help.contains(line.trim_end()), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ended = run("http://127.0.0.1:1", &["completion", shell]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        for kind in tessera_types::KindName::ALL {
            let both = format!("{} {}", kind.singular(), kind.plural());
            assert!(ended.stdout.contains(&both), "{shell}: {kind}");
        }
    }
}

#[test]
fn broken_manifests_are_all_shown_and_nothing_is_sent() {
    let stub = Stub::start(|_| Answer::Json(200, json!({"results": []})));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.yaml", "name: web\nspec:\n  comand: /bin/true\n");
    write(
        "b.json",
        "{\"name\": \"db\", \"spec\": {\"command\": \"x\", \"ports\": [{\"port\": 0}]}}",
    );
    write("c.toml", "name = \"x\"\n[spec\n");
    write("d.yaml", GOOD);
    let path = folder.path().to_str().unwrap();
    let ended = run(&stub.url(), &["apply", "-f", path]);
    assert_eq!(ended.code, 2);
    for place in ["a.yaml:3:3", "b.json:1:", "c.toml:2:"] {
        assert!(ended.stderr.contains(place), "{place} in {}", ended.stderr);
    }
    assert!(
        ended.stderr.ends_with("3 problems in the manifests: nothing was sent\n"),
        "{}",
        ended.stderr
    );
    assert!(stub.requests().is_empty());
}

#[test]
fn internal_errors_name_the_request() {
    let internal = || Answer::Json(500, problem("internal", 500, "something went wrong"));
    let stub = Stub::start(move |_| internal());
    let ended = run(&stub.url(), &["get", "workloads"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("under request r-17"), "{}", ended.stderr);
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let stub = Stub::start(|_| {
        Answer::Json(200, list(&[crate::objects::workload("web", "Running", 5)], 5))
    });
    let ended = Running::close_output(&stub.url(), &["get", "workloads"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

/// The last line needs no line feed, and what ends a log before its end is an error.
#[test]
fn a_log_that_is_not_whole_is_an_error_and_its_lines_are_shown() {
    const LINE: &str = r#"{"at":"2026-05-01T08:00:00Z","stream":"stdout","text":"one"}
{"at":"2026-05-01T08:00:01Z","stream":"stdout","text":"two"}"#;
    const CUT: &str = r#"{"at":"2026-05-01T08:00:00Z","stream":"stdout","text":"one"}
{"ended":"silent","node":"a","message":"a does not answer"}
"#;
    const STOPPING: &str = r#"{"ended":"stopping","node":"a","message":"it stops"}"#;
    for (answer, code, stdout, stderr) in [
        (LINE, 0, "one\ntwo\n", ""),
        (CUT, 1, "one\n", "error[node_unavailable]: a does not answer\n"),
        (STOPPING, 5, "", "error[unavailable]: it stops\n"),
    ] {
        let stub = Stub::start(move |_| Answer::Text(200, answer));
        let ended = run(&stub.url(), &["logs", "web"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, stdout), "{}", ended.stderr);
        assert!(ended.stderr.starts_with(stderr), "{}", ended.stderr);
    }
}

/// What has a value from the environment is not required.
#[test]
fn a_line_on_usage_has_what_is_required_and_no_more() {
    let ended = run_by_environment("http://127.0.0.1:9", &["session", "extend", "exam-1"]);
    assert_eq!(ended.code, 2);
    let usage = ended.stderr.lines().find(|line| line.starts_with("Usage:"));
    assert_eq!(usage, Some("Usage: tesseractl session extend --by <DURATION> <SESSION>"));
}
