//! A program that keeps the contract passes every check, and one that breaks it in one way fails
//! exactly the check for that.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tessera_conform::{Check, Options, Subject, Verdict, conform};
use tessera_manifest::Source;
use tessera_tenant::manifest::{Tier, Volume, check};

/// Far more than any call takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tenant with this fault, in a folder of its own.
fn tenant(fault: &str) -> (TempDir, Subject) {
    let area = tempfile::tempdir().unwrap();
    let folder = area.path().join("sample");
    fs::create_dir_all(area.path().join("lake")).unwrap();
    fs::create_dir_all(&folder).unwrap();
    fs::write(area.path().join("lake/items.csv"), "aaa").unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tenant.py"), folder.join("app.py"))
        .unwrap();
    let lake = area.path().join("lake");
    let text = format!(
        "name = 'sample'\nkind = 'extract'\nversion = '1.2.0'\nschema = 'x'\nowner = 'o'\n\
         sources = ['s']\nschedule = 'daily UTC'\nfreshness = '26h'\ntelemetry = {{}}\n[lifecycle]\n\
         entrypoint = ['python3', './app.py']\n\
         subcommands = ['run', 'status', 'dry-run', 'migrate']\n\
         environment = {{FAULT = '{fault}', LAKE = '{}'}}\n",
        lake.display()
    );
    let manifest = folder.join("tessera-tenant.toml");
    fs::write(&manifest, &text).unwrap();
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    let checked = check(Source::new("t.toml", text), Tier::Three, jiff::tz::db(), now);
    let declared = checked.into_result().unwrap();
    let subject = Subject {
        tenant: declared.name.clone(),
        version: declared.version.to_string(),
        service: declared.services().remove(0),
        podman: Vec::new(),
        manifest,
        folder,
    };
    (area, subject)
}

fn checks(fault: &str, patience: Duration) -> Vec<Check> {
    let (_area, subject) = tenant(fault);
    conform(&subject, Options { patience, in_earnest: true, interrupted: None }, |_| {}).unwrap()
}

fn failed(checks: &[Check]) -> Vec<&'static str> {
    checks.iter().filter(|check| check.verdict.is_failed()).map(|check| check.check).collect()
}

#[test]
fn a_program_that_keeps_the_contract_fails_nothing() {
    if !tessera_testkit::part("python") {
        return;
    }
    let checks = checks("", PATIENCE);
    assert_eq!(failed(&checks), [""; 0], "{checks:?}");
    let names: Vec<_> = checks.iter().map(|check| check.check).collect();
    let all = ["verbs", "status", "dry-run", "record", "exit-code", "killed", "migrate-dry-run"];
    assert_eq!(names[..7], all);
    assert_eq!(names[7..], ["migrate", "run-dry-run", "run"]);
}

#[test]
fn each_fault_is_found_by_its_check_alone() {
    if !tessera_testkit::part("python") {
        return;
    }
    let faults = [
        ("any-case", "verbs"),
        ("default-verb", "verbs"),
        ("other-usage", "verbs"),
        ("names-two", "verbs"),
        ("records-usage", "verbs"),
        ("status-well", "status"),
        ("status-field", "status"),
        ("no-json", "status"),
        ("writes-here", "dry-run"),
        ("writes-home", "dry-run"),
        ("rewrites-lake", "dry-run"),
        ("no-record", "record"),
        ("recorded-as-run", "record"),
        ("no-end", "exit-code"),
        ("says-success", "exit-code"),
        ("outcome", "exit-code"),
        ("usage-code", "exit-code"),
        ("podman-code", "exit-code"),
        ("signal", "exit-code"),
        ("migrates-dry", "migrate-dry-run"),
        ("migrates-twice", "migrate"),
        ("run-ignores", "run-dry-run"),
    ];
    // Each has a folder of its own, and most of its time is the start of an interpreter.
    std::thread::scope(|scope| {
        for share in faults.chunks(6) {
            scope.spawn(|| share.iter().for_each(|(fault, check)| fails_alone(fault, check)));
        }
    });
}

