//! The lists, tables and pictures of the reference pages are complete and right.

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tessera_types::node::{NodeSpec, NodeStatus};
use tessera_types::problem::Code;
use tessera_types::workload::{ExitOutcome, WorkloadSpec, WorkloadStatus};
use tessera_types::{Problem, State, WaitReason};

use crate::markdown::{blocks, headings, rows, section};
use crate::text;

#[test]
fn every_code_has_its_section_and_nothing_else_has() {
    let page = text("docs/reference/errors.md");
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(headings(&page, 3), codes);
    for code in Code::ALL {
        let status = format!("HTTP {}", code.status());
        let section = section(&page, &format!("`{code}`")).join("\n");
        assert!(section.contains(&status), "{code}: {status}");
    }
}

#[test]
fn every_problem_that_is_shown_is_one_of_its_code() {
    let page = text("docs/reference/errors.md");
    let shown = blocks("errors.md", &page).into_iter().filter(|block| block.mark == "Problem");
    for block in shown {
        let problem: Problem = serde_json::from_str(&block.text).unwrap();
        let Problem { detail, remedy, instance, invalid, facts, request_id, .. } = problem.clone();
        let right = Problem {
            remedy,
            instance,
            invalid,
            facts,
            request_id,
            ..Problem::new(problem.code, detail)
        };
        assert_eq!(problem, right, "{}", block.at);
    }
}

#[test]
fn the_pictures_and_tables_have_the_arrows_of_the_state_machines() {
    arrows_are_right::<WorkloadStatus>("docs/reference/workload.md");
    arrows_are_right::<NodeStatus>("docs/reference/node.md");
}

fn arrows_are_right<S: State + Ord>(file: &str) {
    let page = text(file);
    let all = S::ALL.iter().flat_map(|from| S::ALL.iter().map(|to| (*from, *to)));
    let arrows: BTreeSet<_> = all.filter(|(from, to)| from.may_become(*to)).collect();
    assert_eq!(drawn::<S>(file, &page), arrows, "the picture in {file}");
    let explained = rows(&section(&page, "Transitions"));
    let explained = explained.iter().map(|row| (status(&row[0]), status(&row[1])));
    assert_eq!(distinct(explained), arrows, "the table in {file}");
}

/// The arrows of the Mermaid picture, but the one to the initial status, which must be right.
fn drawn<S: State + Ord>(file: &str, page: &str) -> BTreeSet<(S, S)> {
    let found = blocks(file, page);
    let pictures: Vec<_> = found.iter().filter(|block| block.language == "mermaid").collect();
    let [picture] = pictures.as_slice() else { panic!("{file}: {} pictures", pictures.len()) };
    let arrows = picture.text.lines().filter_map(|line| line.split_once(" --> "));
    let arrows =
        arrows.map(|(from, to)| (from.trim(), to.split_once(':').map_or(to, |(to, _)| to).trim()));
    let (starts, arrows): (Vec<_>, Vec<_>) = arrows.partition(|(from, _)| *from == "[*]");
    assert_eq!(starts, [("[*]", S::INITIAL.to_string().as_str())]);
    distinct(arrows.into_iter().map(|(from, to)| (status(from), status(to))))
}

fn status<S: State>(word: &str) -> S {
    serde_json::from_value(Value::from(word)).unwrap_or_else(|_| panic!("`{word}` is no status"))
}

/// A set of what must not be there twice.
fn distinct<T: Ord + Debug>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        let shown = format!("{item:?}");
        assert!(set.insert(item), "{shown} is there twice");
    }
    set
}

#[test]
fn every_status_is_explained() {
    let first = |file: &str| -> Vec<String> {
        rows(&section(&text(file), "States")).into_iter().map(|row| row[0].clone()).collect()
    };
    let names = |all: &[WorkloadStatus]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(first("docs/reference/workload.md"), names(WorkloadStatus::ALL));
    let nodes: Vec<_> = NodeStatus::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(first("docs/reference/node.md"), nodes);
}

#[test]
fn every_field_of_a_spec_is_in_its_table() {
    let page = text("docs/reference/workload.md");
    for (title, at) in [
        ("Fields", ""),
        ("Resources", "resources"),
        ("Restart and backoff", "restart"),
        ("Health", "health"),
        ("Stop", "stop"),
        ("Constraints", "constraints"),
        ("Ports", "ports"),
        ("Mounts", "mounts"),
    ] {
        assert_eq!(listed(&page, title), fields_of::<WorkloadSpec>(at), "{title}");
    }
    let page = text("docs/reference/node.md");
    assert_eq!(listed(&page, "Fields"), fields_of::<NodeSpec>(""));
}

#[test]
fn every_reason_to_wait_and_every_outcome_is_in_its_table() {
    let page = text("docs/reference/workload.md");
    let nodes_only = BTreeSet::from(["children".to_owned()]);
    let reasons = words::<WaitReason>(json!("?"));
    let told = &listed(&page, "What it waits for") | &nodes_only;
    assert_eq!(told, reasons);
    assert_eq!(listed(&page, "How a run ended"), words::<ExitOutcome>(json!({"outcome": "?"})));
}

/// The first cells of the tables of a section; of a dotted path only the first step.
fn listed(page: &str, title: &str) -> BTreeSet<String> {
    let rows = rows(&section(page, title));
    rows.iter().map(|row| row[0].split('.').next().unwrap_or_default().to_owned()).collect()
}

/// The fields that the value at this field of a spec may have.
fn fields_of<T: DeserializeOwned + Debug>(at: &str) -> BTreeSet<String> {
    let unknown = json!({"?": 0});
    match at {
        "" => words::<T>(unknown),
        "constraints" | "ports" | "mounts" => words::<T>(json!({at: [unknown]})),
        field => words::<T>(json!({field: unknown})),
    }
}

/// The words that a type knows, from what it says about one that it does not.
fn words<T: DeserializeOwned + Debug>(value: Value) -> BTreeSet<String> {
    let told = serde_json::from_value::<T>(value).unwrap_err().to_string();
    assert!(told.starts_with("unknown "), "{told}");
    told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}
