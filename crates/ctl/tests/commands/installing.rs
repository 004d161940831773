//! Commands that install tenants, with a `systemctl` of cardboard: every timer is active, and every
//! other unit there and at rest.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ended, Running};

const SYSTEMCTL: &str = r#"#!/bin/sh
if [ -e "$HOME/away" ]; then
  echo "Failed to connect to bus: No such file or directory" >&2
  exit 1
fi
user="$XDG_CONFIG_HOME/systemd/user"
for last; do :; done
case "$*" in
  *" enable "*) mkdir -p "$user/timers.target.wants"
    ln -sf "$(readlink "$user/$last")" "$user/timers.target.wants/$last" ;;
  *" disable "*) rm -f "$user/$last" "$user/timers.target.wants/$last" ;;
  *" show "*" -- "*)
    while [ "$1" != "--" ]; do shift; done
    shift
    for unit; do
      case "$unit" in *.timer) active=active ;; *) active=inactive ;; esac
      printf 'Id=%s\nLoadState=loaded\nActiveState=%s\nNeedDaemonReload=no\n\n' "$unit" "$active"
    done ;;
  *) echo "Version=0" ;;
esac
"#;

/// A home with an instance in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("systemctl", SYSTEMCTL), ("systemd-analyze", "#!/bin/sh\n")] {
            home.write(&format!("bin/{name}"), text);
            let path = home.path().join("bin").join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir(home.path().join("run")).unwrap();
        home.write("instance.toml", "org = \"library\"\nscope = \"dev\"\n");
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Declares a tenant, which can be operated with a lifecycle.
    fn declare(&self, name: &str, lifecycle: bool) {
        let mut text = format!(
            "name = \"{name}\"\nkind = \"extract\"\nversion = \"1.2.0\"\nschema = \"items\"\n\
             owner = \"data@library.example\"\nsources = [\"sierra\"]\nschedule = \"*-*-* 03:00:00 \
             UTC\"\nfreshness = \"26h\"\n\n[telemetry]\n"
        );
        if lifecycle {
            text += "\n[lifecycle]\nentrypoint = [\"./app\"]\n\
                     subcommands = [\"run\", \"status\", \"dry-run\", \"migrate\"]\n";
        }
        self.write(&format!("{name}/tessera-tenant.toml"), &text);
        let entry = format!("manifest = \"../{name}/tessera-tenant.toml\"\n");
        self.write(&format!("tenants/{name}.toml"), &entry);
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let below = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let path = format!("{}:{}", below("bin"), std::env::var("PATH").unwrap_or_default());
        vec![
            ("PATH", path),
            ("XDG_CONFIG_HOME", below("config")),
            ("XDG_DATA_HOME", below("data")),
            ("XDG_RUNTIME_DIR", below("run")),
            ("TESSERA_TELEMETRY_DIR", below("state")),
            ("TESSERA_TEXTFILE_DIR", below("metrics")),
            ("TESSERA_QUADLET", below("no-quadlet")),
        ]
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let variables = self.variables();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Running::start_in(self.path(), &variables, &[&["tenant"], arguments].concat())
    }

    fn tenant(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// As [`Home::tenant`], where that is to end with this code.
    fn ends(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.tenant(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        ended
    }
}

#[test]
fn what_systemd_does_not_tell_is_not_taken_to_be_well() {
    let home = Home::new();
    home.declare("circ", true);
    home.ends(0, &["install", "circ"]);
    let again = home.ends(0, &["install", "circ"]);
    assert_eq!(again.stdout, "circ: already installed; nothing to do\n", "{again:?}");
    assert_eq!(home.ends(0, &["diff"]).stdout, "circ: as declared\n");

    home.write("away", "");
    let diff = home.ends(2, &["diff"]);
    let told = "circ: the files are as declared; what systemd has is not known\n";
    assert_eq!(diff.stdout, told, "{diff:?}");
    let install = home.ends(5, &["install", "circ"]);
    assert!(!install.stdout.contains("nothing to do"), "{install:?}");
    assert!(install.stderr.contains("does not answer"), "{install:?}");
    home.ends(0, &["install", "circ", "--dry-run"]);
    home.ends(5, &["uninstall", "circ"]);
    assert!(home.path().join("config/systemd/user/circ.timer").exists());
}

#[test]
fn what_is_wrong_with_one_tenant_leaves_the_comparison_of_the_others() {
    let home = Home::new();
    for name in ["circ", "poll", "weekly"] {
        home.declare(name, true);
    }
    home.ends(0, &["install", "--all"]);
    home.write("circ/tessera-tenant.toml", "version = 1\n");
    fs::remove_file(home.path().join("config/systemd/user/weekly.timer")).unwrap();
    let diff = home.ends(2, &["diff"]);
    assert!(diff.stdout.contains("circ: installed, and cannot be compared\n"), "{diff:?}");
    assert!(diff.stdout.contains("poll: as declared\n"), "{diff:?}");
    assert!(diff.stdout.contains("weekly: differs; this would be done\n"), "{diff:?}");
    let list: Value = serde_json::from_str(&home.ends(2, &["diff", "-o", "json"]).stdout).unwrap();
    let circ = list.as_array().unwrap().iter().find(|it| it["tenant"] == "circ").unwrap();
    assert_eq!([&circ["declared"], &circ["error"]], [&json!(true), &json!("it is not valid")]);
    let named = home.ends(2, &["diff", "circ", "weekly"]);
    assert!(named.stdout.contains("weekly: differs"), "{named:?}");
}

#[test]
fn a_unit_that_changes_is_shown_without_values() {
    let home = Home::new();
    home.declare("circ", true);
    let manifest = "circ/tessera-tenant.toml";
    let text = fs::read_to_string(home.path().join(manifest)).unwrap();
    let with = |token: &str, timeout: &str| {
        home.write(
            manifest,
            &format!("{text}timeout = \"{timeout}\"\nenvironment = {{TOKEN = \"{token}\"}}\n"),
        );
    };
    with("s3cret-1", "1m");
    home.ends(0, &["install", "circ"]);
    with("s3cret-2", "5s");
    let diff = home.ends(1, &["diff"]);
    assert!(diff.stdout.contains("/units/circ.service\n    @@ "), "{diff:?}");
    for line in ["TimeoutStartSec=60", "Environment=TOKEN=…"] {
        assert!(diff.stdout.contains(&format!("    -{line}\n")), "{line}: {diff:?}");
    }
    for line in ["TimeoutStartSec=5", "Environment=TOKEN=…"] {
        assert!(diff.stdout.contains(&format!("    +{line}\n")), "{line}: {diff:?}");
    }
    let json = home.ends(1, &["diff", "-o", "json"]);
    let list: Value = serde_json::from_str(&json.stdout).unwrap();
    let change = &list[0]["changes"][0];
    assert!(change["path"].as_str().unwrap().ends_with("/units/circ.service"), "{change}");
    assert!(change["diff"].as_str().unwrap().contains("\n+TimeoutStartSec=5\n"), "{change}");
    assert!(![&diff.stdout, &json.stdout].iter().any(|told| told.contains("s3cret")));
    home.ends(0, &["install", "circ"]);
    assert_eq!(home.ends(0, &["diff"]).stdout, "circ: as declared\n");
}

#[test]
fn what_is_installed_and_not_declared_is_told_by_whatever_sees_all() {
    let home = Home::new();
    for name in ["box", "circ", "poll"] {
        home.declare(name, true);
    }
    home.ends(0, &["install", "--all"]);
    fs::remove_file(home.path().join("tenants/poll.toml")).unwrap();
    home.declare("box", false);
    for arguments in [&["install", "--all"][..], &["list"], &["list", "-o", "json"]] {
        let ended = home.ends(0, arguments);
        for name in ["box", "poll"] {
            let told = format!(
                "{name}: installed and not declared here: `tesseractl tenant uninstall {name}` \
                 removes it\n"
            );
            assert!(ended.stderr.contains(&told), "{ended:?}");
        }
        assert!(!ended.stderr.contains("circ:"), "{ended:?}");
    }
    assert_eq!(home.ends(0, &["list", "circ"]).stderr, "");
    let diff = home.ends(1, &["diff", "box"]);
    assert!(diff.stdout.starts_with("box: installed and not declared"), "{diff:?}");
}

#[test]
fn who_waits_for_another_one_is_told_at_once() {
    let home = Home::new();
    home.declare("circ", true);
    home.write("run/tessera/units.lock", "17 (somebody)");
    let lock = fs::File::open(home.path().join("run/tessera/units.lock")).unwrap();
    lock.lock().unwrap();
    let waiting = home.start(&["install", "circ"]);
    assert_eq!(waiting.error_line(), "waiting for process 17 (somebody)");
    drop(lock);
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn a_mistyped_name_is_not_uninstalled() {
    let home = Home::new();
    home.declare("circ", true);
    home.ends(0, &["install", "circ"]);
    let ended = home.ends(3, &["uninstall", "cric"]);
    assert!(ended.stderr.contains("did you mean `circ`?"), "{ended:?}");
    home.ends(0, &["uninstall", "circ"]);
    home.ends(0, &["uninstall", "circ"]);
}

#[test]
fn metrics_go_with_the_tenant_and_records_stay() {
    let home = Home::new();
    home.declare("circ", true);
    home.ends(0, &["install", "circ"]);
    let metrics = ["metrics", "state/metrics"].map(|it| format!("{it}/tessera_tenant_circ.prom"));
    let records = "state/circ/runs.jsonl";
    for name in metrics.iter().map(String::as_str).chain([records, "metrics/other.prom"]) {
        home.write(name, "");
    }
    home.ends(0, &["uninstall", "circ", "--dry-run"]);
    assert!(metrics.iter().all(|name| home.path().join(name).exists()));
    let ended = home.ends(0, &["uninstall", "circ"]);
    let told = "circ: its metrics are removed; the records of its runs stay in ";
    assert!(ended.stdout.contains(told), "{ended:?}");
    assert!(metrics.iter().all(|name| !home.path().join(name).exists()));
    assert!([records, "metrics/other.prom"].iter().all(|name| home.path().join(name).exists()));
}

#[test]
fn what_changes_units_from_beside_is_told() {
    let home = Home::new();
    home.declare("circ", true);
    home.ends(0, &["install", "circ"]);
    assert!(home.tenant(&["doctor"]).stdout.contains("ok        drop-ins: "));
    home.write("config/systemd/user/circ.service.d/x.conf", "[Service]\nEnvironment=A=b\n");
    let diff = home.ends(0, &["diff"]);
    assert!(diff.stdout.starts_with("circ: as declared\n  changed by /"), "{diff:?}");
    assert!(diff.stdout.contains("circ.service.d/x.conf, which is not touched"), "{diff:?}");
    let doctor = home.tenant(&["doctor"]);
    assert!(doctor.stdout.contains("x.conf changes a unit of circ\n"), "{doctor:?}");
}
