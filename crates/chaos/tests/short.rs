//! Short runs with fixed seeds, so that CI runs what `cargo xtask chaos` runs for long.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// It has each sort of fault but one or two.
const SEED: &str = "3";
const MINUTES: &str = "0.5";

fn chaos(arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-chaos"));
    let output = command.args(arguments).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = format!("{}\n{}\n{}", output.status, said(&output.stdout), said(&output.stderr));
    (output, all)
}

/// A file of this test's alone.
fn report(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tessera-chaos-{test}-{}", std::process::id()))
}

/// What such a file says; it is removed.
fn read(report: &Path) -> serde_json::Value {
    let json = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    std::fs::remove_file(report).unwrap();
    json
}

#[test]
fn nothing_is_wrong_after_half_a_minute_of_faults() {
    let report = report("clean");
    let path = report.to_str().unwrap();
    let (output, said) = chaos(&["--seed", SEED, "--minutes", MINUTES, "--json", path]);
    assert!(output.status.success(), "{said}");
    let json = read(&report);
    let unseen: Vec<_> = json["never_looked_at"].as_array().unwrap().iter().collect();
    // No program is asked to end so soon, and on a slow machine no window may have.
    let late = ["ends", "window"];
    assert!(unseen.iter().all(|it| late.iter().any(|late| *it == late)), "{unseen:?}:\n{said}");
}

#[test]
fn a_copy_too_many_is_seen_and_what_shows_it_is_kept() {
    let report = report("planted");
    let path = report.to_str().unwrap();
    let (output, said) = chaos(&["--seed", "5", "--minutes", "0.1", "--plant", "--json", path]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("VIOLATION NeverTwo: two copies of strict-"), "{said}");
    assert!(said.contains("cargo xtask chaos --seed 5 --minutes 0.1"), "{said}");
    let kept = said.lines().find_map(|line| line.strip_prefix("kept in "));
    let kept = Path::new(kept.unwrap_or_else(|| panic!("{said}")));
    let json = read(&report);
    assert_eq!((&json["clean"], &json["seed"]), (&false.into(), &5.into()));
    assert!(json["checks"]["never_two"]["violations"].as_u64() >= Some(1), "{json}");
    assert!(kept.join("fate.txt").is_file() && kept.join("witness").is_dir(), "{said}");
    std::fs::remove_dir_all(kept).unwrap();
}

#[test]
fn who_interrupts_it_finds_nothing_left() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-chaos"));
    command.args(["--seed", "5", "--minutes", "10"]).stdout(Stdio::piped());
    let mut tool = command.spawn().unwrap();
    let mut said = BufReader::new(tool.stdout.take().unwrap()).lines().map_while(Result::ok);
    // By the first fault everything lives.
    assert!(said.any(|line| line.contains("\"fault\"")), "it has hurt nothing");
    let folder = format!("tessera-e2e-{}-", tool.id());
    assert_eq!(folders(&folder).len(), 1);
    kill_process(Pid::from_child(&tool), Signal::INT).unwrap();
    assert_eq!(said.find(|line| line.contains("looks")), None);
    assert_eq!(tool.wait().unwrap().code(), Some(130));
    assert_eq!(folders(&folder), Vec::<PathBuf>::new());
    assert_eq!(processes(&folder), Vec::<String>::new());
}

/// What is in the folder for temporary files and begins so.
fn folders(prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.map(|entry| entry.path()).collect()
}

/// The command lines in which this occurs.
fn processes(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}
