//! Commands about the tenants of an instance, which is a folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ended, Running, run_in};

const INSTANCE: &str = "org = \"library\"\nscope = \"dev\"\n";

/// The manifest of a tenant of Tier 2.
fn contract(name: &str) -> String {
    format!(
        "# What it declares.\nname = \"{name}\"\nkind = \"extract\"\nversion = \"1.2.0\"\n\
         schema = \"items\"\nowner = \"data@library.example\"\nsources = [\"sierra\"]\n\
         schedule = \"*-*-* 03:00:00 America/New_York\"\nfreshness = \"26h\"\n\n[telemetry]\n"
    )
}

/// That of a tenant of Tier 3 with a further service.
fn operated(name: &str) -> String {
    contract(name)
        + "\n[lifecycle]\nentrypoint = [\"python3\", \"app.py\"]\n\
           subcommands = [\"run\", \"status\", \"dry-run\", \"migrate\"]\n\n\
           [services.reconcile]\nschedule = \"Sun *-*-* 04:00:00 UTC\"\n"
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// An instance in the folder `lake`, with the tenants `catalog` and `circ-trans` beside it.
fn lake() -> TempDir {
    let area = tempfile::tempdir().unwrap();
    let root = area.path();
    write(root, "lake/instance.toml", INSTANCE);
    for (name, text) in [("catalog", contract("catalog")), ("circ-trans", operated("circ-trans"))] {
        write(root, &format!("{name}/tessera-tenant.toml"), &text);
        let entry = format!("manifest = \"../../{name}/tessera-tenant.toml\"\n");
        write(root, &format!("lake/tenants/{name}.toml"), &entry);
    }
    area
}

/// With a `systemctl` that says this, or that finds no manager: that of the machine is no matter.
fn tenant_with(area: &TempDir, systemctl: &str, arguments: &[&str]) -> Ended {
    let programs = area.path().join("programs");
    write(&programs, "systemctl", &format!("#!/bin/sh\n{systemctl}\n"));
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(programs.join("systemctl"), executable).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let folder = area.path().join("lake");
    run_in(&folder, &[("PATH", &path)], &[&["tenant"], arguments].concat())
}

fn tenant(area: &TempDir, arguments: &[&str]) -> Ended {
    tenant_with(area, "echo 'Failed to connect to bus: no manager' >&2; exit 1", arguments)
}

#[test]
fn an_instance_is_where_it_is_said_to_be_or_the_nearest_one() {
    let area = lake();
    let root = area.path();
    fs::create_dir_all(root.join("lake/tenants/deep")).unwrap();
    let export = ["tenant", "export", "catalog"];
    let lake = root.join("lake").to_str().unwrap().to_owned();
    for (folder, variables) in [
        ("lake", vec![]),
        ("lake/tenants/deep", vec![]),
        ("lake", vec![("TESSERA_INSTANCE", "")]),
        ("catalog", vec![("TESSERA_INSTANCE", lake.as_str())]),
    ] {
        let ended = run_in(&root.join(folder), &variables, &export);
        assert_eq!(ended.code, 0, "{folder}: {ended:?}");
        assert!(ended.stdout.contains("id: library/catalog\n"), "{folder}: {ended:?}");
    }
    let given = [&export[..], &["--instance", "../lake"]].concat();
    let ended = run_in(&root.join("catalog"), &[("TESSERA_INSTANCE", "/no/such")], &given);
    assert_eq!(ended.code, 0, "{ended:?}");
    let file = [&export[..], &["--instance", "../lake/instance.toml"]].concat();
    assert_eq!(run_in(&root.join("catalog"), &[], &file).code, 0);

    let ended = run_in(&root.join("catalog"), &[], &export);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("there is no instance.toml in "), "{ended:?}");
    assert!(ended.stderr.contains("--instance"), "{ended:?}");
}

