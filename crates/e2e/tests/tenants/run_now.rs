//! `tenant run-now` ends as the tenant does, and says whose failure it was.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tessera_e2e::Ended;
use tessera_testkit::{UserManager, user_manager};

use crate::host::{Host, Started, wait_for, write};
use crate::lake::Lake;

/// Appends a line to a file, and waits until another file is there.
pub(crate) const WAITS: &str = "echo run >>runs\nuntil [ -e go ]; do sleep 0.05; done\n";

/// A script that ends with an exit code.
fn exits(code: u8) -> String {
    format!("echo run >>runs\nexit {code}\n")
}

/// What `-o json` prints.
pub(crate) fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.stdout, ended.stderr))
}

/// Runs a tenant, and returns the whole report after comparing what is given of it.
fn run(host: &Host, name: &str, code: i32, source: &str, result: &str) -> Value {
    let ended = host.tesseractl(&["tenant", "run-now", name, "-o", "json"]).expect(code);
    let report = report(&ended);
    assert_eq!(report["exit_code"], code, "{report}");
    assert_eq!(
        (&report["source"], &report["result"]),
        (&source.into(), &result.into()),
        "{report}"
    );
    assert_eq!(report["joined"], false, "{report}");
    report
}

/// A run that another step of the test ends.
pub(crate) fn started(host: &Host, name: &str) -> Started {
    let run = Started::new(host.command(&["tenant", "run-now", name, "-o", "json"]));
    wait_for("the tenant runs", || !host.read(name, "runs").is_empty());
    run
}

pub(crate) fn invocation(report: &Value) -> &str {
    report["invocation_id"].as_str().unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn the_exit_code_is_that_of_the_tenant() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    for code in [0, 1, 2, 3, 5, 7, 124] {
        let (name, result) =
            (format!("code-{code}"), ["success", "exit-code"][usize::from(code > 0)]);
        host.process(&name, &exits(code));
        let first = run(&host, &name, code.into(), "tenant", result);
        // Also when it has failed before, and what is known is that of the run before.
        let second = run(&host, &name, code.into(), "tenant", result);
        assert_ne!(invocation(&first), invocation(&second));
        assert_eq!(host.read(&name, "runs"), "run\nrun\n");
        assert!(second["started_at"].is_string() && second["ended_at"].is_string(), "{second}");
    }
    let good = host.tesseractl(&["tenant", "run-now", "code-0"]).expect(0);
    assert!(good.stdout.starts_with("code-0.service: done") && good.stderr.is_empty(), "{good:?}");
    let bad = host.tesseractl(&["tenant", "run-now", "code-7"]).expect(7);
    assert_eq!(bad.stderr, "error: code-7.service: failed with exit code 7\n");
    assert_eq!(bad.stdout, "");
}

#[test]
fn a_change_of_the_outcome_is_seen_at_once() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("moody", &exits(7));
    run(&host, "moody", 7, "tenant", "exit-code");
    write(&host.folder("moody").join("program.sh"), &exits(0));
    run(&host, "moody", 0, "tenant", "success");
    write(&host.folder("moody").join("program.sh"), &exits(9));
    run(&host, "moody", 9, "tenant", "exit-code");
}

#[test]
fn a_unit_without_a_timer_is_judged_although_systemd_forgets_it() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    for code in [0, 7] {
        let name = format!("code-{code}");
        host.process(&name, &exits(code));
        host.manager.systemctl(&["disable", "--now", "--quiet", &format!("{name}.timer")]);
        for _ in 0..2 {
            host.tesseractl(&["tenant", "run-now", &name]).expect(code.into());
        }
        assert_eq!(host.read(&name, "runs"), "run\nrun\n");
    }
}

#[test]
fn what_ends_a_run_instead_of_the_tenant_is_told_apart() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process_with("slow", "exec sleep 1000\n", "timeout = \"1s\"\n");
    run(&host, "slow", 124, "systemd", "timeout");
    host.process("killed", "kill -KILL $$\n");
    run(&host, "killed", 128 + 9, "systemd", "signal");
    host.process("polite", "kill -TERM $$\n");
    run(&host, "polite", 128 + 15, "systemd", "signal");
    host.place(&host.declare("nothing", "entrypoint = [\"./no-such-program\"]\n"));
    run(&host, "nothing", 203, "systemd", "exit-code");
    host.process("homeless", &exits(0));
    let gone = host.folder("homeless").join("..").join("elsewhere");
    std::fs::rename(host.folder("homeless"), gone).unwrap();
    // Its manifest is gone with its folder, so the instance has another for it.
    let entry = host.instance().join("tenants/homeless.toml");
    write(&entry, "manifest = \"../../elsewhere/tessera-tenant.toml\"\n");
    run(&host, "homeless", 200, "systemd", "exit-code");
}

