//! `tenant install`, `uninstall` and `diff`: what they change, and what they leave alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tessera_e2e::Ended;
use tessera_testkit::user_manager;

use crate::host::{Started, wait_for, write};
use crate::lake::{EVERY_SECOND, Lake, RARELY};

const TIMER: &str =
    "[Timer]\nOnCalendar=*-01-01 00:00:00 UTC\n\n[Install]\nWantedBy=timers.target\n";

fn lake() -> Option<Lake> {
    user_manager().map(Lake::new)
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn a_fresh_machine_gets_links_and_timers_and_a_second_run_changes_nothing() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    lake.declare("catalog", RARELY, "");
    let before = lake.files();
    let dry = lake.tenant(&["install", "circ-trans", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("create       4\n"), "{dry:?}");
    assert_eq!(lake.files(), before);

    let ended = lake.tenant(&["install", "--all"]).expect(0);
    assert!(ended.stdout.starts_with("catalog: Tier 2, not operated\n"), "{ended:?}");
    let told = "circ-trans: installed: 4 links created, 2 timers enabled; next run ";
    assert!(ended.stdout.contains(told), "{ended:?}");
    for timer in ["circ-trans.timer", "circ-trans-reconcile.timer"] {
        assert_eq!(lake.property(timer, "ActiveState"), "active");
        assert_eq!(lake.property(timer, "UnitFileState"), "enabled");
        assert!(lake.property(timer, "NextElapseUSecRealtime").contains("-01-01 00:00:00"));
    }
    assert_eq!(lake.property("circ-trans-reconcile.service", "LoadState"), "loaded");

    let (tree, read_at) = (lake.tree(), lake.read_at());
    let again = lake.tenant(&["install", "circ-trans"]).expect(0);
    assert_eq!(again.stdout, "circ-trans: already installed; nothing to do\n");
    let diff = lake.tenant(&["diff"]).expect(0);
    assert_eq!(diff.stdout, "circ-trans: as declared\n");
    assert_eq!((lake.tree(), lake.read_at()), (tree, read_at));

    let report = json(&lake.tenant(&["install", "circ-trans", "-o", "json"]).expect(0));
    assert_eq!(report[0]["changed"], false);
    assert_eq!(report[0]["plan"]["already_ok"].as_array().map(Vec::len), Some(4));
    let refused = lake.tenant(&["install", "catalog"]).expect(1);
    assert!(refused.stderr.contains("catalog is of Tier 2"), "{refused:?}");
    lake.tenant(&["install", "circ-tran"]).expect(3);
}

#[test]
fn what_is_in_the_way_is_refused_and_kept_by_force() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    lake.process("catalog", "exit 0\n");
    lake.tenant(&["install", "circ-trans"]).expect(0);
    let (link, mine) = (lake.unit("circ-trans.service"), lake.path("mine.service"));
    fs::write(&mine, "[Service]\nExecStart=/bin/true\n").unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&mine, &link).unwrap();
    let file = lake.unit("circ-trans-reconcile.timer");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "# Mine.\n").unwrap();
    let (tree, read_at) = (lake.tree(), lake.read_at());
    let refused = lake.tenant(&["install", "circ-trans"]).expect(1);
    assert!(refused.stdout.contains("conflicting  2\n"), "{refused:?}");
    for told in [
        "circ-trans: refused: 2 in the way; nothing was changed",
        &format!("{} is a link to {}", link.display(), mine.display()),
        &format!("{} is a file", file.display()),
        "--force",
    ] {
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
    }
    assert_eq!((lake.tree(), lake.read_at()), (tree, read_at));
    lake.tenant(&["diff", "circ-trans"]).expect(1);

    // The other is installed all the same, and this one by force.
    let all = lake.tenant(&["install", "--all"]).expect(1);
    assert!(all.stdout.contains("catalog: installed"), "{all:?}");
    lake.tenant(&["install", "circ-trans", "--force"]).expect(0);
    let backup = |name: &str| lake.unit(&format!("{name}.tessera-backup"));
    assert_eq!(fs::read_link(backup("circ-trans.service")).unwrap(), mine);
    assert_eq!(fs::read_to_string(backup("circ-trans-reconcile.timer")).unwrap(), "# Mine.\n");
    lake.tenant(&["diff"]).expect(0);
}