#[test]
fn a_tenant_that_is_not_there_or_not_valid_is_told_apart() {
    let area = lake();
    let ended = tenant(&area, &["export", "circ_trans"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("did you mean `circ-trans`?"), "{ended:?}");

    write(area.path(), "circ-trans/tessera-tenant.toml", &contract("circ-trnas"));
    let ended = tenant(&area, &["export", "circ-trans"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let place = "tenants/circ-trans.toml:1:12";
    for said in ["error[names_differ]", place, "the tenant circ-trans is not valid"] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    assert_eq!(tenant(&area, &["export", "catalog"]).code, 0, "the others are still there");

    write(area.path(), "lake/instance.toml", "org = \"My Library\"\nscope = \"dev\"\n");
    let ended = tenant(&area, &["export", "catalog"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("instance.toml:1:7"), "{ended:?}");
}

#[test]
fn a_tenant_that_cannot_be_operated_is_no_resource() {
    let area = lake();
    let ended = tenant(&area, &["export", "catalog", "--format", "resource"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
    assert!(ended.stderr.contains("catalog is of Tier 2"), "{ended:?}");
}

#[test]
fn a_contract_is_printed_in_the_form_of_the_standard() {
    let area = lake();
    let ended = tenant(&area, &["export", "circ-trans"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for line in ["apiVersion: v3.0.2", "kind: DataContract", "tenant: library", "  - name: items"] {
        assert!(ended.stdout.lines().any(|own| own == line), "{line}: {}", ended.stdout);
    }
    let ended = tenant(&area, &["export", "circ-trans", "-o", "json"]);
    let contract: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(contract["customProperties"][1], json!({"property": "tier", "value": 3}));
}

#[test]
fn a_resource_carries_the_manifest_as_it_is() {
    let area = lake();
    let folder = area.path().join("circ-trans");
    let ended = tenant(&area, &["export", "circ-trans", "--format", "resource"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("kind: Tenant\nname: circ-trans\nspec:\n"), "{ended:?}");
    assert!(ended.stdout.contains("  manifest: |\n    # What it declares.\n"), "{ended:?}");
    assert!(!ended.stdout.contains("units"), "they are rendered on the node: {ended:?}");

    let entry = "manifest = \"../../circ-trans/tessera-tenant.toml\"\nunits = \"units\"\n";
    write(area.path(), "lake/tenants/circ-trans.toml", entry);
    let units = ["circ-trans.container", "circ-trans.timer", "circ-trans-reconcile.service"];
    for unit in units.iter().chain(&["circ-trans-reconcile.timer", "README.md"]) {
        write(area.path(), &format!("lake/tenants/units/{unit}"), &format!("[Unit]\n# {unit}\n"));
    }
    let ended = tenant(&area, &["export", "circ-trans", "--format", "resource", "-o", "json"]);
    let resource: Value = serde_json::from_str(&ended.stdout).unwrap();
    let spec = &resource["spec"];
    assert_eq!(spec["folder"], folder.to_str().unwrap());
    assert_eq!((&spec["org"], &spec["node_selector"]), (&json!("library"), &json!({})));
    assert_eq!(spec["manifest"], operated("circ-trans"));
    let units = spec["units"].as_object().unwrap();
    assert_eq!(units.len(), 4, "{units:?}");
    assert_eq!(units["circ-trans.container"], "[Unit]\n# circ-trans.container\n");
}

#[test]
fn an_entry_that_cannot_be_read_is_a_problem_of_its_own() {
    let area = lake();
    std::os::unix::fs::symlink("nowhere", area.path().join("lake/tenants/gone.toml")).unwrap();
    write(area.path(), "lake/tenants/.catalog.toml.swp", "x");
    let ended = tenant(&area, &["export", "gone"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("tenants/gone.toml:1:1"), "{ended:?}");
    assert_eq!(tenant(&area, &["export", "catalog"]).code, 0);

    // A path that is not there is told as what it comes to.
    write(area.path(), "lake/tenants/gone.toml", "manifest = \"~/gone.toml\"\n");
    let ended = tenant(&area, &["list"]);
    assert!(ended.stderr.contains("cannot be read: tenants/~/gone.toml: No such"), "{ended:?}");
}

/// Writes what a run of a service left in the hub, some seconds ago.
fn ran(area: &TempDir, tenant: &str, service: &str, seconds_ago: i64, code: Option<u8>) {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago);
    let line = |event: Value| {
        let mut line = json!({
            "run_id": format!("{tenant}{seconds_ago}"), "tenant": tenant, "service": (!service.is_empty()).then_some(service),
            "verb": "run", "version": "1.2.0", "invocation_id": null, "at": at.to_string(),
        });
        line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    let outcome = if code == Some(0) { "success" } else { "failure" };
    let end = code.map(|code| {
        json!({"event": "ended", "outcome": outcome, "exit_code": code, "rows": 3, "duration_ms": 5})
    });
    let path = area.path().join("lake/.local/state/tessera/telemetry").join(tenant);
    fs::create_dir_all(&path).unwrap();
    let path = path.join("runs.jsonl");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let now = line(json!({"event": "started"})) + &end.map(line).unwrap_or_default();
    fs::write(path, before + &now).unwrap();
}

/// The rows of a table, with one space between cells.
fn rows(stdout: &str) -> Vec<String> {
    stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The row of a tenant or a service without its schedule and its next run.
fn row(stdout: &str, name: &str) -> String {
    let rows = rows(stdout);
    let row = rows.iter().find(|row| row.split(' ').next() == Some(name));
    row.unwrap_or_else(|| panic!("no {name} in {stdout}")).clone()
}

#[test]
fn tenants_are_listed_with_how_they_are() {
    let area = lake();
    let ended = tenant(&area, &["list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    assert_eq!(rows(&ended.stdout)[0], "NAME KIND TIER SCHEDULE NEXT LAST HEALTH");
    let row_of = |name| row(&tenant(&area, &["list"]).stdout, name);
    assert!(row_of("catalog").starts_with("catalog extract 2 *-*-* 03:00:00 America/New_York "));
    assert!(row_of("catalog").ends_with(" - -"), "{}", row_of("catalog"));
    assert!(row_of("circ-trans").ends_with(" never unknown"), "{}", row_of("circ-trans"));
    assert!(row_of("reconcile").starts_with("reconcile Sun *-*-* 04:00:00 UTC "));
    assert!(row_of("reconcile").ends_with(" never"), "{}", row_of("reconcile"));

    ran(&area, "circ-trans", "", 27 * 3600, Some(0));
    assert!(row_of("circ-trans").ends_with(" success 27h ago stale"), "{}", row_of("circ-trans"));
    ran(&area, "circ-trans", "", 7300, Some(0));
    assert!(row_of("circ-trans").ends_with(" success 2h ago healthy"), "{}", row_of("circ-trans"));
    ran(&area, "circ-trans", "", 7250, Some(7));
    ran(&area, "circ-trans", "reconcile", 7400, Some(1));
    let now = row_of("circ-trans");
    assert!(now.ends_with(" failure (7) 2h ago failing"), "{now}");
    assert!(row_of("reconcile").ends_with(" failure (1) 2h ago"), "{}", row_of("reconcile"));
    // It began and never ended, and nobody holds its lock.
    ran(&area, "circ-trans", "", 7210, None);
    let now = row_of("circ-trans");
    assert!(now.ends_with(" cut off, began 2h ago failing"), "{now}");
}

#[test]
fn what_systemd_knows_of_units_is_listed_where_it_answers() {
    let area = lake();
    ran(&area, "circ-trans", "", 7300, Some(0));
    ran(&area, "circ-trans", "reconcile", 7300, Some(0));
    let now = jiff::Timestamp::now().as_second();
    // The program was gone an hour ago, and the timer of the other service is off.
    let circ_trans = format!(
        "Id=circ-trans.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n\
         ExecMainCode=1\nExecMainStatus=203\nInactiveExitTimestamp=@{began}\n\
         InactiveEnterTimestamp=@{began}\n\n\
         Id=circ-trans.timer\nLoadState=loaded\nActiveState=active\n\
         NextElapseUSecRealtime=@{due}\n",
        began = now - 3610,
        due = now + 100
    );
    let reconcile = "Id=circ-trans-reconcile.service\nLoadState=loaded\nActiveState=inactive\n\n\
                     Id=circ-trans-reconcile.timer\nLoadState=loaded\nActiveState=inactive\n";
    let says = |text: &str| format!("cat <<'END'\n{text}\nEND");
    let both = says(&format!("{circ_trans}\n{reconcile}"));
    let ended = tenant_with(&area, &both, &["list"]);
    let told = row(&ended.stdout, "circ-trans");
    assert!(told.ends_with(" failed (203) 60m ago failing"), "{told}");
    assert!(told.contains(" in ") && !told.contains(" - "), "{told}");
    let told = row(&ended.stdout, "reconcile");
    assert!(told.ends_with(" UTC - (timer off) success 2h ago"), "{told}");

    let list = tenant_with(&area, &both, &["list", "-o", "json"]).stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[1]["timer"], &list[1]["health"]), (&json!("on"), &json!("failing")));
    let due: jiff::Timestamp = list[1]["next"].as_str().unwrap().parse().unwrap();
    assert_eq!(due.as_second(), now + 100, "that of the timer, whatever the schedule says");
    assert_eq!(list[1]["unit"]["result"], "exit-code");
    assert_eq!(list[1]["unit"]["exit_code"], 203);
    let ended_at: jiff::Timestamp = list[1]["unit"]["ended_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(ended_at.as_second(), now - 3610);
    let reconcile = &list[1]["services"][0];
    assert_eq!((&reconcile["next"], &reconcile["timer"]), (&Value::Null, &json!("off")));
    assert_eq!(list[0]["timer"], Value::Null);

    let nothing = "Id=circ-trans.service\nLoadState=not-found\nActiveState=inactive\n";
    let ended = tenant_with(&area, &says(nothing), &["list"]);
    let told = row(&ended.stdout, "circ-trans");
    assert!(told.ends_with(" - (not installed) success 2h ago healthy"), "{told}");
}

#[test]
fn a_list_is_of_those_that_are_asked_for_and_checked_if_that_is_wished() {
    let area = lake();
    write(area.path(), "poll/tessera-tenant.toml", &operated("poll"));
    write(area.path(), "lake/tenants/poll.toml", "manifest = \"../../poll/tessera-tenant.toml\"\n");
    ran(&area, "poll", "", 60, Some(0));
    let names = |arguments: &[&str], code: i32| -> Vec<String> {
        let ended = tenant(&area, &[&["list", "-o", "json"], arguments].concat());
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        let list: Value = serde_json::from_str(&ended.stdout).unwrap();
        let names = list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    assert_eq!(names(&["poll", "catalog", "poll"], 0), ["catalog", "poll"]);
    assert_eq!(names(&["--health", "healthy"], 0), ["poll"]);
    assert_eq!(names(&["--health", "stale,unknown"], 0), ["circ-trans"]);
    assert_eq!(names(&["--check"], 1), ["catalog", "circ-trans", "poll"]);
    assert_eq!(names(&["--check", "poll", "catalog"], 0), ["catalog", "poll"]);
    let none = tenant(&area, &["list", "--health", "stale"]);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""), "{none:?}");
    let ended = tenant(&area, &["list", "pol"]);
    assert!(ended.code == 3 && ended.stderr.contains("did you mean `poll`?"), "{ended:?}");

    // One that is not valid is no matter to whoever asks about another one.
    write(area.path(), "circ-trans/tessera-tenant.toml", "name = 1\n");
    assert_eq!(names(&["poll"], 0), ["poll"]);
}

#[test]
fn an_instance_without_tenants_is_told_so() {
    let area = tempfile::tempdir().unwrap();
    write(area.path(), "lake/instance.toml", INSTANCE);
    let ended = tenant(&area, &["list"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    assert_eq!(ended.stderr, "no tenants: a file tenants/NAME.toml adds one\n");
    assert_eq!(tenant(&area, &["list", "-o", "json"]).stdout, "[]\n");
    let none = tenant(&area, &["install", "--all", "--dry-run"]);
    assert_eq!((none.code, none.stderr.as_str()), (0, ended.stderr.as_str()), "{none:?}");
    write(area.path(), "lake/instance.toml", "org = 1\n");
    let broken = tenant(&area, &["list"]);
    assert_eq!((broken.code, broken.stdout.as_str()), (1, ""), "{broken:?}");
}

#[test]
fn a_run_under_way_is_told() {
    let area = lake();
    ran(&area, "circ-trans", "", 7300, None);
    let hub = area.path().join("lake/.local/state/tessera/telemetry/circ-trans");
    let lock = fs::File::create(hub.join("run.lock")).unwrap();
    lock.lock_shared().unwrap();
    let ended = tenant(&area, &["list"]);
    let row = row(&ended.stdout, "circ-trans");
    assert!(row.ends_with(" running for 2h unknown"), "{row}");
}

#[test]
fn a_list_for_programs_has_all_that_is_known() {
    let area = lake();
    ran(&area, "circ-trans", "", 7300, Some(0));
    let ended = tenant(&area, &["list", "-o", "json"]);
    let list: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let told = |index: usize, field: &str| list[index][field].clone();
    assert_eq!((told(0, "name"), told(0, "tier")), (json!("catalog"), json!(2)));
    assert_eq!((told(0, "health"), told(0, "last_run")), (Value::Null, Value::Null));
    assert_eq!((told(1, "health"), told(1, "tier")), (json!("healthy"), json!(3)));
    assert_eq!(list[1]["last_run"]["outcome"], "success");
    assert_eq!(list[1]["last_run"]["rows"], 3);
    assert_eq!(list[1]["services"][0]["suffix"], "reconcile");
    let manifest = area.path().join("circ-trans/tessera-tenant.toml");
    assert_eq!(told(1, "manifest"), manifest.to_str().unwrap());
    let next: jiff::Timestamp = told(1, "next").as_str().unwrap().parse().unwrap();
    assert!(next > jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5));
}

#[test]
fn what_is_wrong_with_one_tenant_leaves_the_others() {
    let area = lake();
    write(area.path(), "lake/tenants/lost.toml", "manifest = \"nowhere.toml\"\n");
    let ended = tenant(&area, &["list"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("tenants/lost.toml:1:12"), "{ended:?}");
    assert_eq!(rows(&ended.stdout).len(), 4, "{ended:?}");
    // What the hub has is no file.
    let hub = area.path().join("lake/.local/state/tessera/telemetry");
    write(&hub, "circ-trans", "in the way");
    let ended = tenant(&area, &["list"]);
    assert!(ended.stderr.contains("the telemetry of circ-trans cannot be read"), "{ended:?}");
    assert!(row(&ended.stdout, "circ-trans").ends_with(" unreadable"), "{ended:?}");
}

/// Answers the verbs, and takes some of them for others.
const SLOPPY: &str = "case \"$1\" in\nstatus) echo fine ;;\n\
                      run | dry-run) echo row >> out.csv ;;\nmigrate) ;;\n*) exit 1 ;;\nesac\n";

#[test]
fn a_program_that_breaks_the_contract_is_told_how() {
    let area = lake();
    let folder = area.path().join("circ-trans");
    write(&folder, "app", SLOPPY);
    let text = operated("circ-trans").replace("\"python3\", \"app.py\"", "\"sh\", \"./app\"");
    write(&folder, "tessera-tenant.toml", &text);
    let ended = tenant(&area, &["conform", "../circ-trans"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let out = folder.join("out.csv");
    for line in [
        "circ-trans: failed: verbs: there are four verbs, and no others: with `frobnicate`, it ended with 1",
        "circ-trans: failed: status: before any run, status says so: it ended with 0",
        &format!(
            "circ-trans: failed: dry-run: dry-run writes nothing: it has made {}",
            out.display()
        ),
        "circ-trans: skipped: killed: what is killed never ended: it was never seen to run",
        "circ-trans: ok: migrate-dry-run: migrate applies nothing in a dry-run",
        "  remedy: record each dry-run once, as every run is",
    ] {
        assert!(ended.stdout.lines().any(|own| own == line), "{line}\n{}", ended.stdout);
    }
    let manifest = folder.join("tessera-tenant.toml");
    let ended = tenant(&area, &["conform", manifest.to_str().unwrap(), "-o", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let reports: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&reports[0]["name"], &reports[0]["conforms"]),
        (&json!("circ-trans"), &json!(false))
    );
    let check = &reports[0]["checks"][0];
    assert_eq!((&check["check"], &check["verdict"]), (&json!("verbs"), &json!("failed")));
    assert_eq!(reports.as_array().unwrap().len(), 1, "a service of the same program is no other");
}

#[test]
fn an_interrupted_proof_leaves_nothing_behind() {
    let area = lake();
    let folder = area.path().join("circ-trans");
    let scratch = area.path().join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    write(&folder, "app", "touch began\nexec sleep 600\n");
    let text = operated("circ-trans").replace("\"python3\", \"app.py\"", "\"sh\", \"./app\"");
    write(&folder, "tessera-tenant.toml", &text);
    let variables = [("TMPDIR", scratch.to_str().unwrap())];
    let arguments = ["tenant", "conform", "../circ-trans"];
    let running = Running::start_in(&area.path().join("lake"), &variables, &arguments);
    let bound = Instant::now() + Duration::from_secs(60);
    while !folder.join("began").exists() {
        assert!(Instant::now() < bound, "the program was not started");
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = running.interrupt();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stderr.contains("interrupted: "), "{ended:?}");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "its folders are gone");
}

#[test]
fn what_is_no_program_cannot_be_run() {
    let area = lake();
    let ended = tenant(&area, &["conform", "../catalog"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("error[missing_section]"), "{ended:?}");
    assert_eq!(tenant(&area, &["conform", "../nowhere"]).code, 2);
    let text = operated("circ-trans").replace("\"python3\"", "\"no-such-program\"");
    write(area.path(), "circ-trans/tessera-tenant.toml", &text);
    let ended = tenant(&area, &["conform", "../circ-trans"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let said = "circ-trans: failed: verbs: there are four verbs, and no others: no-such-program \
                cannot be started: ";
    assert!(ended.stdout.starts_with(said), "{ended:?}");
    assert_eq!(ended.stdout.matches(": skipped: ").count(), 6, "{ended:?}");
}
