//! What workloads print: from the end, from a time, as it is written, from two
//! streams, and after they are gone.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tessera_e2e::{Fleet, Running};
use tessera_types::Timestamp;
use tessera_types::workload::WorkloadStatus;

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_from_the_end_from_a_time_and_after_the_workload_is_gone() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done; \
                  echo oops >&2; printf 'no line feed'; exit 0";
    let mut manifest = fleet.workload("job", script);
    manifest["spec"]["restart"] = json!("never");
    fleet.apply(&manifest).await;
    fleet.until("job", "Completed", |it| it.status == WorkloadStatus::Completed).await;

    let all = fleet.ctl(&["logs", "job"]).expect(0);
    let expected: String = (0..2000).map(|i| format!("line {i}\n")).collect();
    assert_eq!(all.stdout, expected + "no line feed\n");
    assert_eq!(all.stderr, "oops\n", "each stream goes to its own");
    // Two streams are two pipes, so where `oops` is among the last lines is open.
    let all_lines = json_lines(&fleet, &["logs", "job", "-o", "json"]);
    assert_eq!(all_lines.len(), 2002);
    let last_lines = json_lines(&fleet, &["logs", "job", "--tail", "3", "-o", "json"]);
    assert_eq!(last_lines, all_lines[1999..]);
    let none = fleet.ctl(&["logs", "job", "--tail", "0"]).expect(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""));
    let future = fleet.ctl(&["logs", "job", "--since", "2200-01-01T00:00:00Z"]).expect(0);
    assert_eq!((future.stdout.as_str(), future.stderr.as_str()), ("", ""));
    let at = |line: &Value| line["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(all_lines.iter().map(at).is_sorted(), "lines are in the order of their times");
    let middle = at(&all_lines[1000]);
    let since = json_lines(&fleet, &["logs", "job", "--since", &middle.to_string(), "-o", "json"]);
    let expected: Vec<_> = all_lines.iter().filter(|line| at(line) >= middle).cloned().collect();
    assert_eq!(since, expected);

    fleet.delete("job").await;
    fleet.gone("job").await;
    assert_eq!(fleet.ctl(&["logs", "job"]).expect(0).stdout, all.stdout);
    let nobody = fleet.ctl(&["logs", "nobody"]).expect(3);
    assert_eq!(
        nobody.stderr,
        "error[not_found]: there is no workload/default/nobody\n  remedy: `tesseractl get workloads` lists what there is\n"
    );
}

fn json_lines(fleet: &Fleet, arguments: &[&str]) -> Vec<Value> {
    let text = fleet.ctl(arguments).expect(0).stdout;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_over_restarts_of_the_workload_and_of_its_agent() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let (word, mut follow) = follow_talker(&fleet).await;
    let running = fleet.running("talker").await;
    tessera_e2e::process(&running).kill();
    follow.line_count("the second beginning", "begin", 2).await;
    say(&word, "two");
    follow.line("the second word", |line| (line == "two").then_some(())).await;
    let ended = follow.interrupt().await.expect(130);
    assert_eq!(ended.stdout, "begin\none\nbegin\ntwo\n");

    // The agent that has the log is away: that is said, and passes.
    fleet.node("a").kill();
    let away = fleet.ctl(&["logs", "talker"]).expect(1);
    assert!(away.stderr.contains("error[node_unavailable]"), "{}", away.stderr);
    fleet.node("a").start();
    fleet
        .eventually("the log is back", async || {
            let read = fleet.ctl(&["logs", "talker"]);
            (read.code == 0 && read.stdout == "begin\none\nbegin\ntwo\n").then_some(())
        })
        .await;
}

/// A workload that says what it is told, and somebody who follows its log and has
/// heard its first word.
async fn follow_talker(fleet: &Fleet) -> (PathBuf, Running) {
    let word = fleet.area().join("word");
    let script = format!(
        "echo begin; while :; do if [ -e {0} ]; then cat {0}; rm {0}; fi; sleep 0.02; done",
        word.display()
    );
    fleet.apply(&fleet.workload("talker", &script)).await;
    fleet.running("talker").await;
    let arguments = ["--server", &fleet.url(), "logs", "-f", "talker"];
    let mut follow = Running::start(fleet.area(), "tesseractl", &arguments, &[]);
    hears(&mut follow, "begin").await;
    say(&word, "one");
    hears(&mut follow, "one").await;
    (word, follow)
}

async fn hears(follow: &mut Running, wanted: &str) {
    follow.line(wanted, |line| (line == wanted).then_some(())).await;
}

/// Gives the talker a word to say; it is seen whole.
fn say(file: &std::path::Path, word: &str) {
    let aside = file.with_extension("new");
    fs::write(&aside, format!("{word}\n")).unwrap();
    fs::rename(aside, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_is_told_of_a_frozen_agent_and_then_misses_nothing() {
    // A lease so long that the workload stays.
    let mut fleet = Fleet::with_arguments("600s", &["--log-silence", "7s"]).await;
    fleet.add_node("a", &[]).await;
    let (word, mut follow) = follow_talker(&fleet).await;
    fleet.node("a").freeze();
    say(&word, "two");
    hears(&mut follow, "a does not answer; waiting").await;
    let silent = fleet.ctl(&["logs", "talker"]).expect(1);
    assert!(silent.stderr.contains("error[node_unavailable]"), "{}", silent.stderr);
    fleet.node("a").thaw();
    hears(&mut follow, "a answers again").await;
    hears(&mut follow, "two").await;
    say(&word, "three");
    hears(&mut follow, "three").await;
    let ended = follow.interrupt().await.expect(130);
    assert_eq!(
        ended.stdout,
        "begin\none\na does not answer; waiting\na answers again\ntwo\nthree\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_other_nodes_and_over_a_restart_of_the_control_plane() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let (word, mut follow) = follow_talker(&fleet).await;
    fleet.add_node("b", &[]).await;
    fleet.ctl(&["drain", "a"]).expect(0);
    hears(&mut follow, "workload/default/talker runs on b now").await;
    say(&word, "two");
    hears(&mut follow, "two").await;

    fleet.kill_control();
    say(&word, "three");
    fleet.start_control().await;
    hears(&mut follow, "the control plane is back").await;
    hears(&mut follow, "three").await;

    // What it wrote there before is not said again.
    fleet.ctl(&["uncordon", "a"]).expect(0);
    fleet.ctl(&["drain", "b"]).expect(0);
    hears(&mut follow, "workload/default/talker runs on a now").await;
    say(&word, "four");
    hears(&mut follow, "four").await;

    // Nothing more will be written once it is gone.
    fleet.delete("talker").await;
    let said = follow.end().await.expect(0).stdout;
    let lost = said.lines().filter(|line| line.contains("; trying again")).count();
    assert_eq!(lost, 1, "{said}");
    let rest: Vec<_> = said.lines().filter(|line| !line.contains("; trying again")).collect();
    assert_eq!(
        rest,
        [
            "begin",
            "one",
            "workload/default/talker runs on b now",
            "begin",
            "two",
            "the control plane is back",
            "three",
            "workload/default/talker runs on a now",
            "begin",
            "four"
        ]
    );
}