#[test]
fn a_unit_of_the_same_name_elsewhere_is_never_forced() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    let folder = lake.path(".local/share/systemd/user");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("circ-trans.timer"), TIMER).unwrap();
    let before = lake.tree();
    let refused = lake.tenant(&["install", "circ-trans", "--force"]).expect(1);
    assert!(refused.stderr.contains("circ-trans.timer is a file that brings"), "{refused:?}");
    assert_eq!(lake.tree(), before);
}

#[test]
fn drift_is_shown_and_put_right() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    lake.tenant(&["install", "circ-trans"]).expect(0);
    let installed = lake.files();
    let units = lake.path(".local/share/tessera/tenants/circ-trans/units");
    let rendered = units.join("circ-trans.service");
    let drifts: [(&str, &dyn Fn()); 5] = [
        ("create       1", &|| fs::remove_file(lake.unit("circ-trans.service")).unwrap()),
        ("enable       1", &|| {
            lake.manager.systemctl(&["disable", "--now", "circ-trans.timer"]);
        }),
        ("restart      1", &|| {
            lake.manager.systemctl(&["stop", "circ-trans-reconcile.timer"]);
        }),
        ("(edited by hand; to be kept as ", &|| {
            let text = fs::read_to_string(&rendered).unwrap() + "Nice=5\n";
            fs::write(&rendered, text).unwrap();
        }),
        ("(it is not there)", &|| fs::remove_file(&rendered).unwrap()),
    ];
    for (told, drift) in drifts {
        drift();
        let before = lake.files();
        let diff = lake.tenant(&["diff"]).expect(1);
        assert!(diff.stdout.contains(told), "{told}: {diff:?}");
        assert_eq!(lake.files(), before);
        lake.tenant(&["install", "circ-trans"]).expect(0);
        lake.tenant(&["diff"]).expect(0);
        assert_eq!(lake.property("circ-trans.timer", "ActiveState"), "active");
        assert_eq!(lake.property("circ-trans.service", "NeedDaemonReload"), "no");
    }
    let backup = units.join("circ-trans.service.tessera-backup");
    assert!(fs::read_to_string(&backup).unwrap().contains("Nice=5"));
    fs::remove_file(backup).unwrap();
    assert_eq!(lake.files(), installed);

    // The manifest has another schedule: no drift of anybody's, and still to be installed.
    lake.declare("circ-trans", "*-02-02 00:00:00 UTC", "entrypoint = [\"/bin/true\"]\n");
    let change = lake.tenant(&["install", "circ-trans"]).expect(0);
    assert!(change.stdout.contains("changed      2"), "{change:?}");
    assert!(lake.property("circ-trans.timer", "NextElapseUSecRealtime").contains("-02-02"));
    assert_eq!(lake.property("circ-trans-reconcile.timer", "LoadState"), "not-found");
}

#[test]
fn uninstalling_leaves_no_trace_whether_the_tenant_is_declared_or_not() {
    let Some(lake) = lake() else { return };
    let before = lake.files();
    lake.process("circ-trans", "exit 0\n");
    lake.process("catalog", "exit 0\n");
    lake.by_hand(
        "catalog",
        &[
            ("catalog.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"),
            ("catalog.timer", TIMER),
            ("catalog-reconcile.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"),
            ("catalog-reconcile.timer", TIMER),
        ],
    );
    lake.tenant(&["install", "--all"]).expect(0);
    // A failure is remembered, until the tenant is gone.
    let mut start = lake.manager.command("systemctl");
    assert!(!start.args(["--user", "start", "catalog.service"]).status().unwrap().success());
    assert_eq!(lake.property("catalog.service", "ActiveState"), "failed");
    lake.tenant(&["run-now", "circ-trans"]).expect(0);
    fs::remove_file(lake.path("lake/tenants/catalog.toml")).unwrap();
    let diff = lake.tenant(&["diff"]).expect(1);
    assert!(diff.stdout.contains("catalog: installed and not declared"), "{diff:?}");
    lake.tenant(&["uninstall", "catalog"]).expect(0);
    let one = lake.tenant(&["uninstall", "circ-trans"]).expect(0);
    assert!(one.stdout.contains("circ-trans: uninstalled: 4 links removed\n"), "{one:?}");
    assert_eq!(lake.files(), before);
    let units = lake.manager.systemctl(&["list-units", "--all", "--no-legend", "ca*", "circ*"]);
    assert_eq!(units, "");
    for tenant in ["catalog", "circ-trans"] {
        assert_eq!(lake.in_session(tenant), "");
    }
    let again = lake.tenant(&["uninstall", "circ-trans"]).expect(0);
    assert_eq!(again.stdout, "circ-trans: not installed; nothing to do\n");
}

