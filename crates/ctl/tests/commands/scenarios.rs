//! Workflow documents, run and looked at without any control plane.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ended, run};

/// Nobody is asked, so nobody needs to be there.
const NOBODY: &str = "http://127.0.0.1:1";

fn document(folder: &TempDir, name: &str, rest: &str) -> PathBuf {
    let path = folder.path().join(format!("{name}.yaml"));
    let head =
        format!("document: {{dsl: '1.0.3', namespace: test, name: {name}, version: '0.1.0'}}");
    std::fs::write(&path, format!("{head}\n{rest}")).unwrap();
    path
}

fn scenario(action: &str, file: &Path, options: &[&str]) -> Ended {
    let arguments = [&["scenario", action, file.to_str().unwrap()], options].concat();
    run(NOBODY, &arguments)
}

fn output(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn error(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
    serde_json::from_str(&ended.stderr).unwrap()
}

/// Answers every request with its head, as text.
fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let body = head.join("\n");
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _closed = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn the_output_is_json_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = document(&folder, "greet", "do: [{greet: {set: {said: '${ \"hi \" + .name }'}}}]\n");
    let expected = json!({"said": "hi Ada"});
    assert_eq!(output(&scenario("run", &file, &["--input", r#"{"name": "Ada"}"#])), expected);
    let input = folder.path().join("input.json");
    std::fs::write(&input, r#"{"name": "Ada"}"#).unwrap();
    let from = format!("@{}", input.display());
    assert_eq!(output(&scenario("run", &file, &["--input", &from])), expected);
    let echo = document(&folder, "echo", "do: [{a: {set: '${ . }'}}]\n");
    assert_eq!(output(&scenario("run", &echo, &[])), json!({}));
}

#[test]
fn a_fault_is_json_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let task =
        "do: [{fail: {raise: {error: {type: 'https://e.example/x', status: 418, title: Tea}}}}]\n";
    let raised = error(&scenario("run", &document(&folder, "fail", task), &[]));
    assert_eq!((&raised["type"], &raised["status"]), (&json!("https://e.example/x"), &json!(418)));
    assert!(raised["instance"].as_str().unwrap().starts_with("/do/0/fail"), "{raised}");
}

#[test]
fn mistakes_in_the_call_end_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let file = document(&folder, "fine", "do: [{a: {set: {b: 1}}}]\n");
    for options in [
        &["--input", "{"][..],
        &["--input", "@/nowhere"],
        &["--secret", "a=hunter2"],
        &["--secret", "a=@/nowhere"],
        &["--resolve", "a"],
        &["--ca", "/nowhere"],
        &["--events", "/nowhere"],
    ] {
        let ended = scenario("run", &file, options);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{options:?}: {ended:?}");
        assert!(!ended.stderr.is_empty() && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    let broken = document(&folder, "broken", "do: [{a: {sett: {b: 1}}}]\n");
    assert_eq!(scenario("run", &broken, &[]).code, 2);
    assert_eq!(scenario("run", Path::new("/nowhere.yaml"), &[]).code, 2);
}

#[test]
fn a_public_host_is_sent_to_a_stand_in_and_secrets_stay_secret() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = "use: {secrets: [login]}\ndo:\n- call:\n    call: http\n    with:\n      method: get\n      \
                 endpoint:\n        uri: http://pets.example.com/pets/{id}\n        \
                 authentication: {basic: {use: login}}\n";
    let file = document(&folder, "call", tasks);
    let secret = folder.path().join("login");
    std::fs::write(&secret, r#"{"username": "ada", "password": "open-sesame"}"#).unwrap();
    let resolve = format!("pets.example.com=127.0.0.1:{}", mirror());
    let secret = format!("login=@{}", secret.display());
    let options = ["--input", r#"{"id": 7}"#, "--resolve", &resolve, "--secret", &secret];
    let ended = scenario("run", &file, &options);
    let said = output(&ended);
    let said = said.as_str().unwrap().to_ascii_lowercase();
    assert!(said.starts_with("get /pets/7 http/1.1\n"), "{said}");
    assert!(said.contains("host: pets.example.com"), "{said}");
    assert!(said.contains("authorization: basic ***"), "{said}");
}

#[test]
fn events_are_fed_and_waiting_for_none_ends() {
    let folder = tempfile::tempdir().unwrap();
    let task = "do: [{wait: {listen: {to: {one: {with: {type: order.placed}}}}}}]\n";
    let file = document(&folder, "listens", task);
    let events = folder.path().join("events");
    let lines = [
        json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "other", "data": 1}),
        json!({"specversion": "1.0", "id": "2", "source": "/a", "type": "order.placed", "data": {"n": 2}}),
    ];
    std::fs::write(&events, format!("{}\n\n{}\n", lines[0], lines[1])).unwrap();
    let fed = scenario("run", &file, &["--events", events.to_str().unwrap()]);
    assert_eq!(output(&fed), json!([{"n": 2}]));
    let none = error(&scenario("run", &file, &[]));
    assert!(none["detail"].as_str().unwrap().contains("order.placed"), "{none}");
    std::fs::write(&events, "{}\n").unwrap();
    let wrong = scenario("run", &file, &["--events", events.to_str().unwrap()]);
    assert!(wrong.code == 2 && wrong.stderr.contains("events:1: "), "{wrong:?}");
}

#[test]
fn other_workflows_and_functions_are_found_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let others = tempfile::tempdir().unwrap();
    document(&others, "inner", "do: [{a: {set: {doubled: '${ .n * 2 }'}}}]\n");
    let marker = folder.path().join("marker");
    let touch =
        format!("do: [{{a: {{run: {{shell: {{command: 'touch {}'}}}}}}}}]\n", marker.display());
    document(&others, "aside", &touch);
    let function = others.path().join("functions/half/1.0.0");
    std::fs::create_dir_all(&function).unwrap();
    std::fs::write(function.join("function.yaml"), "set: {half: '${ .n - 4 }'}\n").unwrap();
    let options = ["--workflows", others.path().to_str().unwrap()];
    let run = |name: &str, rest: &str| scenario("run", &document(&folder, name, rest), &options);
    let sub = "{namespace: test, name: NAME, version: latest, input: {n: 21}}";
    let of = |name: &str| sub.replace("NAME", name);
    let waits = format!("do: [{{a: {{run: {{workflow: {}}}}}}}]\n", of("inner"));
    assert_eq!(output(&run("waits", &waits)), json!({"doubled": 42}));
    let aside = format!("do: [{{a: {{run: {{workflow: {}, await: false}}}}}}]\n", of("aside"));
    output(&run("starts", &aside));
    assert!(marker.exists(), "what was started is waited for in the end");
    let half = "do: [{a: {call: 'half:1.0.0@default', with: {n: 8}}}]\n";
    assert_eq!(output(&run("calls", half)), json!({"half": 4}));
    let unknown = format!("do: [{{a: {{run: {{workflow: {}}}}}}}]\n", of("iner"));
    let unknown = error(&run("unknown", &unknown));
    assert!(unknown["detail"].as_str().unwrap().contains("did you mean `test/inner`"), "{unknown}");
}

#[test]
fn ctrl_c_ends_what_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let task = "do: [{a: {run: {shell: {command: 'echo $$ > pid.part; mv pid.part pid; exec sleep 600'}}}}]\n";
    let file = document(&folder, "sleeps", task);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tesseractl"))
        .args(["scenario", "run", file.to_str().unwrap()])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    let pid = loop {
        assert!(started.elapsed().as_secs() < 30, "the process does not start");
        match std::fs::read_to_string(folder.path().join("pid")) {
            Ok(pid) => break pid.trim().to_owned(),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("interrupted"), "{said}");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it is left behind");
}

#[test]
fn lint_takes_the_documents_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(scenario("lint", folder.path(), &[]).code, 2);
    document(&folder, "b", "do: [{a: {set: {b: 1}}}]\n");
    document(&folder, "a", "do: [{a: {sett: {b: 1}}}]\n");
    std::fs::write(folder.path().join(".hidden.yaml"), "x").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    std::fs::create_dir(folder.path().join("more.yaml")).unwrap();
    let ended = scenario("lint", folder.path(), &["-o", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let reports: Value = serde_json::from_str(&ended.stdout).unwrap();
    let reports: Vec<_> = reports.as_array().unwrap().iter().map(|it| &it["valid"]).collect();
    assert_eq!(reports, [&json!(false), &json!(true)]);
}

#[test]
fn lint_graph_and_trace_show_documents_and_steps() {
    let folder = tempfile::tempdir().unwrap();
    let fine = document(
        &folder,
        "fine",
        "do: [{a: {set: {b: 1}}}, {c: {if: '${ false }', set: {d: 1}}}]\n",
    );
    let broken = document(&folder, "broken", "do: [{a: {sett: {b: 1}}}]\n");
    let grpc = "do: [{a: {call: grpc, with: {proto: {endpoint: 'http://a'}, service: {name: S, host: h}, method: m}}}]\n";
    let refused = document(&folder, "refused", grpc);
    assert_eq!(scenario("lint", &fine, &[]).code, 0);
    let all = [broken.to_str().unwrap(), refused.to_str().unwrap()];
    let ended = scenario("lint", &fine, &all);
    assert_eq!(ended.code, 1);
    for line in ["fine.yaml: valid\n", "refused.yaml: valid, but not supported here\n"] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    let ended = scenario("lint", &fine, &[&all[..], &["-o", "json"]].concat());
    let reports: Value = serde_json::from_str(&ended.stdout).unwrap();
    let flags = |at: usize| (reports[at]["valid"].clone(), reports[at]["supported"].clone());
    assert_eq!(flags(0), (json!(true), json!(true)));
    assert_eq!(flags(1), (json!(false), json!(false)));
    assert_eq!(flags(2), (json!(true), json!(false)));
    assert!(scenario("graph", &fine, &[]).stdout.starts_with("flowchart TD\n"));
    assert_eq!(scenario("graph", &broken, &[]).code, 2);
    let trace = output(&scenario("trace", &fine, &["-o", "json"]));
    let steps: Vec<_> =
        trace["steps"].as_array().unwrap().iter().map(|it| (&it["task"], &it["status"])).collect();
    assert_eq!(steps[0], (&json!("/do/0/a"), &json!("Completed")));
    assert_eq!(steps[1], (&json!("/do/1/c"), &json!("Skipped")));
    assert_eq!(trace["output"], json!({"b": 1}));
}

#[test]
fn secrets_that_are_missing_are_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = document(
        &folder,
        "it",
        "use: {secrets: [token]}\ndo:\n  - a: {call: http, with: {method: get, endpoint: {uri: 'http://127.0.0.1:1/', authentication: {bearer: {use: token}}}}}\n",
    );
    let secret = folder.path().join("token");
    std::fs::write(&secret, "plain").unwrap();
    let token = format!("token=@{}", secret.display());
    let missing = scenario("run", &file, &[]);
    assert!(missing.code == 2 && missing.stderr.contains("--secret token=@FILE"), "{missing:?}");
    let plain = error(&scenario("run", &file, &["--secret", &token]));
    let detail = plain["detail"].as_str().unwrap();
    assert!(detail.contains("`token`") && detail.contains(r#"{"token": "…"}"#), "{detail}");
}

#[test]
fn all_documents_of_a_folder_are_checked_though_one_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let fine = document(&folder, "fine", "do: [{a: {set: {b: 1}}}]\n");
    std::fs::write(folder.path().join("a.yaml"), b"\xff\xfe").unwrap();
    document(&folder, "wrong", "do: [{a: {sett: {b: 1}}}]\n");
    let ended = scenario("lint", folder.path(), &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for told in
        ["the file is not UTF-8 text", "a.yaml: 1 problem\n", "fine.yaml: valid\n", "`sett`"]
    {
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
    }
    let large = folder.path().join("large.yaml");
    std::fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let ended = scenario("lint", &large, &[]);
    assert!(ended.stdout.contains("it has more than 16777216 bytes"), "{}", ended.stdout);
    assert_eq!(scenario("run", &fine, &[]).stderr, "");
}

#[test]
fn programs_read_a_fault_and_no_warnings_from_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let tasks =
        "do: [{a: {set: {x: .foo}}}, {b: {raise: {error: {type: about:blank, status: 500}}}}]\n";
    let file = document(&folder, "it", tasks);
    assert!(scenario("lint", &file, &[]).stdout.contains("warning[lost_expression]"));
    assert_eq!(error(&scenario("run", &file, &[]))["instance"], "/do/1/b");
}
