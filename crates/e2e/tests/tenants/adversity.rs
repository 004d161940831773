//! What goes wrong around `tenant install` and `uninstall`: a disk that is full, others who do the
//! same at that moment, a manager that is silent or not there, programs that do not end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use tessera_testkit::user_manager;

use crate::host::{Started, wait_for, write};
use crate::lake::{Lake, RARELY};

const TENANTS: [&str; 3] = ["catalog", "circ", "circ-trans"];

fn lake() -> Option<Lake> {
    user_manager().map(Lake::new)
}

/// Runs a shell command where the manager is, and returns what it says.
fn sh(lake: &Lake, script: &str) -> String {
    let output = lake.manager.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_disk_that_is_full_keeps_nothing_that_cannot_be_removed() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    let share = lake.path(".local/share");
    fs::create_dir_all(&share).unwrap();
    let (share, before) = (share.display(), lake.files());
    let all = || sh(&lake, &format!("find {share} -mindepth 1"));
    // So many files and folders the disk takes: there is no room for the note, for the mark, for units.
    for room in 1..=10 {
        sh(&lake, &format!("mount -t tmpfs -o nr_inodes={room} tmpfs {share}"));
        let full = lake.tenant(&["install", "circ-trans"]).expect(1);
        assert!(full.stderr.contains("No space left on device"), "{room}: {full:?}");
        // What was begun is marked, and nothing is there of what was not.
        let left = all();
        assert!(left.is_empty() || left.contains("/unfinished\n"), "{room}: {left}");
        sh(&lake, &format!("mount -o remount,nr_inodes=100 {share}"));
        lake.tenant(&["uninstall", "circ-trans"]).expect(0);
        assert_eq!((all(), lake.files()), (String::new(), before.clone()), "{room}");
        sh(&lake, &format!("umount {share}"));
    }
}

#[test]
fn several_at_the_same_moment_leave_everything_whole() {
    let Some(lake) = lake() else { return };
    let before = lake.files();
    for tenant in TENANTS {
        lake.process(tenant, "exit 0\n");
    }
    thread::scope(|scope| {
        for tenant in TENANTS {
            let lake = &lake;
            scope.spawn(move || {
                for _ in 0..2 {
                    for arguments in [&["install", "circ", tenant][..], &["uninstall", tenant]] {
                        let ended = lake.tenant(arguments);
                        // On a machine that is busy enough one waits for the others in vain.
                        let is_held = ended.stderr.contains("units are being ");
                        assert!(ended.code == 0 || is_held, "{ended:?}");
                    }
                }
            });
        }
    });
    lake.tenant(&["install", "--all"]).expect(0);
    lake.tenant(&["diff"]).expect(0);
    lake.tenant(&["doctor"]).expect(0);
    for tenant in TENANTS {
        assert_eq!(lake.property(&format!("{tenant}.timer"), "ActiveState"), "active");
    }
    lake.tenant(&[&["uninstall"], &TENANTS[..]].concat()).expect(0);
    assert_eq!(lake.files(), before);
}

#[test]
fn a_manager_that_is_silent_is_asked_once() {
    let Some(lake) = lake() else { return };
    for tenant in TENANTS {
        lake.process(tenant, "exit 0\n");
    }
    let before = lake.files();
    // What systemctl says when it gives up waiting.
    let (systemctl, calls) = (lake.path("bin/systemctl"), lake.path("calls"));
    let said = "Failed to get properties: Connection timed out";
    let script = format!("#!/bin/sh\necho called >>{}\necho {said} >&2\nexit 1\n", calls.display());
    write(&systemctl, &script);
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", lake.path("bin").display(), std::env::var("PATH").unwrap());
    for arguments in [&["install", "--all"][..], &["install", "circ", "catalog", "-o", "json"]] {
        let mut command = lake.command(arguments);
        command.env("PATH", &path);
        let ended = Started::new(command).end().expect(5);
        assert!(ended.stderr.contains("does not answer in time"), "{ended:?}");
        assert!(!ended.stdout.contains("\"changed\": true"), "{ended:?}");
        assert_eq!(fs::read_to_string(&calls).unwrap(), "called\n");
        fs::remove_file(&calls).unwrap();
    }
    assert_eq!(lake.files(), before);
}

#[test]
fn without_a_session_there_is_no_manager_and_none_is_made() {
    let Some(lake) = lake() else { return };
    lake.process("circ-trans", "exit 0\n");
    let absent = lake.path("absent");
    for arguments in [["install", "circ-trans"], ["uninstall", "circ-trans"]] {
        let mut command = lake.command(&arguments);
        command.env("XDG_RUNTIME_DIR", &absent);
        let ended = Started::new(command).end().expect(5);
        assert!(ended.stderr.contains(&format!("there is no {}", absent.display())), "{ended:?}");
    }
    assert!(!absent.exists());
}

#[test]
fn a_program_that_heeds_nothing_is_stopped_by_force() {
    let Some(lake) = lake() else { return };
    let before = lake.files();
    lake.declare("circ", RARELY, "entrypoint = [\"true\"]\n");
    let script = "trap '' TERM; echo run >>runs; while :; do sleep 1; done\n";
    write(&lake.path("circ/program.sh"), script);
    let service = format!(
        "[Service]\nType=oneshot\nWorkingDirectory={}\nExecStart=/bin/sh program.sh\n\
         TimeoutStopSec=1\n",
        lake.path("circ").display()
    );
    let timer = "[Timer]\nOnCalendar=*-01-01 00:00:00 UTC\n\n[Install]\nWantedBy=timers.target\n";
    lake.by_hand("circ", &[("circ.service", &service), ("circ.timer", timer)]);
    lake.tenant(&["install", "circ"]).expect(0);
    lake.manager.systemctl(&["start", "--no-block", "circ.service"]);
    wait_for("the tenant runs", || lake.path("circ/runs").exists());
    lake.tenant(&["uninstall", "circ", "--force"]).expect(0);
    assert_eq!(lake.property("circ.service", "ActiveState"), "inactive");
    assert_eq!(lake.files(), before);
}