#[test]
fn a_tenant_that_runs_is_only_uninstalled_by_force() {
    let Some(lake) = lake() else { return };
    let before = lake.files();
    lake.process("circ-trans", "echo run >runs\nwhile :; do sleep 1; done\n");
    lake.tenant(&["install", "circ-trans"]).expect(0);
    lake.manager.systemctl(&["start", "--no-block", "circ-trans.service"]);
    wait_for("the tenant runs", || lake.path("circ-trans/runs").exists());
    let installed = lake.tree();
    let refused = lake.tenant(&["uninstall", "circ-trans"]).expect(1);
    assert!(refused.stderr.contains("circ-trans.service is running"), "{refused:?}");
    assert_eq!(lake.tree(), installed);
    // To install it again is no matter of its run.
    lake.tenant(&["install", "circ-trans"]).expect(0);
    lake.tenant(&["uninstall", "circ-trans", "--force"]).expect(0);
    assert_eq!(lake.property("circ-trans.service", "ActiveState"), "inactive");
    assert_eq!(lake.files(), before);
}

#[test]
fn broken_units_are_told_with_their_line_and_leave_the_others() {
    let Some(lake) = lake().and_then(|lake| lake.manager.with_podman().map(Lake::new)) else {
        return;
    };
    let image = lake.manager.image();
    lake.declare("good", RARELY, &format!("image = {image:?}\nentrypoint = [\"true\"]\n"));
    lake.declare("bad", RARELY, "entrypoint = [\"true\"]\n");
    let container = format!("[Container]\nImage={image}\nFoo=1\n");
    lake.by_hand("bad", &[("bad.container", &container), ("bad.timer", TIMER)]);
    let ended = lake.tenant(&["install", "--all"]).expect(1);
    assert!(ended.stdout.contains("good: installed"), "{ended:?}");
    assert!(ended.stderr.contains("bad.container:3: unsupported key 'Foo'"), "{ended:?}");
    assert_eq!(lake.property("good.service", "LoadState"), "loaded");
    assert_eq!(lake.property("bad.timer", "LoadState"), "not-found");

    // What systemd finds, in its own unit and in what Quadlet made.
    let container = format!("[Container]\nImage={image}\n\n[Service]\nTimeoutStartSec=soon\n");
    let timer = TIMER.replace("OnCalendar", "OnCalender");
    lake.by_hand("bad", &[("bad.container", &container), ("bad.timer", &timer)]);
    let ended = lake.tenant(&["install", "bad"]).expect(1);
    assert!(ended.stderr.contains("bad.timer:2: Unknown key"), "{ended:?}");
    assert!(ended.stderr.contains("bad.container:5: Failed to parse"), "{ended:?}");

    let container = format!("[Container]\nImage={image}\n\n[Install]\nWantedBy=default.target\n");
    lake.by_hand("bad", &[("bad.container", &container), ("bad.timer", TIMER)]);
    let ended = lake.tenant(&["install", "bad"]).expect(1);
    assert!(ended.stderr.contains("bad.container:4: [Install] belongs in timers"), "{ended:?}");
    let report = json(&lake.tenant(&["install", "bad", "-o", "json"]).expect(1));
    assert_eq!(report[0]["faults"][0]["line"], 4, "{report}");
    lake.tenant(&["diff", "good"]).expect(0);
}