#[test]
fn a_run_that_is_stopped_is_never_a_success() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    // The one dies of the signal, the other takes it for a wish and ends with 0.
    host.process("dies", WAITS);
    host.process("obeys", &format!("trap 'exit 0' TERM\n{WAITS}"));
    for has_timer in [true, false] {
        for name in ["dies", "obeys"] {
            let run = started(&host, name);
            host.manager.systemctl(&["stop", &format!("{name}.service")]);
            let report = report(&run.end().expect(128 + 15));
            assert_eq!(report["result"], "stopped", "{report}");
            assert_eq!((&report["source"], &report["joined"]), (&"systemd".into(), &false.into()));
            std::fs::remove_file(host.folder(name).join("runs")).unwrap();
            if has_timer {
                let timer = format!("{name}.timer");
                host.manager.systemctl(&["disable", "--now", "--quiet", &timer]);
            }
        }
    }
}

#[test]
fn a_run_goes_on_when_nobody_waits_any_more() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("long", &format!("{WAITS}exit 7\n"));
    let run = started(&host, "long");
    signal(&run, "-INT");
    let ended = run.end().expect(130);
    assert!(ended.stderr.starts_with("long.service goes on: "), "{ended:?}");
    assert_eq!(ended.stdout, "");
    // What waited is gone, and the run is not.
    wait_for("nobody waits", || waiters(&host, "long").is_empty());
    host.await_property("long.service", "ActiveState", "activating");
    let again = started(&host, "long");
    wait_for("it joins", || is_joined(&again));
    write(&host.folder("long").join("go"), "");
    assert_eq!(report(&again.end().expect(7))["joined"], true);
    assert_eq!(host.read("long", "runs"), "run\n");
}

#[test]
fn what_cannot_be_started_says_why_and_runs_nothing() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    let units = host.manager.config().join("systemd/user");
    let fails = |name: &str, code: i32, result: &str, words: &str| {
        let ended = host.tesseractl(&["tenant", "run-now", name]).expect(code);
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{ended:?}");
        let report = run(&host, name, code, "systemd", result);
        assert_eq!(report["invocation_id"], Value::Null, "{report}");
        assert_eq!(host.read(name, "runs"), "");
    };
    host.declare("absent", "entrypoint = [\"./program\"]\n");
    fails("absent", 3, "not-found", "`tesseractl tenant install absent`");
    host.process("masked", &exits(0));
    std::fs::remove_file(units.join("masked.service")).unwrap();
    std::os::unix::fs::symlink("/dev/null", units.join("masked.service")).unwrap();
    host.manager.systemctl(&["daemon-reload"]);
    fails("masked", 4, "masked", "systemctl --user unmask masked.service");
    host.process("broken", &exits(0));
    write(&units.join("broken.service"), "[Service]\nType=oneshot\nnonsense\n");
    host.manager.systemctl(&["daemon-reload"]);
    fails("broken", 1, "bad-setting", "systemd-analyze --user verify broken.service");
    host.process("picky", &exits(0));
    let conditions = "[Unit]\nConditionPathExists=/no/such/file\n";
    write(&units.join("picky.service.d/picky.conf"), conditions);
    host.manager.systemctl(&["daemon-reload"]);
    fails("picky", 4, "condition", "a condition of the unit does not hold");
    host.process("hasty", &exits(0));
    let limit = "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n";
    write(&units.join("hasty.service.d/hasty.conf"), limit);
    host.manager.systemctl(&["daemon-reload"]);
    run(&host, "hasty", 0, "tenant", "success");
    std::fs::remove_file(host.folder("hasty").join("runs")).unwrap();
    fails("hasty", 4, "start-limit-hit", "started too often");
}

#[test]
fn services_are_named_by_their_suffix() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    let further = "[services.reconcile]\nschedule = \"*-02-01 UTC\"\nverb_arguments = [\"all\"]\n";
    host.process_with("circ", "echo \"$TESSERA_SERVICE $*\" >>runs\n", further);
    let run = |suffix: &str| {
        host.tesseractl(&["tenant", "run-now", "circ", "--service", suffix, "-o", "json"])
    };
    let report = report(&run("reconcile").expect(0));
    assert_eq!(report["unit"], "circ-reconcile.service");
    assert_eq!(host.read("circ", "runs"), "reconcile run all\n");
    let unknown = run("reconsile").expect(3);
    assert!(unknown.stderr.contains("circ has no service `reconsile`"), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean `reconcile`?"), "{unknown:?}");
    let unlike = run("xyz").expect(3);
    assert!(unlike.stderr.contains("reconcile"), "{unlike:?}");
    let unknown = host.tesseractl(&["tenant", "run-now", "cirk"]).expect(3);
    assert!(unknown.stderr.contains("did you mean `circ`?"), "{unknown:?}");
}

