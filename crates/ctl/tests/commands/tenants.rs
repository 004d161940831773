//! Tenants on one machine, without any control plane.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Ended, run};

/// Nobody is asked, so nobody needs to be there.
const NOBODY: &str = "http://127.0.0.1:1";

const CATALOG: &str = r#"
name = "catalog"
kind = "extract"
version = "1.0.0"
schema = "catalog"
owner = "data@library.example"
sources = ["catalog"]
schedule = "*-*-* 03:00:00 America/New_York"
freshness = "26h"

[telemetry]
"#;

const LIFECYCLE: &str = r#"
[lifecycle]
entrypoint = ["python3", "app.py"]
subcommands = ["run", "status", "dry-run", "migrate"]
"#;

fn tenant(arguments: &[&str]) -> Ended {
    run(NOBODY, &[&["tenant"], arguments].concat())
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder.join(name)).unwrap();
    std::fs::write(folder.join(name).join("tessera-tenant.toml"), text).unwrap();
}

#[test]
fn manifests_are_checked_as_the_tier_that_is_asked_for() {
    let area = tempfile::tempdir().unwrap();
    write(area.path(), "catalog", CATALOG);
    let named = CATALOG.replace("name = \"catalog\"", "name = \"circ-trans\"");
    write(area.path(), "circ-trans", &(named + LIFECYCLE));
    let folder = area.path().to_str().unwrap();

    let ended = tenant(&["check", folder]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("catalog/tessera-tenant.toml: valid, Tier 2\n"), "{ended:?}");
    assert!(ended.stdout.contains("circ-trans/tessera-tenant.toml: valid, Tier 3\n"), "{ended:?}");

    let ended = tenant(&["check", folder, "--tier", "3", "--format", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let reports: Value = serde_json::from_str(&ended.stdout).unwrap();
    let told =
        |index: usize| [&reports[index]["name"], &reports[index]["tier"], &reports[index]["valid"]];
    assert_eq!(told(0), [&json!("catalog"), &json!(2), &json!(false)]);
    assert_eq!(told(1), [&json!("circ-trans"), &json!(3), &json!(true)]);
    assert_eq!(reports[0]["problems"][0]["code"], "missing_section");
}

#[test]
fn all_mistakes_of_a_manifest_are_told_at_once() {
    let area = tempfile::tempdir().unwrap();
    let broken =
        CATALOG.replace("extract", "extrakt").replace("03:00:00", "03:60:00") + "colour = 1\n";
    write(area.path(), "catalog", &broken);
    let ended = tenant(&["check", area.path().to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for told in
        ["did you mean `extract`?", "the minute 60 is not in 0 to 59", "`colour`", "3 problems"]
    {
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
    }
    assert_eq!(tenant(&["check", "/no/such/place"]).code, 2);
}

#[test]
fn expressions_are_shown_with_their_next_times() {
    let from = ["--from", "2026-11-21T00:00:00Z", "--next", "2"];
    let ended = tenant(&[&["schedule", "weekly UTC", "-o", "json"], &from[..]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let reports: Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = json!([{
        "expression": "weekly UTC",
        "normalized": "Mon *-*-* 00:00:00 UTC",
        "next": ["2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
    }]);
    assert_eq!(reports, expected);

    let ended = tenant(&[&["schedule", "08:35 America/New_York", "Mon..Fry"], &from[..]].concat());
    assert_eq!(ended.code, 1, "one of them is bad");
    assert!(ended.stdout.contains("Sat 2026-11-21 08:35:00 EST"), "{ended:?}");
    assert!(ended.stdout.contains("2026-11-21T13:35:00Z"), "{ended:?}");
    assert!(ended.stderr.contains("did you mean `Fri`?"), "{ended:?}");
}

#[test]
fn help_offers_what_the_command_takes() {
    let help = |action| tenant(&[action, "--help"]).stdout;
    let formats = |help: &str| ["table", "wide", "json", "yaml"].map(|it| help.contains(it));
    assert_eq!(formats(&help("diff")), [true, false, true, false], "{}", help("diff"));
    assert_eq!(formats(&help("list")), [true, false, true, true], "{}", help("list"));
    assert_eq!(formats(&help("export")), [false, false, true, true], "{}", help("export"));
    assert!(!help("diff").contains("--server") && help("run-now").contains("--server"));
    // Where the option stands makes no difference.
    let daily = ["tenant", "schedule", "daily"];
    for arguments in [
        vec!["-o", "json", daily[0], daily[1], daily[2]],
        vec![daily[0], "-o", "json", daily[1], daily[2]],
        vec![daily[0], daily[1], daily[2], "-o", "json"],
    ] {
        let ended = run(NOBODY, &arguments);
        assert!(ended.code == 0 && ended.stdout.starts_with('['), "{arguments:?}: {ended:?}");
    }
    let refused = tenant(&["schedule", "daily", "-o", "yaml"]);
    assert!(refused.code == 2 && refused.stderr.contains("table, json"), "{refused:?}");
    let refused = run(NOBODY, &["-o", "yaml", daily[0], daily[1], daily[2]]);
    assert!(refused.code == 2 && refused.stderr.contains("table, json"), "{refused:?}");
}