#[test]
fn what_else_quadlet_reads_may_be_used_and_may_be_broken() {
    let Some(lake) = lake().and_then(|lake| lake.manager.with_podman().map(Lake::new)) else {
        return;
    };
    let mine = lake.manager.config().join("containers/systemd/mine");
    write(&mine.join("shared.volume"), "[Volume]\n");
    write(&mine.join("broken/broken.container"), "[Container]\nFoo\n");
    symlink("/gone", mine.join("broken/gone.container")).unwrap();
    let before = lake.files();
    lake.declare("circ", RARELY, "entrypoint = [\"true\"]\n");
    let container = format!(
        "[Container]\nImage={}\nPull=never\nEntrypoint=true\nVolume=shared.volume:/shared\n\
         Volume=circ-data.volume:/data\n\n[Service]\nType=oneshot\n\
         ExecStartPre=-/bin/rm -f %t/%N.cid\n",
        lake.manager.image()
    );
    let once = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n";
    let files = [
        ("circ.container", &*container),
        ("circ.timer", TIMER),
        ("circ-data.volume", "[Volume]\n"),
        ("circ-once.service", once),
    ];
    lake.by_hand("circ", &files);
    lake.tenant(&["install", "circ"]).expect(0);
    for unit in ["circ.service", "circ-data-volume.service", "shared-volume.service"] {
        assert_eq!(lake.property(unit, "LoadState"), "loaded");
    }
    // What was done and counts as active ever since, as a volume does, is nothing that runs.
    lake.manager.systemctl(&["start", "circ-once.service"]);
    assert_eq!(lake.property("circ-once.service", "ActiveState"), "active");
    lake.tenant(&["uninstall", "circ"]).expect(0);
    assert_eq!(lake.property("circ-once.service", "ActiveState"), "inactive");
    assert_eq!(lake.files(), before);
}

#[test]
fn a_container_without_quadlet_is_refused() {
    let Some(lake) = lake() else { return };
    lake.declare("circ", RARELY, "image = \"localhost/circ:1\"\nentrypoint = [\"true\"]\n");
    let before = lake.tree();
    // A machine may have its own.
    for place in ["/usr/libexec/podman", "/usr/lib/podman", "/usr/lib/systemd/user-generators"] {
        if Path::new(place).exists() {
            let mount = ["-t", "tmpfs", "tmpfs", place];
            assert!(lake.manager.command("mount").args(mount).status().unwrap().success());
        }
    }
    let mut command = lake.command(&["install", "circ"]);
    command.env("SYSTEMD_GENERATOR_PATH", "/nowhere").env("TESSERA_QUADLET", "");
    let said = Started::new(command).end().expect(1).stderr;
    assert!(said.contains("it needs Quadlet, and there is none: install podman 4.4"), "{said}");
    assert_eq!(lake.tree(), before);
}

#[test]
fn timers_really_fire() {
    let Some(lake) = lake().and_then(|lake| lake.manager.with_podman().map(Lake::new)) else {
        return;
    };
    let script = "echo \"$1 $TESSERA_ORG $INVOCATION_ID\" >>ran\n";
    fs::create_dir_all(lake.path("process")).unwrap();
    fs::write(lake.path("process/program.sh"), script).unwrap();
    lake.declare("process", EVERY_SECOND, "entrypoint = [\"/bin/sh\", \"program.sh\"]\n");
    let image = lake.manager.image();
    let write = "echo \\\"$1 $TESSERA_ORG\\\" >>\\\"$TESSERA_TELEMETRY_DIR\\\"/ran";
    let entrypoint = format!("[\"sh\", \"-c\", \"{write}\", \"sh\"]");
    let lifecycle = format!("image = {image:?}\nentrypoint = {entrypoint}\n");
    lake.declare("container", EVERY_SECOND, &lifecycle);
    lake.tenant(&["install", "--all"]).expect(0);
    let runs = |path: &str| fs::read_to_string(lake.path(path)).unwrap_or_default();
    wait_for("two runs of the process", || runs("process/ran").lines().count() > 1);
    assert!(runs("process/ran").starts_with("run library "), "{}", runs("process/ran"));
    let telemetry = ".local/state/tessera/telemetry/ran";
    wait_for("two runs of the container", || runs(telemetry).lines().count() > 1);
    assert!(runs(telemetry).starts_with("run library\n"), "{}", runs(telemetry));
    lake.tenant(&["uninstall", "process", "container", "--force"]).expect(0);
}