#[test]
fn what_is_installed_is_run_and_that_the_manifest_has_changed_is_said() {
    let Some(manager) = user_manager() else {
        return;
    };
    let lake = Lake::new(manager);
    lake.process("circ", "exit 7\n");
    lake.tenant(&["install", "circ"]).expect(0);
    let run = || lake.tenant(&["run-now", "circ", "-o", "json"]).expect(7);
    assert_eq!(run().stderr, "");
    let manifest = lake.path("circ/tessera-tenant.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    write(&manifest, &text.replace("\n[lifecycle]\n", "\n[lifecycle]\ntimeout = \"1m\"\n"));
    let ended = run();
    assert_eq!(
        ended.stderr,
        "circ is run as it is installed; its manifest says otherwise: `tesseractl tenant diff circ`\n"
    );
    assert_eq!(report(&ended)["exit_code"], 7);
    lake.tenant(&["install", "circ"]).expect(0);
    assert_eq!(run().stderr, "");
}

#[test]
fn a_run_whose_tenant_is_uninstalled_was_stopped_and_the_next_one_is_not_begun() {
    let Some(manager) = user_manager() else {
        return;
    };
    let lake = Lake::new(manager);
    // It takes the end of the tenant for a wish.
    lake.process("circ", &format!("trap 'exit 0' TERM\n{WAITS}"));
    lake.tenant(&["install", "circ"]).expect(0);
    let run = Started::new(lake.command(&["run-now", "circ", "-o", "json"]));
    wait_for("the tenant runs", || lake.path("circ/runs").exists());
    lake.tenant(&["uninstall", "circ"]).expect(1);
    lake.tenant(&["uninstall", "circ", "--force"]).expect(0);
    assert_eq!(report(&run.end().expect(128 + 15))["result"], "stopped");
    let next = lake.tenant(&["run-now", "circ", "-o", "json"]).expect(3);
    assert_eq!(report(&next)["result"], "not-found");
    assert_eq!(std::fs::read_to_string(lake.path("circ/runs")).unwrap(), "run\n");
}

#[test]
fn without_a_service_manager_that_is_what_is_said() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("alone", &exits(0));
    let mut command = host.command(&["tenant", "run-now", "alone"]);
    command.env("XDG_RUNTIME_DIR", host.manager.home());
    let ended = Started::new(command).end().expect(5);
    assert!(ended.stderr.contains("loginctl enable-linger"), "{ended:?}");
}