fn fails_alone(fault: &str, check: &str) {
    let (_area, subject) = tenant(fault);
    // What a dry-run does wrong, a run does as well: the work in earnest only for its own.
    let in_earnest = ["migrate", "run-dry-run"].contains(&check);
    let checks =
        conform(&subject, Options { patience: PATIENCE, in_earnest, interrupted: None }, |_| {})
            .unwrap();
    assert_eq!(failed(&checks), [check], "{fault}: {checks:?}");
}

#[test]
fn a_lake_that_is_named_from_the_folder_or_by_a_link_is_looked_at() {
    if !tessera_testkit::part("python") {
        return;
    }
    let (area, mut subject) = tenant("rewrites-lake");
    let link = area.path().join("link");
    std::os::unix::fs::symlink("lake", &link).unwrap();
    for lake in ["../lake", link.to_str().unwrap(), "../link"] {
        subject.service.environment.insert("LAKE".to_owned(), lake.to_owned());
        fs::write(area.path().join("lake/items.csv"), "aaa").unwrap();
        let options = Options { patience: PATIENCE, in_earnest: false, interrupted: None };
        let checks = conform(&subject, options, |_| {}).unwrap();
        assert_eq!(failed(&checks), ["dry-run"], "{lake}: {checks:?}");
    }
}

#[test]
fn an_end_that_is_recorded_before_the_work_is_found() {
    if !tessera_testkit::part("python") {
        return;
    }
    // This program never ends, so each of its calls takes as long as it is given.
    let (_area, subject) = tenant("ended-early");
    let options =
        Options { patience: Duration::from_secs(20), in_earnest: false, interrupted: None };
    let checks = conform(&subject, options, |_| {}).unwrap();
    let killed = checks.iter().find(|check| check.check == "killed").unwrap();
    let Verdict::Failed { seen, .. } = &killed.verdict else { panic!("{checks:?}") };
    assert_eq!(seen, "the hub says that it ended, while it still ran");
    let code = checks.iter().find(|check| check.check == "exit-code").unwrap();
    let Verdict::Failed { seen, .. } = &code.verdict else { panic!("{checks:?}") };
    assert!(seen.starts_with("it did not end in time"), "{seen}");
}

/// What is seen of a program that cannot be started: all but the first check are skipped.
fn hindrance(subject: &Subject) -> (String, &'static str) {
    let options = Options { patience: PATIENCE, in_earnest: true, interrupted: None };
    let checks = conform(subject, options, |_| {}).unwrap();
    let [first, others @ ..] = checks.as_slice() else { panic!("{checks:?}") };
    let is_skipped = |check: &Check| {
        check.verdict == Verdict::Skipped { why: "the program cannot be started".to_owned() }
    };
    assert!(others.len() == 9 && others.iter().all(is_skipped), "{checks:?}");
    let Verdict::Failed { seen, remedy } = &first.verdict else { panic!("{checks:?}") };
    (seen.clone(), remedy)
}

#[test]
fn a_program_that_is_not_there_is_told_once() {
    let (area, mut subject) = tenant("");
    subject.service.entrypoint = vec!["./no-such-program".to_owned()];
    let (seen, remedy) = hindrance(&subject);
    let program = area.path().join("sample/./no-such-program");
    assert!(seen.starts_with(&format!("{} cannot be started: ", program.display())), "{seen}");
    assert_eq!(remedy, "correct `entrypoint` in the manifest");
    subject.service.entrypoint = ["sh", "-c", "no-such-program"].map(str::to_owned).to_vec();
    let (seen, _) = hindrance(&subject);
    assert!(
        seen.starts_with("what it starts is not there: it ended with 127, and said: "),
        "{seen}"
    );
    // One that can be written, and not executed.
    subject.service.entrypoint = vec!["./app.py".to_owned()];
    let (seen, _) = hindrance(&subject);
    assert!(seen.contains("app.py cannot be started: "), "{seen}");
}

