//! Who asks for a run while there is one, or right after another, gets the end of his own.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use tessera_testkit::user_manager;

use crate::host::{Host, Started, wait_for, write};
use crate::run_now::{WAITS, invocation, is_joined, journal, report, signal, started, waiters};

#[test]
fn a_run_that_is_under_way_is_joined() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("once", &format!("{WAITS}exit 7\n"));
    let first = started(&host, "once");
    let others = [&["-o", "json"][..], &["--follow"]].map(|options| {
        let mut command = host.command(&["tenant", "run-now", "once"]);
        command.args(options);
        Started::new(command)
    });
    wait_for("both join", || others.iter().all(is_joined));
    write(&host.folder("once").join("go"), "");
    let first = report(&first.end().expect(7));
    assert_eq!(first["joined"], false, "{first}");
    for other in others {
        let ended = other.end().expect(7);
        assert!(ended.stderr.contains("once.service runs already: joined that run\n"), "{ended:?}");
        if !ended.stdout.is_empty() {
            let other = report(&ended);
            assert_eq!(other["joined"], true, "{other}");
            assert_eq!(invocation(&other), invocation(&first));
        }
    }
    assert_eq!(host.read("once", "runs"), "run\n");
}

#[test]
fn of_many_at_the_same_moment_one_begins_the_run() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("once", &format!("{WAITS}exit 3\n"));
    let all: Vec<_> = (0..4)
        .map(|_| Started::new(host.command(&["tenant", "run-now", "once", "-o", "json"])))
        .collect();
    let joined = || all.iter().filter(|it| is_joined(it)).count();
    wait_for("one begins it", || {
        joined() == all.len() - 1 && !host.read("once", "runs").is_empty()
    });
    write(&host.folder("once").join("go"), "");
    let reports: Vec<_> = all.into_iter().map(|it| report(&it.end().expect(3))).collect();
    let begun = reports.iter().filter(|report| report["joined"] == false);
    assert_eq!(begun.count(), 1, "{reports:?}");
    assert!(reports.iter().all(|it| invocation(it) == invocation(&reports[0])), "{reports:?}");
    assert_eq!(host.read("once", "runs"), "run\n");
}

/// Writes which run it is and its exit code to a file, 7 and 0 in turn, and ends with that.
const IN_TURN: &str = r#"
code=7
[ ! -e turn ] || code=0
[ $code = 0 ] && rm turn || : >turn
echo "$INVOCATION_ID $code" >>log
exit $code
"#;

#[test]
fn each_gets_the_end_of_his_own_run_however_short_these_are() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("short", IN_TURN);
    let mut reports = Vec::new();
    for _ in 0..25 {
        let start = || Started::new(host.command(&["tenant", "run-now", "short", "-o", "json"]));
        let all: Vec<_> = (0..6).map(|_| start()).collect();
        reports.extend(all.into_iter().map(|run| {
            let ended = run.end();
            let report = report(&ended);
            assert_eq!(report["exit_code"], ended.code, "{report}");
            report
        }));
    }
    let log = host.read("short", "log");
    let ran: BTreeMap<&str, i64> = log
        .lines()
        .map(|line| line.split_once(' ').expect("a line is the run and its code"))
        .map(|(run, code)| (run, code.parse().expect("the code is a number")))
        .collect();
    for report in &reports {
        let code = ran.get(invocation(report)).unwrap_or_else(|| panic!("{report}\n{log}"));
        assert_eq!(report["exit_code"], *code, "{report}\n{log}");
        let result = if *code == 0 { "success" } else { "exit-code" };
        assert_eq!((&report["result"], &report["source"]), (&result.into(), &"tenant".into()));
    }
    // Nobody else has begun one, so each was begun by one of them, who says so.
    let begun = reports.iter().filter(|report| report["joined"] == false);
    let begun: BTreeSet<&str> = begun.map(invocation).collect();
    assert_eq!(begun, ran.keys().copied().collect(), "{reports:?}");
    let joined = reports.iter().filter(|report| report["joined"] == true).count();
    assert_eq!(reports.len(), ran.len() + joined, "{reports:?}");
}

