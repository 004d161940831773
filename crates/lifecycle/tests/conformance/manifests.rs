//! A manifest has three readers: the core (`tessera_tenant`), which says all that is wrong with it,
//! and the two SDKs, which take what a program needs. What the first takes, the others take too, and
//! understand in the same way.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tessera_lifecycle::Manifest;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Tier, check};

use crate::probe::{Language, repository};

/// The least that a manifest has.
const LEAST: &str = "name = 'circ-trans'\nkind = 'extract'\nversion = '1.2.0'\nschema = 'items'\n\
    owner = 'o'\nsources = ['sierra']\nschedule = 'daily UTC'\nfreshness = '26h'\n\
    telemetry = {}\n";

const LIFECYCLE: &str = "[lifecycle]\nentrypoint = ['app']\n\
    subcommands = ['run', 'status', 'dry-run', 'migrate']\n";

/// Manifests that are valid, each unlike the least in what programs read.
fn table() -> Vec<String> {
    let with = |from: &str, to: &str| LEAST.replace(from, to);
    let columns = "schema = {name = 'items', columns = [{name = 'id', type = 'integer'}]}";
    let of_table = with("schema = 'items'\n", "");
    let untold = with("telemetry = {}\n", "");
    vec![
        LEAST.to_owned(),
        format!("\u{feff}{LEAST}"),
        LEAST.replace('\n', "\r\n"),
        format!("# ä\n{LEAST}description = '''\nof\nlines'''\n"),
        with("schema = 'items'", columns),
        format!("{of_table}[schema]\nname = 'items'\n"),
        with("['sierra']", "['sierra', 'a b', \"\\u00fc\"]"),
        with("1.2.0", "1.2.0-rc.1+build.5"),
        format!("{untold}[telemetry]\n"),
        format!("{untold}[telemetry]\nnamespace = 'library / ü'\n"),
        format!("{untold}telemetry.namespace = 'library'\n"),
        format!("{LEAST}{LIFECYCLE}"),
        format!(
            "{LEAST}{LIFECYCLE}[services.z]\nschedule = 'hourly UTC'\n[services.a-1]\nschedule = 'hourly UTC'\n"
        ),
        with("'circ-trans'", &format!("'{}'", "n".repeat(63))),
        with("26h", "1d2h"),
        with("26h", "P1DT2H"),
        with("26h", " 26h "),
        with("26h", "1d 2h 30m"),
        with("26h", "2 days"),
        with("26h", "40h30m"),
        fs::read_to_string(repository("crates/tenant/tests/manifest/full.toml")).unwrap(),
    ]
}

/// Manifests that lack what a program needs: no reader takes them.
fn broken() -> Vec<String> {
    let without = |from: &str| LEAST.replace(from, "");
    vec![
        without("name = 'circ-trans'\n"),
        without("version = '1.2.0'\n"),
        without("schema = 'items'\n"),
        without("sources = ['sierra']\n"),
        without("freshness = '26h'\n"),
        LEAST.replace("circ-trans", "Circ_Trans"),
        LEAST.replace("circ-trans", &"n".repeat(64)),
        LEAST.replace("26h", "soon"),
        LEAST.replace("['sierra']", "'sierra'"),
        LEAST.replace("'items'", "5"),
        format!("{LEAST}[services.A_B]\nschedule = 'hourly UTC'\n"),
        format!("{LEAST}telemetry = 5\n"),
        format!("{LEAST}name = 'again'\n"),
        "name = \n".to_owned(),
    ]
}

/// What a program takes of a manifest, as the core reads it.
fn of_core(text: &str) -> Option<Value> {
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    let checked = check(Source::new("m.toml", text), Tier::Two, jiff::tz::db(), now);
    let manifest = checked.into_result().ok()?;
    Some(json!({
        "name": manifest.name, "version": manifest.version.to_string(),
        "schema": manifest.schema.name(), "sources": manifest.sources,
        "freshness_ms": manifest.freshness.as_millis(),
        "namespace": manifest.telemetry.namespace,
        "services": manifest.services.keys().collect::<Vec<_>>(),
    }))
}

fn of_rust(text: &str) -> Option<Value> {
    let manifest = Manifest::parse("m.toml", text).ok()?;
    Some(json!({
        "name": manifest.name, "version": manifest.version, "schema": manifest.schema,
        "sources": manifest.sources, "freshness_ms": manifest.freshness.duration.as_millis(),
        "namespace": manifest.namespace, "services": manifest.services,
    }))
}

/// Reads each file that it is given, and prints what it took, or null.
const PYTHON: &str = "
import json, sys
from tessera_lifecycle import manifest as manifests
FIELDS = 'name version schema sources freshness_ms namespace services'.split()
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        content = file.read()
    try:
        taken = manifests.parse(path, content)
        print(json.dumps({field: getattr(taken, field) for field in FIELDS}))
    except manifests.ManifestError:
        print('null')
";

fn of_python(texts: &[String]) -> Vec<Option<Value>> {
    let folder = tempfile::tempdir().unwrap();
    let paths = texts.iter().enumerate().map(|(index, text)| {
        let path = folder.path().join(format!("{index}.toml"));
        fs::write(&path, text).unwrap();
        path
    });
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", repository("sdk/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.args(["-c", PYTHON]).args(paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_valid_is_read_alike() {
    let table = table();
    for text in &table {
        let core = of_core(text);
        assert!(core.is_some(), "{text}");
        assert_eq!(of_rust(text), core, "{text}");
    }
    if Language::Python.is_there() {
        for (text, taken) in table.iter().zip(of_python(&table)) {
            assert_eq!(taken, of_core(text), "{text}");
        }
    }
}

#[test]
fn what_a_program_needs_is_missed_alike() {
    let table = broken();
    for text in &table {
        assert_eq!((of_core(text), of_rust(text)), (None, None), "{text}");
    }
    if Language::Python.is_there() {
        for (text, taken) in table.iter().zip(of_python(&table)) {
            assert_eq!(taken, None, "{text}");
        }
    }
}

/// What is wrong elsewhere is for people to mend, and keeps no program from its work.
#[test]
fn what_a_program_does_not_need_does_not_stop_it() {
    let table = [
        LEAST.replace("daily UTC", "2020-01-01 UTC"),
        LEAST.replace("daily UTC", "daily Nowhere/City"),
        LEAST.replace("extract", "extrakt"),
        LEAST.replace("26h", "2h"),
        LEAST.to_owned() + "colour = 'red'\n",
    ];
    for text in &table {
        assert_eq!((of_core(text), of_rust(text).is_some()), (None, true), "{text}");
    }
    if Language::Python.is_there() {
        assert!(of_python(&table).iter().all(Option::is_some));
    }
}