#[test]
fn a_program_that_lacks_a_part_is_told_once() {
    if !tessera_testkit::part("python") {
        return;
    }
    let (area, mut subject) = tenant("");
    fs::write(area.path().join("sample/app.py"), "import no_such_module\n").unwrap();
    let (seen, remedy) = hindrance(&subject);
    assert_eq!(
        seen,
        "a part of the program is not there: it ended with 1, and said: ModuleNotFoundError: No \
         module named 'no_such_module'"
    );
    assert!(remedy.starts_with("install that"), "{remedy}");
    subject.service.entrypoint[1] = "./mian.py".to_owned();
    let (seen, _) = hindrance(&subject);
    assert!(seen.starts_with("the program is not there: it ended with 2, and said: "), "{seen}");
}

#[test]
fn a_podman_that_hangs_is_not_waited_for() {
    let (area, mut subject) = tenant("");
    subject.service.image = Some("localhost/no-such-image:1".to_owned());
    subject.podman = ["sh", "-c", "exec sleep 1000000", "podman"].map(str::to_owned).to_vec();
    let options = Options { patience: Duration::ZERO, in_earnest: false, interrupted: None };
    let error = conform(&subject, options, |_| {}).unwrap_err().to_string();
    let asked = "`podman image exists localhost/no-such-image:1` does not end within 0ns";
    assert!(error.ends_with(asked), "{error}");
    drop(area);
}

/// A tenant of busybox, which has no locks.
const BUSYBOX: &str = r#"
hub=$TESSERA_TELEMETRY_DIR/sample
append() {
    mkdir -p $hub
    echo "{\"run_id\":\"a\",\"tenant\":\"sample\",\"verb\":\"dry-run\",\"version\":\"1.2.0\",\"event\":\"$1\",\"at\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"$2}" >> $hub/runs.jsonl
}
case "$1" in
migrate) ;;
status)
    text='"text":"sample: unknown: never run"'
    nothing='"last_success_at":null,"last_success_age_seconds":null,"last_run":null,"running_since":null'
    echo "{\"tenant\":\"sample\",\"version\":\"1.2.0\",\"health\":\"unknown\",\"freshness_seconds\":93600,$nothing,$text}"
    exit 1 ;;
dry-run)
    append started
    case "$FAULT" in
    writes) echo x > /tmp/out.csv ;;
    writes-lake) echo x > /lake/out.csv ;;
    never-ends) sleep 3600 ;;
    esac
    append ended ',"outcome":"failure","exit_code":7,"duration_ms":1'
    exit 7 ;;
*) echo "run status dry-run migrate" >&2; exit 2 ;;
esac
"#;

/// The same in an image of this podman, with a fault.
fn contained(podman: &tessera_testkit::Podman, fault: &str) -> (TempDir, Subject) {
    let (area, mut subject) = tenant(fault);
    let (arguments, environment) = podman.command_line();
    let variables = environment.into_iter().map(|(name, value)| format!("{name}={value}"));
    subject.podman = ["env".to_owned()].into_iter().chain(variables).collect();
    subject.podman.push("podman".to_owned());
    subject.podman.extend(arguments);
    subject.service.image = Some(podman.image().to_owned());
    subject.service.entrypoint = ["sh", "-c", BUSYBOX, "sample"].map(str::to_owned).to_vec();
    (area, subject)
}