/// Waits until a run, of a tenant that waits for a file, is known to who has started it; holds him up
/// until it has ended with 7 and another has begun and ended well; and lets him go on.
fn overtaken(host: &Host, name: &str) -> Value {
    let script = format!("echo begun\n{WAITS}echo $INVOCATION_ID >>ids\n[ -e mended ] || exit 7\n");
    host.process(name, &script);
    let mut command = host.command(&["tenant", "run-now", name, "--follow"]);
    command.args(["-o", "json"]);
    let run = Started::new(command);
    // As soon as it knows which run it is, it shows what that writes, or that there is none of it.
    wait_for("it knows its run", || {
        let told = run.complaints();
        told.contains("begun\n") || told.contains("--follow shows nothing")
    });
    signal(&run, "-STOP");
    write(&host.folder(name).join("go"), "");
    let unit = format!("{name}.service");
    host.await_property(&unit, "ActiveState", "failed");
    let invocation = host.read(name, "ids").trim().to_owned();
    match name {
        "recorded" => record(host, name, &invocation),
        "written" => tell_journal(host, &invocation),
        _ => {}
    }
    write(&host.folder(name).join("mended"), "");
    host.manager.systemctl(&["start", &unit]);
    signal(&run, "-CONT");
    let report = report(&run.end());
    assert_eq!(report["invocation_id"], *invocation, "{report}");
    report
}

/// Records that a run ended with 7, as its program would.
fn record(host: &Host, name: &str, invocation: &str) {
    let line = format!(
        "{{\"run_id\":\"a\",\"tenant\":\"{name}\",\"service\":null,\"verb\":\"run\",\"version\":\
         \"1.0.0\",\"invocation_id\":\"{invocation}\",\"event\":\"ended\",\"at\":\
         \"2026-05-01T08:35:02Z\",\"outcome\":\"failure\",\"exit_code\":7,\"rows\":null,\
         \"duration_ms\":1}}\n"
    );
    let hub = host.manager.home().join(".local/state/tessera/telemetry");
    write(&hub.join(name).join("runs.jsonl"), &line);
}

/// Tells the journal that a run ended with 7, as systemd does: this manager says it elsewhere.
fn tell_journal(host: &Host, invocation: &str) {
    let told = [
        "MESSAGE=written.service: Main process exited, code=exited, status=7/NOTRUNNING\n\
         EXIT_CODE=exited\nEXIT_STATUS=7\n",
        "MESSAGE=written.service: Failed with result 'exit-code'.\nUNIT_RESULT=exit-code\n",
    ];
    for (number, fields) in told.iter().enumerate() {
        let entry = host.manager.home().join(format!("entry-{number}"));
        write(&entry, &format!("USER_INVOCATION_ID={invocation}\n{fields}"));
        let mut logger = host.manager.command("logger");
        let logger = logger.arg(format!("--journald={}", entry.display()));
        assert!(logger.status().unwrap().success());
    }
    wait_for("the journal has both", || {
        let mut reader = host.manager.command("journalctl");
        let reader = reader.args(["--quiet", "--no-pager", "--output=cat"]);
        let said = reader.arg(format!("USER_INVOCATION_ID={invocation}")).output().unwrap();
        String::from_utf8_lossy(&said.stdout).lines().count() == told.len()
    });
}

#[test]
fn the_end_of_a_run_that_another_followed_is_its_own_or_not_known() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    let unknown = overtaken(&host, "forgotten");
    assert_eq!((&unknown["result"], &unknown["exit_code"]), (&"unknown".into(), &1.into()));
    assert_eq!(unknown["source"], "systemd", "{unknown}");
    let recorded = overtaken(&host, "recorded");
    assert_eq!((&recorded["result"], &recorded["exit_code"]), (&"exit-code".into(), &7.into()));
    assert_eq!(recorded["source"], "tenant", "{recorded}");
    let _journal = journal(&host);
    let written = overtaken(&host, "written");
    assert_eq!((&written["result"], &written["exit_code"]), (&"exit-code".into(), &7.into()));
    assert_eq!(written["source"], "tenant", "{written}");
}

