//! A session from the command line: seeded, planned, declared, told to its end.

use std::path::PathBuf;

use serde_json::Value;
use tessera_e2e::{Area, Running, tesseractl};

/// Two parts of seconds on one machine, each of which is graded at its end.
const CATALOGUE: &str = r#"
kind: HostDefinition
name: nodes
spec:
  type_key: nodes
  version: "1.0.0"
  host_type: node_group
  pod_types: [fleet]
  capacity: {ports: [{first: 42000, last: 42009}]}
---
kind: PodDefinition
name: desk
spec:
  type_key: desk
  version: "1.0.0"
  pod_type: fleet
  demand: {ports: 2}
  provision: {attempts_max: 3, backoff: {initial: 100ms}}
  workloads:
    - {name: web, spec: {command: /bin/sleep, args: ["1000"], stop: {grace: 1s}}}
---
kind: JobDefinition
name: grade
spec:
  type_key: grade
  version: "1.0.0"
  result: last_line
  workload:
    command: /bin/sh
    args: ["-c", "echo '{\"score\": 7, \"max_score\": 10}'"]
    restart: {policy: never}
---
kind: ReportDefinition
name: sum
spec: {type_key: sum, version: "1.0.0", pass_score: 5}
---
kind: PartDefinition
name: part
spec:
  type_key: part
  version: "1.0.0"
  duration: 3s
  lead_time: 2s
  teardown_buffer: 10s
  pods: [{name: desk, selector: {type_key: desk}}]
  report: {type_key: sum}
  lifecycle:
    phases:
      - {name: grade, engine: workflow, trigger_on_status: Grading, definition: {type_key: grade}}
---
kind: SessionDefinition
name: exam
spec:
  type_key: exam
  version: "1.0.0"
  report: {type_key: sum}
  parts:
    - {name: first, selector: {type_key: part}, gate: {passed: {min_score: GATE}}}
    - {name: second, selector: {type_key: part}}
"#;

const EXAM: &str = "
kind: Host
name: lab
spec: {definition: {type_key: nodes}}
---
kind: Session
name: exam-1
spec:
  definition: {type_key: exam}
  timeslot: {start_in: 4s}
";

fn start(area: &Area, min_score: &str, arguments: &[&str]) -> Running {
    let write = |name: &str, text: &str| -> PathBuf {
        let path = area.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    write("catalogue/all.yaml", &CATALOGUE.replace("GATE", min_score));
    let exam = write("exam.yaml", EXAM);
    let (state, catalogue) = (area.join("state"), area.join("catalogue"));
    let paths = [&state, &catalogue, &exam].map(|path| path.to_str().unwrap());
    let common = ["up", "--listen", "127.0.0.1:0", "--container-socket", "none"];
    let given = ["--state-dir", paths[0], "--seed", paths[1], "-f", paths[2]];
    let all = [&common[..], &given[..], arguments].concat();
    Running::start(area, "tessera", &all, &[("TMPDIR", area.path().to_owned())])
}

async fn address(up: &mut Running) -> String {
    up.line("it listens", |line| {
        let rest = line.strip_prefix("The API listens on ")?;
        rest.split_once(';').map(|(url, _)| url.to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_to_its_end_and_its_code_says_that_it_took_place() {
    let area = Area::new();
    let up = start(&area, "5", &["--until-over"]);
    let said = up.end().await.expect(0).stdout;
    // In this order, whatever else happens between.
    let mut rest = said.as_str();
    for line in [
        " session exam-1: Pending (created)",
        " pod first-desk: Ready (",
        " session exam-1: Active (its window is open)",
        " part first: Active (its window is open)",
        " job first-grade-1: Succeeded (",
        " report first-report: Complete (score 7 of 10)",
        " part second: Active (its window is open)",
        " part second: Terminated (nothing of it is left)",
        " report: Complete (score 14 of 20)",
        "session exam-1 ended: completed, score 14, passed",
    ] {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("{line}\nin\n{said}")).1;
    }
    assert!(area.processes().is_empty(), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_stays_shut_ends_it_badly() {
    let area = Area::new();
    let up = start(&area, "9", &["--until-over"]);
    let said = up.end().await.expect(1).stdout;
    assert!(said.contains("session exam-1 ended: failed, "), "{said}");
    assert!(said.contains("first has score 7, and 9 is needed"), "{said}");
    assert!(area.processes().is_empty(), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_about_a_session_can_be_asked_while_it_goes_on() {
    let area = Area::new();
    let mut up = start(&area, "5", &[]);
    let url = address(&mut up).await;
    let run = |arguments: &[&str]| tesseractl(&url, arguments, "");
    up.line("it is open", |line| {
        line.ends_with("part first: Active (its window is open)").then_some(())
    })
    .await;
    let tree = run(&["get", "sessions", "--tree"]).expect(0).stdout;
    for part in
        ["session/exam-1 ", "├─ sessionpart/exam-1-first", "└─ workload/exam-1-first-desk-web"]
    {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let calendar = run(&["calendar", "lab", "--to", "1m", "-o", "json"]).expect(0).stdout;
    let calendar: Value = serde_json::from_str(&calendar).unwrap();
    assert_eq!(calendar["holds"].as_array().unwrap().len(), 2, "{calendar}");
    let picture = run(&["calendar", "lab", "--to", "1m"]).expect(0).stdout;
    assert!(picture.contains("at most 4 of 10 (40%)"), "{picture}");
    let described = run(&["describe", "session", "exam-1"]).expect(0).stdout;
    assert!(described.contains("└─ workload/exam-1-first-desk-web Running"), "{described}");

    let exam = area.join("exam.yaml");
    let planned = run(&["plan", "-f", exam.to_str().unwrap()]).expect(0).stdout;
    assert!(planned.contains("session/default/exam-1 is unchanged: "), "{planned}");
    // Four of these want more ports than there are.
    let many: String = (2..6)
        .map(|n| {
            EXAM.replace("exam-1", &format!("exam-{n}")).split_once("---").unwrap().1.to_owned()
                + "---"
        })
        .collect();
    let planned = tesseractl(&url, &["plan", "-f", "-"], many.trim_end_matches("---")).expect(4);
    assert!(planned.stdout.contains("does not fit"), "{}", planned.stdout);

    let seeded = run(&["seed", area.join("catalogue").to_str().unwrap()]).expect(0).stdout;
    assert_eq!(seeded, "6 unchanged\n");
    run(&["session", "extend", "exam-1", "--by", "500ms"]).expect(0);
    run(&["session", "approve", "exam-1"]).expect(4);

    let told = run(&["session", "follow", "exam-1"]).expect(0).stdout;
    assert!(told.contains("session exam-1 ended: completed"), "{told}");
    run(&["session", "extend", "exam-1", "--by", "1m"]).expect(4);
    let timeline = run(&["history", "session", "exam-1", "--timeline"]).expect(0).stdout;
    for part in [
        "── start ──",
        "extended by 500ms",
        "workload second-desk-web: Deleted",
        "└ session exam-1: Inactive",
    ] {
        assert!(timeline.contains(part), "{part}: {timeline}");
    }
    up.interrupt().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seeded_is_said_with_its_place() {
    let area = Area::new();
    let up = start(&area, "high", &[]);
    let said = up.end().await.expect(1).stdout;
    assert!(said.contains("error[seed]: cannot seed: "), "{said}");
    assert!(said.contains("all.yaml:58:76 "), "{said}");
    assert!(!area.join("state").exists(), "nothing was made");
}
