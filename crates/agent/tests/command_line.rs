//! The binary as a person meets it: help, wrong arguments, and starts that cannot work.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn agent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-agent"));
    command.args(args).env_remove("RUST_LOG").env_remove("TESSERA_SERVER").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    agent(args).output().unwrap()
}

fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn help_names_every_option_and_exit_code() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for word in [
        "--server",
        "--name",
        "--state-dir",
        "--label",
        "--cpu",
        "--memory",
        "--workloads-max",
        "--container-socket",
        "--simulated",
        "--simulated-nodes",
        "RUST_LOG",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("supervise <"), "the hidden subcommands are hidden");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for args in [
        &["--nope"][..],
        &["--name", "Not A Name"],
        &["--label", "zone"],
        &["--cpu", "many"],
        &["--memory", "1 potato"],
        &["--simulated-nodes", "0"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_start_that_cannot_work_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let state = state.to_str().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (args, why, remedy) in [
        (&["--server", "https://control"][..], "https is not supported", "--server"),
        (&["--server", "nonsense"], "nonsense", "--server"),
        (&["--label", "os=plan9"], "`os`", "another key"),
        (&["--label", "zone=a b"], "zone", "letters"),
    ] {
        let output = run(&[&["--name", "n", "--state-dir", state], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = complaint(&output);
        assert!(text.contains(why) && text.contains(remedy), "{text}");
    }
    let output = run(&["--name", "n", "--state-dir", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("--state-dir"));
}

/// An agent whose state folder is complete, which is its sign of life.
fn started(state: &Path) -> std::process::Child {
    let args =
        ["--name", "n", "--server", "http://127.0.0.1:1", "--state-dir", state.to_str().unwrap()];
    let child = agent(&args).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !state.join("progress").exists() {
        assert!(Instant::now() < deadline, "the agent did not come up");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn the_state_folder_of_another_machine_is_refused() {
    let Ok(id) = std::fs::read_to_string("/etc/machine-id") else {
        eprintln!("not run: this machine has no machine-id");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("machine"), "00ff\n").unwrap();
    std::fs::write(dir.path().join("agent_id"), "abcd\n").unwrap();
    let output = run(&["--name", "n", "--state-dir", state]);
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    assert!(text.starts_with("error[state_dir_foreign]") && text.contains(state), "{text}");
    assert!(text.contains("another machine") && text.contains("delete it"), "{text}");
    assert!(!text.contains(id.trim()));
}

/// Answers every request that its place is taken.
fn superseding(listener: &std::net::TcpListener) {
    use std::io::{Read, Write};
    let problem = tessera_types::problem::Problem::new(
        tessera_types::problem::Code::Superseded,
        "another agent has this place",
    );
    let body = serde_json::to_string(&problem).unwrap();
    while let Ok((mut stream, _)) = listener.accept() {
        let _request = stream.read(&mut [0; 16 * 1024]);
        let _answered = write!(
            stream,
            "HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
    }
}

#[test]
fn an_agent_whose_place_is_taken_exits_with_1_and_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || superseding(&listener));
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let args = ["--name", "n", "--simulated", "--server", &server, "--state-dir", state];
    let output = agent(&args).env("RUST_LOG", "warn").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("taken this one's place"), "{log}");
}

#[test]
fn a_second_agent_is_refused_and_a_signal_ends_the_first_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut first = started(&state);
    let output = run(&["--name", "n", "--state-dir", state.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("another agent uses the state folder"));
    let deadline = Instant::now() + Duration::from_secs(30);
    let status = loop {
        // It may not listen for signals yet; asking again does no harm.
        kill_process(Pid::from_child(&first), Signal::TERM).unwrap();
        if let Some(status) = first.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the agent did not end");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(
        status.code() == Some(0)
            || std::os::unix::process::ExitStatusExt::signal(&status) == Some(15)
    );
}
