//! Shell commands and scripts.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tessera_workflow::machine::{Action, ProcessSpec, ScriptSpec, ShellSpec, kind};
use tokio_util::sync::CancellationToken;

use crate::stage::{KEY, effect, keyed, pair, perform, performer, process, shell, until};

async fn run(spec: ShellSpec) -> Json {
    perform(&performer(|_| ()), process(spec)).await.unwrap()
}

#[tokio::test]
async fn a_command_has_arguments_input_and_both_outputs() {
    let spec = ShellSpec {
        arguments: vec!["one two".into(), "$x".into()],
        environment: vec![pair("GREETING", "hello")],
        stdin: Some("the input".into()),
        ..shell("echo \"$GREETING $1 $2 $(cat)\"; echo \"$0 $TESSERA_IDEMPOTENCY_KEY\" >&2; exit 3")
    };
    let expected = json!({"code": 3, "stdout": "hello one two $x the input\n", "stderr": format!("sh {KEY}\n")});
    assert_eq!(run(spec).await, expected);
}

#[tokio::test]
async fn the_environment_is_what_is_declared_and_little_else() {
    let result = run(shell("env | sed 's/=.*//' | sort")).await;
    let known = ["HOME", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TESSERA_IDEMPOTENCY_KEY", "_"];
    for name in result["stdout"].as_str().unwrap().lines() {
        assert!(known.contains(&name), "{name} is in the environment");
    }
}

#[tokio::test]
async fn an_end_by_a_signal_has_a_code_and_bytes_become_text() {
    assert_eq!(run(shell("kill -9 $$")).await["code"], 137);
    assert_eq!(run(shell("printf 'a\\377b'")).await["stdout"], "a\u{fffd}b");
}

#[tokio::test]
async fn what_is_not_read_and_what_is_left_behind_hold_nobody_up() {
    let unread = ShellSpec { stdin: Some("x".repeat(1 << 20).into()), ..shell("echo done") };
    assert_eq!(run(unread).await["stdout"], "done\n");
    let left = run(shell("sleep 600 & echo $!")).await;
    let pid = left["stdout"].as_str().unwrap().trim().to_owned();
    until("the end of what was left", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn output_without_end_ends_the_process() {
    let bounded = performer(|it| it.limits.output_bytes_max = 10_000);
    for command in ["yes", "yes >&2", "head -c 10001 /dev/zero"] {
        let error = perform(&bounded, process(shell(command))).await.unwrap_err();
        assert_eq!((&*error.kind, error.status), (kind::RUNTIME, 500));
        assert!(error.detail.unwrap().contains("more than 10000 bytes"));
    }
    let fits = perform(&bounded, process(shell("head -c 10000 /dev/zero | tr '\\0' x"))).await;
    assert_eq!(fits.unwrap()["stdout"].as_str().unwrap().len(), 10_000);
}

fn is_alive(pid: &str) -> bool {
    // What nobody has waited for yet is dead all the same.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// The ids that a command has written to a file.
fn pids(file: &Path, count: usize) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    let pids: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    (pids.len() == count).then_some(pids)
}

#[tokio::test]
async fn cancelling_and_dropping_end_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    for (number, is_dropped, trap) in [(0, false, ""), (1, true, ""), (2, false, "trap '' TERM; ")]
    {
        let file = folder.path().join(number.to_string());
        let command =
            format!("{trap}sleep 600 & sleep 600 & echo $$ $! > {}; wait; wait", file.display());
        let impatient = performer(|it| it.limits.grace = Duration::from_millis(200));
        let cancelled = CancellationToken::new();
        let token = cancelled.clone();
        let effect = effect(process(shell(&command)));
        let running = tokio::spawn(async move { impatient.perform(&effect, token).await });
        until("the start", || pids(&file, 2).is_some()).await;
        let pids = pids(&file, 2).unwrap();
        assert!(pids.iter().all(|pid| is_alive(pid)));
        match is_dropped {
            true => running.abort(),
            false => {
                cancelled.cancel();
                assert!(running.await.unwrap().is_err());
                assert!(!is_alive(&pids[0]), "it has ended when that is said");
            }
        }
        until("the end", || !pids.iter().any(|pid| is_alive(pid))).await;
    }
}

#[tokio::test]
async fn what_is_not_waited_for_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("done");
    let spec = ShellSpec {
        stdin: Some("text".into()),
        ..shell(&format!("cat > {0}.part; mv {0}.part {0}", file.display()))
    };
    let action = Action::Process { spec: ProcessSpec::Shell(spec), awaits: false };
    assert_eq!(perform(&performer(|_| ()), action).await, Ok(json!(null)));
    until("its result", || file.exists()).await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
}

fn script(language: &str, code: &str) -> Action {
    let spec = ScriptSpec {
        language: language.into(),
        code: code.into(),
        arguments: vec!["hello".into(), "world".into()],
        environment: vec![pair("foo", "bar")],
        stdin: Some("Hello Workflow".into()),
    };
    Action::Process { spec: ProcessSpec::Script(spec), awaits: true }
}

#[tokio::test]
async fn scripts_in_javascript_are_modules_unless_they_require() {
    if !tessera_testkit::part("node") {
        return;
    }
    let performer = performer(|_| ());
    for first in
        ["import { readFileSync } from 'node:fs';", "const { readFileSync } = require('fs');"]
    {
        let code = format!(
            "{first}\nconst [_, __, a, b] = process.argv;\n\
             console.log(readFileSync(process.stdin.fd, 'utf8'), a, b, process.env.foo);"
        );
        let result = perform(&performer, script("js", &code)).await.unwrap();
        assert_eq!(result["stdout"], "Hello Workflow hello world bar\n", "{result}");
    }
    let awaited = "console.log(await Promise.resolve(1)); process.exit(4)";
    let result = perform(&performer, script("js", awaited)).await.unwrap();
    assert_eq!((&result["stdout"], &result["code"]), (&json!("1\n"), &json!(4)));
}

#[tokio::test]
async fn scripts_in_python_get_the_same() {
    if !tessera_testkit::part("python") {
        return;
    }
    let code = "import os, sys\nprint(sys.stdin.read(), *sys.argv[1:], os.environ['foo'])\n";
    let result = perform(&performer(|_| ()), script("python", code)).await.unwrap();
    assert_eq!(result["stdout"], "Hello Workflow hello world bar\n", "{result}");
    let result =
        perform(&performer(|_| ()), script("python", "raise Exception('x')")).await.unwrap();
    assert_eq!(result["code"], 1);
    assert!(result["stderr"].as_str().unwrap().contains("Exception: x"));
}

#[tokio::test]
async fn other_languages_are_refused_by_name() {
    let error = perform(&performer(|_| ()), script("pyton", "")).await.unwrap_err();
    assert_eq!((&*error.kind, error.status), (kind::CONFIGURATION, 400));
    assert!(error.detail.unwrap().ends_with("did you mean `python`?"));
}

#[tokio::test]
async fn what_a_crash_left_behind_is_ended_before_it_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    // A key that no other test has.
    let key = folder.path().display().to_string();
    let file = folder.path().join("pids");
    let begin = |name: &str, key: &str| {
        let file = folder.path().join(name);
        let command = format!("trap '' TERM; sleep 600 & echo $$ $! > {}; wait", file.display());
        let mut process = std::process::Command::new("/bin/sh");
        process.args(["-c", &command]).env("TESSERA_IDEMPOTENCY_KEY", key).process_group(0);
        let mut process = process.spawn().unwrap();
        // Somebody waits for it, as init does.
        std::thread::spawn(move || process.wait());
        file
    };
    let other = begin("other", &format!("{key}/1"));
    begin("pids", &key);
    until("the start", || pids(&file, 2).is_some() && pids(&other, 2).is_some()).await;
    let performer = performer(|it| it.limits.grace = Duration::from_millis(100));
    assert!(performer.look_for_leftovers() >= 2);
    let again = keyed(process(shell("echo done")), &key);
    let result = performer.perform(&again, CancellationToken::new()).await.unwrap();
    assert_eq!(result["stdout"], "done\n");
    assert!(!pids(&file, 2).unwrap().iter().any(|pid| has_memory(pid)));
    assert!(pids(&other, 2).unwrap().iter().all(|pid| has_memory(pid)), "it has another key");
    // One that is cancelled meanwhile is not begun, but what was left of it is ended.
    let touch = shell(&format!("touch {}/begun", folder.path().display()));
    let unwanted = keyed(process(touch), &format!("{key}/1"));
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    performer.perform(&unwanted, cancelled).await.unwrap_err();
    assert!(!pids(&other, 2).unwrap().iter().any(|pid| has_memory(pid)));
    assert!(!folder.path().join("begun").exists());
}

/// Whether a process can still do something: one that ends has given up its memory before anybody
/// is told.
fn has_memory(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|it| !it.is_empty())
}