#[test]
fn who_has_joined_a_run_waits_on_when_nobody_else_does() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    // The one is stopped, and takes that for a wish.
    host.process("left", &format!("{WAITS}exit 7\n"));
    host.process("stopped", &format!("trap 'exit 0' TERM\n{WAITS}"));
    for (name, code, result) in [("left", 7, "exit-code"), ("stopped", 128 + 15, "stopped")] {
        let first = started(&host, name);
        wait_for("it is waited for", || !waiters(&host, name).is_empty());
        let before = waiters(&host, name);
        let others = [(); 2]
            .map(|()| Started::new(host.command(&["tenant", "run-now", name, "-o", "json"])));
        wait_for("both join", || others.iter().all(is_joined));
        signal(&first, "-INT");
        first.end().expect(130);
        wait_for("one waits in his place", || !waiters(&host, name).is_subset(&before));
        match result {
            "stopped" => drop(host.manager.systemctl(&["stop", &format!("{name}.service")])),
            _ => write(&host.folder(name).join("go"), ""),
        }
        for other in others {
            let report = report(&other.end().expect(code));
            assert_eq!((&report["result"], &report["joined"]), (&result.into(), &true.into()));
        }
        assert_eq!(host.read(name, "runs"), "run\n");
    }
}

/// A `systemctl` that waits for a file before it starts anything.
const LATE: &str = r#"#!/bin/sh
case " $* " in *" --show-transaction "*)
    : >"$FOLDER/late"
    until [ -e "$FOLDER/on" ]; do sleep 0.05; done
esac
PATH=${PATH#*:}
exec systemctl "$@"
"#;

#[test]
fn a_run_that_ends_before_it_is_waited_for_has_its_own_end() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("late", &format!("{WAITS}[ -e mended ] || exit 7\n"));
    let (folder, programs) = (host.folder("late"), host.manager.home().join("programs"));
    let systemctl = programs.join("systemctl");
    write(&systemctl, LATE);
    std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).unwrap();
    let first = started(&host, "late");
    let property = ["show", "late.service", "-p", "InvocationID", "--value"];
    let invocation_id = host.manager.systemctl(&property).trim().to_owned();
    let mut command = host.command(&["tenant", "run-now", "late", "-o", "json"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", programs.display())).env("FOLDER", &folder);
    let other = Started::new(command);
    wait_for("it joins", || is_joined(&other));
    signal(&first, "-INT");
    first.end().expect(130);
    wait_for("it waits in his place", || folder.join("late").exists());
    write(&folder.join("go"), "");
    host.await_property("late.service", "ActiveState", "failed");
    record(&host, "late", &invocation_id);
    write(&folder.join("mended"), "");
    write(&folder.join("on"), "");
    let report = report(&other.end().expect(7));
    assert_eq!(invocation(&report), invocation_id);
    assert_eq!((&report["result"], &report["joined"]), (&"exit-code".into(), &true.into()));
}

#[test]
fn a_run_that_the_timer_began_is_joined() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("timed", &format!("{WAITS}exit 5\n"));
    let often = host.manager.config().join("systemd/user/timed.timer");
    write(&often, "[Timer]\nOnActiveSec=1ms\nAccuracySec=1ms\nUnit=timed.service\n");
    host.manager.systemctl(&["daemon-reload"]);
    host.manager.systemctl(&["restart", "timed.timer"]);
    wait_for("the timer fires", || !host.read("timed", "runs").is_empty());
    let joining = started(&host, "timed");
    wait_for("it joins", || is_joined(&joining));
    write(&host.folder("timed").join("go"), "");
    let report = report(&joining.end().expect(5));
    assert_eq!(report["joined"], true, "{report}");
    assert_eq!(host.read("timed", "runs"), "run\n");
}
