//! What somebody else put where a tenant's units are, and whose units systemd then has.

use std::fs;
use std::os::unix::fs::symlink;

use tessera_testkit::user_manager;

use crate::host::write;
use crate::lake::{Lake, RARELY};

const TIMER: &str =
    "[Timer]\nOnCalendar=*-01-01 00:00:00 UTC\n\n[Install]\nWantedBy=timers.target\n";

#[test]
fn units_of_ones_own_are_left_when_a_tenant_that_is_none_is_uninstalled() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    for (name, text) in [("own.service", "[Service]\nExecStart=/bin/true\n"), ("own.timer", TIMER)]
    {
        write(&lake.path("mine").join(name), text);
        fs::create_dir_all(lake.unit("")).unwrap();
        symlink(lake.path("mine").join(name), lake.unit(name)).unwrap();
    }
    let container = lake.manager.config().join("containers/systemd/own/own-box.container");
    write(&container, "[Container]\nImage=localhost/own:1\n");
    lake.manager.systemctl(&["daemon-reload"]);
    lake.manager.systemctl(&["enable", "--now", "--quiet", "own.timer"]);
    let before = lake.tree();
    let left = lake.tenant(&["uninstall", "own"]).expect(0);
    assert_eq!(left.stdout, "own: not installed; nothing to do\n");
    assert_eq!(left.stderr.matches("that Tessera did not make: it is left").count(), 3, "{left:?}");
    assert!(left.stderr.contains(&format!("own: {} is a file", container.display())), "{left:?}");
    assert_eq!(lake.tree(), before);
    assert_eq!(lake.property("own.timer", "ActiveState"), "active");

    // Renamed: the files are there, and nothing runs by them.
    lake.tenant(&["uninstall", "own", "--force"]).expect(0);
    assert_eq!(lake.property("own.timer", "LoadState"), "not-found");
    assert!(lake.unit("own.timer.tessera-backup").exists());
    assert!(lake.unit("timers.target.wants/own.timer.tessera-backup").exists());
    let backup = container.with_file_name("own-box.container.tessera-backup");
    assert!(backup.exists() && lake.path("mine/own.timer").exists());
    let again = lake.tenant(&["uninstall", "own", "--force"]).expect(0);
    assert!(again.stdout.contains("nothing to do") && again.stderr.is_empty(), "{again:?}");
}

#[test]
fn links_to_rendered_units_are_known_when_the_record_is_lost() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    lake.process("circ-trans", "exit 0\n");
    lake.declare("box", RARELY, "image = \"localhost/box:1\"\nentrypoint = [\"true\"]\n");
    lake.tenant(&["install", "--all"]).expect(0);
    fs::remove_dir_all(lake.path(".local/share/tessera")).unwrap();
    lake.tenant(&["uninstall", "box", "circ-trans"]).expect(0);
    let left: Vec<_> = lake.files().into_iter().filter(|(_, said)| said != "a folder").collect();
    assert_eq!(left, []);
    for unit in ["circ-trans.timer", "circ-trans-reconcile.timer", "box.timer", "box.service"] {
        assert_eq!(lake.property(unit, "LoadState"), "not-found");
        assert_eq!(lake.property(unit, "ActiveState"), "inactive");
    }
}

#[test]
fn a_container_of_the_same_name_is_told_wherever_quadlet_finds_it() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    lake.declare("box", RARELY, "image = \"localhost/box:1\"\nentrypoint = [\"true\"]\n");
    let quadlet = lake.manager.config().join("containers/systemd");
    fs::create_dir_all(&quadlet).unwrap();
    write(&lake.path("far/below/box.container"), "[Container]\nImage=localhost/far:1\n");
    symlink(lake.path("far"), quadlet.join("aaa")).unwrap();
    let before = lake.tree();
    let told = format!("{}/aaa/below/box.container", quadlet.display());
    for force in [&["install", "box"][..], &["install", "box", "--force"]] {
        let refused = lake.tenant(force).expect(1);
        let told = format!("{told} is a file that brings box.service, too");
        assert!(refused.stderr.contains(&told), "{refused:?}");
        assert_eq!(lake.tree(), before);
    }

    // It comes when the tenant is there already.
    fs::remove_file(quadlet.join("aaa")).unwrap();
    lake.tenant(&["install", "box"]).expect(0);
    symlink(lake.path("far"), quadlet.join("aaa")).unwrap();
    let diff = lake.tenant(&["diff", "box"]).expect(1);
    assert!(diff.stdout.contains(&told), "{diff:?}");
    let doctor = lake.tenant(&["doctor"]).expect(1);
    assert!(doctor.stdout.contains(&format!("{told} brings box.service")), "{doctor:?}");
    fs::remove_file(quadlet.join("aaa")).unwrap();

    // A file whose name does not tell what it brings.
    let other = quadlet.join("zzz/other.container");
    write(&other, "[Container]\nImage=localhost/other:1\nServiceName=box\n");
    lake.manager.systemctl(&["daemon-reload"]);
    if lake.property("box.service", "SourcePath") != other.display().to_string() {
        // Which of the two Quadlet takes is its own business.
        lake.tenant(&["uninstall", "box"]).expect(0);
    }
    assert_eq!(lake.property("box.service", "SourcePath"), other.display().to_string());
    let refused = lake.tenant(&["install", "box"]).expect(1);
    let told = format!("{} is a file that brings box.service, too", other.display());
    assert!(refused.stderr.contains(&told), "{refused:?}");
}
