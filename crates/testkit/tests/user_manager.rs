//! The user manager of tests does what a login's does, and leaves nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tessera_testkit::{UserManager, user_manager};

const PATIENCE: Duration = Duration::from_secs(60);
/// Where the test that hangs says which folder its manager has.
const HANGING: &str = "TESSERA_TEST_HANGS";

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Writes a unit into a folder below the manager's configuration.
fn write(manager: &UserManager, folder: &str, name: &str, text: &str) {
    let folder = manager.config().join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

/// The manager's own folder, with which all that belongs to it is named.
fn folder(manager: &UserManager) -> String {
    manager.home().parent().unwrap().to_str().unwrap().to_owned()
}

/// Processes and mounts of this machine that name the folder.
fn traces(folder: &str) -> Vec<String> {
    let mark = format!("{folder}/").into_bytes();
    let named = |path: &Path| {
        let text = fs::read(path).unwrap_or_default();
        text.windows(mark.len()).any(|part| part == mark)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let files = ["cmdline", "environ", "mounts"];
    let found = processes.flat_map(|path| files.map(|file| path.join(file)));
    found.filter(|path| named(path)).map(|path| path.display().to_string()).collect()
}

/// Control groups of that name in the caller's own, wherever the hierarchy is mounted.
fn groups(name: &str) -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let hierarchies = mounts.filter(|words| words[2] == "cgroup2");
    let groups = hierarchies.map(|words| Path::new(words[1]).join(own).join(name));
    groups.filter(|group| group.exists()).collect()
}

#[test]
fn a_service_runs_in_the_managers_home_and_its_exit_code_is_seen() {
    let Some(manager) = user_manager() else {
        return;
    };
    let text = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo $HOME >%h/told; exit 7'\n";
    write(&manager, "systemd/user", "seven.service", text);
    manager.systemctl(&["daemon-reload"]);
    let started = manager.command("systemctl").args(["--user", "start", "seven.service"]).output();
    assert_eq!(started.unwrap().status.code(), Some(1));
    let shown = manager.systemctl(&["show", "seven.service", "-p", "ExecMainStatus", "--value"]);
    assert_eq!(shown.trim(), "7");
    let told = fs::read_to_string(manager.home().join("told")).unwrap();
    assert_eq!(Path::new(told.trim()), manager.home());
}

#[test]
fn the_journal_has_what_a_service_says() {
    let Some(mut manager) = user_manager().map(UserManager::with_journal) else {
        return;
    };
    // The journal looks up whose a line is, so that the process has to be there still.
    let text = "[Service]\nExecStart=/bin/sh -c 'echo of $INVOCATION_ID; exec sleep 1000'\n";
    write(&manager, "systemd/user", "talks.service", text);
    manager.systemctl(&["daemon-reload"]);
    // Also after a restart, which journals of a machine's memory do not outlive.
    for _ in 0..2 {
        manager.systemctl(&["start", "talks.service"]);
        let id = manager.systemctl(&["show", "talks.service", "-p", "InvocationID", "--value"]);
        let expected = format!("of {id}");
        let said = || {
            let matches = format!("_SYSTEMD_INVOCATION_ID={}", id.trim());
            let mut command = manager.command("journalctl");
            let output = command.args(["--quiet", "--output=cat", &matches]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        wait_for("the journal has the line", || said() == expected);
        manager.restart();
    }
}

#[test]
fn commands_keep_their_folder_and_exit_code() {
    let Some(manager) = user_manager() else {
        return;
    };
    let output = manager.command("sh").args(["-c", "pwd; exit 9"]).current_dir("/usr").output();
    let output = output.unwrap();
    assert_eq!((&*output.stdout, output.status.code()), (&b"/usr\n"[..], Some(9)));
    let missing = manager.command("no-such-program-here").output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
    let (words, environment) = manager.command_line();
    let mut command = Command::new(&words[0]);
    let args = ["systemctl", "--user", "is-active", "default.target"];
    let output = command.args(&words[1..]).args(args).envs(environment).output().unwrap();
    assert_eq!(output.stdout, b"active\n");
}

#[test]
fn a_timer_fires() {
    let Some(manager) = user_manager() else {
        return;
    };
    let text = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo x >>%h/fired'\n";
    write(&manager, "systemd/user", "often.service", text);
    let text = "[Timer]\nOnCalendar=*:*:0/1\nAccuracySec=1ms\n[Install]\nWantedBy=timers.target\n";
    write(&manager, "systemd/user", "often.timer", text);
    manager.systemctl(&["enable", "--now", "often.timer"]);
    let fired = || fs::read_to_string(manager.home().join("fired")).unwrap_or_default();
    wait_for("the timer fires twice", || fired().lines().count() >= 2);
}

#[test]
fn two_managers_do_not_know_each_other_and_a_restart_keeps_the_home() {
    let (Some(mut one), Some(two)) = (user_manager(), user_manager()) else {
        return;
    };
    let text = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n";
    write(&one, "systemd/user", "stays.service", text);
    one.systemctl(&["enable", "stays.service"]);
    let is_active = |manager: &UserManager| {
        let mut command = manager.command("systemctl");
        command.args(["--user", "is-active", "--quiet", "stays.service"]).status().unwrap()
    };
    assert!(!is_active(&one).success());
    let (boot, other) = (one.runtime().join("of-this-boot"), two.runtime().join("of-this-boot"));
    fs::write(&boot, "").unwrap();
    fs::write(&other, "").unwrap();
    let mut command = one.command("sleep").arg("1000").spawn().unwrap();
    one.restart();
    assert!(is_active(&one).success() && !is_active(&two).success());
    assert!(!boot.exists() && other.exists());
    // A command that ran inside was ended too.
    assert!(!command.wait().unwrap().success());
}

#[test]
fn a_frozen_manager_does_not_answer_and_goes_on() {
    let Some(manager) = user_manager() else {
        return;
    };
    manager.freeze(true);
    let ask = ["1", "systemctl", "--user", "daemon-reload"];
    let timeout_ended_it = Some(124);
    assert_eq!(manager.command("timeout").args(ask).status().unwrap().code(), timeout_ended_it);
    let mut asked = manager.command("systemctl").args(["--user", "daemon-reload"]).spawn().unwrap();
    manager.freeze(false);
    assert!(asked.wait().unwrap().success());
}

/// What `a_test_that_is_killed_leaves_nothing_either` runs as another process.
#[test]
fn a_test_that_hangs() {
    let Some(told) = std::env::var_os(HANGING) else {
        return;
    };
    let Some(manager) = user_manager() else {
        return;
    };
    fs::write(told, folder(&manager)).unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn a_test_that_is_killed_leaves_nothing_either() {
    // This one has no manager itself, since it would wait for the other with it.
    let told = std::env::temp_dir().join(format!("tessera-killed-{}", std::process::id()));
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "a_test_that_hangs"]).env(HANGING, &told);
    let mut other = other.spawn().unwrap();
    let folder = || fs::read_to_string(&told).unwrap_or_default();
    while folder().is_empty() {
        if let Some(status) = other.try_wait().unwrap() {
            assert!(status.success(), "the other test fails");
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let folder = folder();
    fs::remove_file(&told).unwrap();
    assert!(!traces(&folder).is_empty());
    other.kill().unwrap();
    other.wait().unwrap();
    wait_for("nothing is left", || traces(&folder).is_empty() && !Path::new(&folder).exists());
    let name = Path::new(&folder).file_name().unwrap().to_str().unwrap();
    assert_eq!(groups(name), Vec::<PathBuf>::new());
}

#[test]
fn containers_run_and_nothing_is_left_afterwards() {
    let Some(manager) = user_manager().and_then(UserManager::with_podman) else {
        return;
    };
    let image = manager.image();
    let container = |command: &str| {
        format!(
            "[Container]\nImage={image}\nPull=never\nEntrypoint=[\"sh\",\"-c\",\"{command}\"]\n\
             [Service]\nType=oneshot\nExecStartPre=-/bin/rm -f %t/%N.cid\n"
        )
    };
    write(&manager, "containers/systemd/tenant", "good.container", &container("exit 0"));
    write(&manager, "containers/systemd/tenant", "bad.container", &container("exit 7"));
    write(&manager, "containers/systemd/tenant", "long.container", &container("sleep 1000"));
    manager.systemctl(&["daemon-reload"]);
    for (unit, result, code) in [("good", "success", "0"), ("bad", "exit-code", "7")] {
        // Twice, since podman before 5 forgets to tidy up.
        for _ in 0..2 {
            let started = manager.command("systemctl").args(["--user", "start", unit]).output();
            assert_eq!(started.unwrap().status.success(), code == "0", "{unit}");
        }
        let show = ["show", unit, "-p", "LoadState", "-p", "Result", "-p", "ExecMainStatus"];
        let expected = format!("Result={result}\nExecMainStatus={code}\nLoadState=loaded\n");
        let shown = manager.systemctl(&show);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(lines(&shown), lines(&expected));
    }
    // One is running when all is ended.
    manager.systemctl(&["start", "--no-block", "long"]);
    let running = || {
        let output = manager.command("podman").args(["ps", "--quiet"]).output().unwrap();
        !output.stdout.is_empty()
    };
    wait_for("the container runs", running);
    let folder = folder(&manager);
    let name = Path::new(&folder).file_name().unwrap().to_str().unwrap();
    assert!(!traces(&folder).is_empty());
    drop(manager);
    assert!(!Path::new(&folder).exists());
    assert_eq!(groups(name), Vec::<PathBuf>::new());
    // The kernel is not done with a process at the moment that it ends.
    wait_for("no process and no mount is left", || traces(&folder).is_empty());
}