#[test]
fn a_container_ends_as_its_program_and_podmans_failures_are_podmans() {
    let Some(manager) = user_manager().and_then(UserManager::with_podman) else {
        return;
    };
    let host = Host::new(manager);
    let image = host.manager.image();
    for code in [0, 1, 2, 7] {
        let name = format!("code-{code}");
        host.container(&name, image, &["sh", "-c", &format!("exit {code}")], "");
        let result = if code == 0 { "success" } else { "exit-code" };
        run(&host, &name, code, "tenant", result);
        run(&host, &name, code, "tenant", result);
    }
    let missing = "localhost/no-such-image:1";
    host.container("imageless", missing, &["sh"], "");
    let report = run(&host, "imageless", 125, "podman", "exit-code");
    assert!(report["message"].as_str().unwrap().contains("podman could not run"), "{report}");
    host.container("absent", image, &["/no/such/program"], "");
    run(&host, "absent", 127, "podman", "exit-code");
    host.container("folder", image, &["/bin"], "");
    run(&host, "folder", 126, "podman", "exit-code");
    host.container("killed", image, &["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], "");
    run(&host, "killed", 128 + 9, "tenant", "exit-code");
    // The first process of a container is not ended by a signal that it does not handle.
    let sleeps = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    host.container("slow", image, &["sh", "-c", sleeps], "timeout = \"2s\"\n");
    run(&host, "slow", 124, "systemd", "timeout");
}

#[test]
fn what_a_run_writes_is_shown_from_the_journal() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    let _journal = journal(&host);
    host.process("circ", &format!("echo before\n{WAITS}echo after; echo error >&2\nexit 7\n"));
    let follow = |options: &[&str]| {
        let mut command = host.command(&["tenant", "run-now", "circ", "--follow"]);
        command.args(options);
        Started::new(command)
    };
    let shown = follow(&[]);
    // The journal knows whose a line is if it looks while the process is there.
    wait_for("it is shown", || shown.output() == "before\n");
    // Who joins is shown all of it, too.
    let joined = follow(&["-o", "json"]);
    wait_for("it joins", || is_joined(&joined));
    write(&host.folder("circ").join("go"), "");
    let shown = shown.end().expect(7);
    assert_eq!(shown.stdout, "before\nafter\nerror\n");
    assert_eq!(shown.stderr, "error: circ.service: failed with exit code 7\n");
    let joined = joined.end().expect(7);
    assert_eq!(report(&joined)["exit_code"], 7);
    assert!(joined.stderr.ends_with("before\nafter\nerror\n"), "{joined:?}");
    // Afterwards the last lines of this run are shown, and none of those before.
    std::fs::remove_file(host.folder("circ").join("go")).unwrap();
    let last = Started::new(host.command(&["tenant", "run-now", "circ"]));
    let watching = follow(&[]);
    wait_for("it is in the journal", || watching.output() == "before\n");
    write(&host.folder("circ").join("go"), "");
    let lines = "error: circ.service: failed with exit code 7\n  before\n  after\n  error\n";
    let told = last.end().expect(7).stderr;
    // Either may have been there first.
    assert_eq!(told.trim_start_matches("circ.service runs already: joined that run\n"), lines);
    watching.end().expect(7);
}

#[test]
fn without_a_journal_a_run_is_waited_for_all_the_same() {
    let Some(manager) = user_manager() else {
        return;
    };
    let host = Host::new(manager);
    host.process("circ", "echo lost\nexit 7\n");
    let ended = host.tesseractl(&["tenant", "run-now", "circ", "--follow"]).expect(7);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.starts_with("--follow shows nothing: no journal is kept"), "{ended:?}");
    assert!(ended.stderr.ends_with("error: circ.service: failed with exit code 7\n"), "{ended:?}");
    let place = "[Service]\nStandardOutput=append:%h/output\n";
    write(&host.manager.config().join("systemd/user/circ.service.d/output.conf"), place);
    host.manager.systemctl(&["daemon-reload"]);
    let ended = host.tesseractl(&["tenant", "run-now", "circ", "--follow"]).expect(7);
    assert!(ended.stderr.contains("(StandardOutput=append)"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(host.manager.home().join("output")).unwrap(), "lost\n");
}

/// A journal of the manager's own, which units write to from now on.
pub(crate) fn journal(host: &Host) -> Started {
    let start = r#"
        mkdir -p /run/systemd/journald.conf.d /run/log/journal /run/user
        ln -s "$XDG_RUNTIME_DIR" /run/user/0
        cp "$1" /run/systemd/journald.conf.d/test.conf
        for folder in /usr/lib/systemd /lib/systemd; do
            [ ! -x $folder/systemd-journald ] || exec $folder/systemd-journald
        done"#;
    // Of the machine's own messages it is to take none.
    let config = host.manager.home().join("journald.conf");
    write(&config, "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\n");
    let mut command = host.manager.command("sh");
    command.args(["-c", start, "journal"]).arg(config);
    let journal = Started::new(command);
    wait_for("the journal is there", || {
        let mut test = host.manager.command("test");
        test.args(["-S", "/run/systemd/journal/stdout"]).status().unwrap().success()
    });
    journal
}

/// Whether it has said that it has joined a run. One that is only about to might begin the next.
pub(crate) fn is_joined(run: &Started) -> bool {
    run.complaints().contains(" runs already: joined that run\n")
}

/// Sends a signal to a program.
pub(crate) fn signal(run: &Started, signal: &str) {
    let sent = Command::new("kill").args([signal, &run.pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The processes that wait for the end of a tenant's start job.
pub(crate) fn waiters(host: &Host, name: &str) -> BTreeSet<String> {
    let words = format!("--show-transaction -- {name}.service");
    let mut listing = host.manager.command("cat");
    let listed = listing.arg("/sys/fs/cgroup/commands/cgroup.procs").output().unwrap();
    let line = |pid: &str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ")
    };
    let pids = String::from_utf8_lossy(&listed.stdout).into_owned();
    pids.lines().filter(|pid| line(pid).contains(&words)).map(str::to_owned).collect()
}
