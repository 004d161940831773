//! `tenant list` and `tenant diff`, beside what systemd and the disk have.

use std::fs;

use serde_json::{Value, json};
use tessera_testkit::user_manager;

use crate::lake::{Lake, RARELY, write};

const SERVICE: &str = "[Service]\nType=oneshot\nExecStart=/bin/true\n";

/// What is listed of a tenant: when its timer starts it next, and what that timer is.
fn listed(lake: &Lake, name: &str) -> [Value; 2] {
    let ended = lake.tenant(&["list", name, "-o", "json"]).expect(0);
    let list: Value = serde_json::from_str(&ended.stdout).unwrap();
    ["next", "timer"].map(|field| list[0][field].clone())
}

#[test]
fn the_next_run_is_that_of_the_timer() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    lake.process("circ-trans", "exit 0\n");
    assert_eq!(listed(&lake, "circ-trans"), [Value::Null, json!("not_installed")]);
    lake.tenant(&["install", "circ-trans"]).expect(0);
    let [next, timer] = listed(&lake, "circ-trans");
    assert!(next.as_str().unwrap().ends_with("-01-01T00:00:00Z") && timer == "on", "{next}");
    lake.manager.systemctl(&["stop", "circ-trans.timer"]);
    assert_eq!(listed(&lake, "circ-trans"), [Value::Null, json!("off")]);

    // Units written by hand have a schedule of their own.
    lake.declare("catalog", RARELY, "entrypoint = [\"/bin/true\"]\n");
    let timer = "[Timer]\nOnCalendar=2098-07-08 09:10:11 UTC\n[Install]\nWantedBy=timers.target\n";
    lake.by_hand("catalog", &[("catalog.service", SERVICE), ("catalog.timer", timer)]);
    lake.tenant(&["install", "catalog"]).expect(0);
    assert_eq!(listed(&lake, "catalog"), [json!("2098-07-08T09:10:11Z"), json!("on")]);
}

#[test]
fn what_changes_in_a_unit_is_shown_without_values() {
    let Some(manager) = user_manager() else { return };
    let lake = Lake::new(manager);
    let declare = |token: &str, timeout: &str| {
        let lifecycle = format!(
            "entrypoint = [\"/bin/true\"]\ntimeout = \"{timeout}\"\n\
             environment = {{TOKEN = \"{token}\"}}\n"
        );
        lake.declare("circ-trans", RARELY, &lifecycle);
    };
    declare("s3cret-1", "1m");
    lake.tenant(&["install", "circ-trans"]).expect(0);
    declare("s3cret-2", "5s");
    let unit = lake.path(".local/share/tessera/tenants/circ-trans/units/circ-trans.service");
    write(&unit, &(fs::read_to_string(&unit).unwrap() + "Nice=5\n"));
    let diff = lake.tenant(&["diff"]).expect(1);
    for line in ["-TimeoutStartSec=60", "+TimeoutStartSec=5", "-Nice=5", "+Environment=TOKEN=…"] {
        assert!(diff.stdout.contains(&format!("    {line}\n")), "{line}: {diff:?}");
    }
    assert!(!diff.stdout.contains("s3cret"), "{diff:?}");
    lake.tenant(&["install", "circ-trans"]).expect(0);
    assert_eq!(lake.tenant(&["diff"]).expect(0).stdout, "circ-trans: as declared\n");
}