#[test]
fn a_container_has_the_volumes_of_its_unit_and_they_are_looked_at() {
    let Some(podman) = tessera_testkit::podman() else { return };
    let (area, mut subject) = contained(&podman, "writes-lake");
    let lake = area.path().join("lake").display().to_string();
    let volume = |from: &str, options: Option<&str>| Volume {
        from: from.to_owned(),
        to: "/lake".to_owned(),
        options: options.map(str::to_owned),
    };
    subject.service.volumes = vec![volume(&lake, None)];
    let options = Options { patience: PATIENCE, in_earnest: false, interrupted: None };
    let mut checks = conform(&subject, options, |_| {}).unwrap();
    checks.retain(|check| check.check != "killed");
    assert_eq!(failed(&checks), ["dry-run"], "{checks:?}");
    assert!(format!("{checks:?}").contains(&format!("it has made {lake}/out.csv")), "{checks:?}");
    subject.service.volumes = vec![volume("/no/such/folder", Some("ro"))];
    let (seen, _) = hindrance(&subject);
    assert!(seen.starts_with("podman could not run the container: "), "{seen}");
    subject.service.volumes.clear();
    subject.service.entrypoint = vec!["/no/such/program".to_owned()];
    let (seen, _) = hindrance(&subject);
    assert!(seen.starts_with("podman found no such program in the image: "), "{seen}");
}

/// A podman that only tells how it was called.
#[test]
fn what_the_environment_says_is_not_on_the_command_line() {
    let (area, mut subject) = tenant("");
    let said = area.path().join("said");
    let tells = format!("echo \"$*\" >>{0}; echo \"$SECRET\" >>{0}", said.display());
    subject.podman = ["sh", "-c", &tells, "podman"].map(str::to_owned).to_vec();
    subject.service.image = Some("localhost/an-image:1".to_owned());
    let own = [("SECRET", "two  words"), ("HOME", "/data")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    subject.service.environment.extend(own);
    let options = Options { patience: PATIENCE, in_earnest: false, interrupted: None };
    conform(&subject, options, |_| {}).unwrap();
    let said = fs::read_to_string(said).unwrap();
    let run = said.lines().find(|line| line.starts_with("run ")).unwrap();
    assert!(run.contains("--env SECRET ") && !run.contains("words"), "{run}");
    // It would take this for its own.
    assert!(run.contains("--env HOME=/data "), "{run}");
    assert!(said.lines().any(|line| line == "two  words"), "{said}");
}

#[test]
fn a_program_in_a_container_is_checked_there() {
    let Some(podman) = tessera_testkit::podman() else { return };
    for (fault, expected) in [("", &[][..]), ("writes", &["dry-run"])] {
        let (_area, subject) = contained(&podman, fault);
        let options = Options { patience: PATIENCE, in_earnest: false, interrupted: None };
        let mut checks = conform(&subject, options, |_| {}).unwrap();
        // Without the lock it may be too quick, or end while it is killed.
        checks.retain(|check| check.check != "killed");
        assert_eq!(failed(&checks), expected, "{fault}: {checks:?}");
        if let Some(Verdict::Failed { seen, .. }) =
            checks.iter().map(|it| &it.verdict).find(|it| it.is_failed())
        {
            assert_eq!(seen, "it has made /tmp/out.csv in its container");
        }
    }
    // None is left, not even of the calls that were ended.
    let (_area, subject) = contained(&podman, "never-ends");
    let options =
        Options { patience: Duration::from_secs(20), in_earnest: false, interrupted: None };
    let checks = conform(&subject, options, |_| {}).unwrap();
    let verdict = |name: &str| &checks.iter().find(|check| check.check == name).unwrap().verdict;
    assert_eq!(verdict("killed"), &Verdict::Ok, "{checks:?}");
    assert!(verdict("exit-code").is_failed(), "{checks:?}");
    assert_eq!(podman.run(&["ps", "--all", "--quiet"]), "");

    let (_area, mut subject) = contained(&podman, "");
    subject.service.image = Some("localhost/no-such-image:1".to_owned());
    let missing = "the image localhost/no-such-image:1 is not here".to_owned();
    assert_eq!(hindrance(&subject), (missing, "make or pull it"));
    subject.podman = vec!["/no/such/podman".to_owned()];
    let error = conform(&subject, options, |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("it runs in a container, and podman cannot be asked: "), "{error}");
}
