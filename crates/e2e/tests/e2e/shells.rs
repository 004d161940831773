//! What shells and terminals get.

use std::process::Command;

use tessera_e2e::{Ended, Fleet, binary, tessera};
use tessera_testkit::part;

/// Runs a shell that reads the completion, and then a further command.
fn completes(shell: &[&str], further: &str) {
    let script = tessera("tesseractl", &["completion", shell[0]]).expect(0).stdout;
    assert!(script.contains("uncordon") && script.contains("dry-run"), "{}: {script}", shell[0]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completion");
    std::fs::write(&file, script).unwrap();
    let text = format!(". {}\n{further}", file.display());
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &text])
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", shell[0]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("uncordon"), "{}: {said}", shell[0]);
}

#[test]
fn bash_completes() {
    let ask = "COMP_WORDS=(tesseractl unc) COMP_CWORD=1\n\
               _tesseractl tesseractl unc tesseractl; echo ${COMPREPLY[@]}";
    completes(&["bash", "--norc"], ask);
}

#[test]
fn zsh_reads_the_completion() {
    if part("zsh") {
        let load = "autoload -U compinit; compinit -u -D";
        let script = "whence -f _tesseractl_commands";
        // compdef, which the completion calls, is there only after compinit.
        let text = tessera("tesseractl", &["completion", "zsh"]).expect(0).stdout;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("_tesseractl");
        std::fs::write(&file, text).unwrap();
        let all = format!("{load}\n. {}\n{script}", file.display());
        let output =
            Command::new("zsh").args(["-f", "-c", &all]).env("HOME", folder.path()).output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("uncordon"));
    }
}

#[test]
fn fish_completes() {
    if part("fish") {
        completes(&["fish", "--no-config"], "complete -C 'tesseractl unc'");
    }
}

/// Runs `tesseractl` on a terminal of its own.
fn on_a_terminal(fleet: &Fleet, arguments: &str) -> Ended {
    let program = binary("tesseractl");
    let command = format!("{} --server {} {arguments}", program.display(), fleet.url());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_progress_in_place_and_a_file_does_not() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let go = fleet.area().join("go");
    let mut manifest = fleet.sleeper("web");
    // So long that the display is drawn some times.
    manifest["spec"]["health"] = serde_json::json!({
        "exec": ["/bin/sh", "-c", format!("test -e {}", go.display())],
        "start_period": "60s", "interval": "100ms",
    });
    let file = fleet.area().join("web.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let later = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        std::fs::write(go, "").unwrap();
    });
    let arguments = format!("apply --wait -f {}", file.display());
    let shown = tokio::task::block_in_place(|| on_a_terminal(&fleet, &arguments)).expect(0).stdout;
    later.await.unwrap();
    assert!(shown.contains("\x1b[") && shown.contains("Provisioning"), "{shown:?}");
    assert!(shown.contains("Running") && !shown.contains("\x1b[?1049h"), "{shown:?}");
    let plain = fleet.ctl(&["apply", "--wait", "-f", file.to_str().unwrap()]).expect(0).stdout;
    assert!(!plain.contains('\x1b'), "{plain:?}");
}
