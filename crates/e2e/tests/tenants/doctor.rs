//! `tenant doctor`: what it finds, and what it does not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use tessera_testkit::user_manager;

use crate::host::write;
use crate::lake::{Lake, RARELY};

/// What is said of each check that is no `ok`, with its level.
fn findings(lake: &Lake, code: i32) -> Vec<(String, String, String)> {
    let before = lake.tree();
    let ended = lake.tenant(&["doctor", "-o", "json"]).expect(code);
    assert_eq!(lake.tree(), before, "it only looks");
    let findings: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = findings.as_array().unwrap().iter();
    let told = findings.map(|it| (text(it, "check"), text(it, "level"), text(it, "said")));
    // Whether the user lingers, and how the clock is set, is the machine's.
    let own = ["linger", "clock", "podman"];
    told.filter(|(check, level, _)| level != "ok" && !own.contains(&check.as_str())).collect()
}

#[test]
fn what_keeps_tenants_from_running_is_found() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    lake.process("circ-trans", "exit 0\n");
    assert_eq!(findings(&lake, 0), []);
    lake.tenant(&["install", "circ-trans"]).expect(0);
    assert_eq!(findings(&lake, 0), []);
    let told = lake.tenant(&["doctor"]).expect(0).stdout;
    for line in ["ok        user manager: systemd ", "ok        quadlet: ", "1 is installed"] {
        assert!(told.contains(line), "{line}: {told}");
    }

    lake.manager.systemctl(&["stop", "circ-trans.timer"]);
    let folder = lake.manager.config().join("containers/systemd/mine");
    write(&folder.join("whole.container"), "[Container]\nImage=localhost/mine:1\n");
    symlink("/gone/broken.container", folder.join("broken.container")).unwrap();
    write(&lake.path(".local/share/systemd/user/circ-trans.service"), "[Service]\n");
    write(&lake.path(".local/state/tessera/telemetry"), "a file\n");
    let found = findings(&lake, 1);
    for (check, said) in [
        ("tenants", "circ-trans.timer is inactive"),
        (
            "unit files",
            "broken.container leads to /gone/broken.container, which is not there, and takes whole.service with it",
        ),
        (
            "unit names",
            "/circ-trans.service brings circ-trans.service, which is a unit of circ-trans",
        ),
        ("folders", "telemetry cannot be written"),
    ] {
        let is_it = |(its, level, told): &&(String, String, String)| {
            its == check && level == "problem" && told.contains(said)
        };
        assert_eq!(found.iter().filter(is_it).count(), 1, "{check}: {found:?}");
    }
    assert_eq!(found.len(), 4, "{found:?}");
    fs::remove_dir_all(&folder).unwrap();
    fs::remove_dir_all(lake.path(".local/share/systemd/user")).unwrap();
    fs::remove_dir_all(lake.path(".local/state")).unwrap();
    lake.tenant(&["install", "circ-trans"]).expect(0);
    assert_eq!(findings(&lake, 0), []);
}

#[test]
fn a_broken_file_of_quadlets_and_an_outdated_unit_are_found() {
    let Some(manager) = user_manager() else { return };
    let Some(manager) = manager.with_podman() else { return };
    let lake = Lake::new(manager);
    let image = lake.manager.image();
    lake.declare("circ", RARELY, &format!("image = {image:?}\nentrypoint = [\"true\"]\n"));
    lake.tenant(&["install", "circ"]).expect(0);
    assert_eq!(findings(&lake, 0), []);
    let mine = lake.manager.config().join("containers/systemd/mine");
    write(&mine.join("mine.container"), "[Container]\nFoo\n");
    let found = findings(&lake, 1);
    assert!(found.len() == 1 && found[0].2.contains("Quadlet: error loading"), "{found:?}");
    fs::remove_dir_all(mine).unwrap();

    // A container that somebody took away under systemd.
    fs::remove_dir_all(lake.manager.config().join("containers/systemd/circ")).unwrap();
    lake.manager.systemctl(&["daemon-reload"]);
    lake.tenant(&["diff"]).expect(1);
    lake.tenant(&["install", "circ"]).expect(0);
    assert_eq!(findings(&lake, 0), []);
}

#[test]
fn without_a_manager_the_rest_is_looked_at() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    lake.process("circ-trans", "exit 0\n");
    let nobody = lake.path("nobody");
    fs::create_dir(&nobody).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = lake.manager.command("env");
        command.arg(format!("XDG_RUNTIME_DIR={}", nobody.display()));
        command.arg(tessera_e2e::binary("tesseractl")).arg("tenant").args(arguments);
        let output = command.env("TESSERA_INSTANCE", lake.path("lake")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, told, _) = run(&["doctor"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("problem   user manager: systemd's user manager does not answer"),
        "{told}"
    );
    assert!(told.contains("ok        folders: "), "{told}");
    // A plan can be shown, and none is carried out.
    let before = lake.tree();
    let (code, told, errors) = run(&["install", "circ-trans", "--dry-run"]);
    assert_eq!(code, Some(0), "{told}{errors}");
    assert!(told.contains("create       4") && errors.contains("is not known"), "{told}{errors}");
    let (code, told, errors) = run(&["install", "circ-trans"]);
    assert_eq!(code, Some(5), "{told}{errors}");
    assert!(errors.contains("does not answer"), "{errors}");
    assert_eq!(lake.tree(), before);
}

#[test]
fn whether_timers_run_without_a_login_is_what_loginctl_says() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    let programs = lake.path("programs");
    for (answer, told) in [
        ("echo yes", "ok        linger: on for "),
        ("echo no", "warning   linger: off for "),
        // As of a user who is not logged in, and whom no file keeps.
        ("exit 1", "warning   linger: off for nobody-of-that-name"),
    ] {
        for (program, script) in [("loginctl", answer), ("id", "echo nobody-of-that-name")] {
            write(&programs.join(program), &format!("#!/bin/sh\n{script}\n"));
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(programs.join(program), mode).unwrap();
        }
        let mut command = lake.manager.command("sh");
        let script = r#"PATH=$1:$PATH exec "$2" tenant doctor"#;
        command.args(["-c", script, "sh"]).arg(&programs).arg(tessera_e2e::binary("tesseractl"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(told), "{answer}: {said}");
        assert_eq!(
            said.contains("loginctl enable-linger nobody-of-that-name"),
            answer != "echo yes"
        );
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}
