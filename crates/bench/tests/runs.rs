//! Each benchmark runs, in a thousandth of its size, and writes what can be compared.
//! How fast it is says nothing here.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The benchmarks that have a test below.
const TESTED: &[&str] =
    &["million", "apply", "churn", "watch", "heartbeats", "restart", "sessions", "jobs", "idle"];

fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_tessera-bench")).args(arguments).output();
    let output = output.expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{errors}", output.status);
    output
}

fn run(name: &str) {
    assert!(TESTED.contains(&name), "{name} is not among the tested");
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file).display().to_string();
    let (json, state) = (at("results.json"), folder.path().display().to_string());
    bench(&[name, "--scale", "0.001", "--json", &json, "--folder", &state]);
    check(name, Path::new(&json));
    let compared = bench(&["--compare", &json, &json]);
    assert!(String::from_utf8_lossy(&compared.stdout).contains(name));
}

fn check(name: &str, json: &Path) {
    let results: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert!(results["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{results}");
    assert!(results["commit"]["revision"].is_string(), "{results}");
    for rate in ["log_appends", "log_rows", "http_requests"] {
        assert!(results["baseline"][rate].as_f64().is_some_and(|rate| rate > 0.0), "{rate}");
    }
    let measured = &results["benchmarks"][0];
    assert_eq!(measured["name"], name);
    let figures = measured["figures"].as_array().unwrap();
    assert!(!figures.is_empty());
    for figure in figures {
        // What is not finite cannot be written.
        assert!(figure["value"].is_f64(), "{figure}");
    }
    assert!(figures.iter().any(|figure| figure["aim"]["met"].is_boolean()), "{name} has no aim");
}

#[test]
fn million_runs() {
    run("million");
}

#[test]
fn churn_runs() {
    run("churn");
}

#[test]
fn watch_runs() {
    run("watch");
}

#[test]
fn heartbeats_runs() {
    run("heartbeats");
}

#[test]
fn restart_runs() {
    run("restart");
}

#[test]
fn apply_runs() {
    run("apply");
}

#[test]
fn sessions_runs() {
    run("sessions");
}

#[test]
fn jobs_runs() {
    run("jobs");
}

#[test]
fn idle_runs() {
    run("idle");
}

#[test]
fn every_benchmark_has_a_test() {
    let listed = String::from_utf8(bench(&["--list"]).stdout).unwrap();
    let names = listed.lines().filter(|line| !line.starts_with(' '));
    let names: Vec<_> = names.filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names, TESTED);
}
