//! Tenants of a fleet: what must hold of one that is declared to the control plane, besides
//! its limits.
//!
//! The one idea: what would be refused on a node is refused when it is declared, with
//! everything that is wrong at once. The places are within the text of the manifest. Its
//! lines are not shown, and of its environment nothing is: what is said here is logged and
//! sent, and values of variables may be secrets.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tessera_manifest::{Problem, Source, quoted};
use tessera_types::tenant::TenantSpec;
use tessera_types::{Invalid, Name, limits};

use crate::manifest::{self, FILE_NAME, Manifest, Tier, check, code};
use crate::registry::unit_of_file;

/// All that is wrong with what is declared under `name`. `zones` knows the time zones of the
/// machines that will run it.
#[must_use]
pub fn problems(
    name: &Name,
    spec: &TenantSpec,
    zones: &TimeZoneDatabase,
    now: Timestamp,
) -> Vec<Invalid> {
    let checked = check_manifest(spec, zones, now);
    let mut problems: Vec<_> = checked.problems.iter().map(in_words).collect();
    if let Some(manifest) = &checked.manifest {
        of_manifest(name, manifest, &mut problems);
        if !spec.units.is_empty() {
            complete(manifest, spec, &mut problems);
        }
    }
    for (file, text) in &spec.units {
        of_unit(name, file, text, &mut problems);
    }
    twice(spec, &mut problems);
    problems
}

/// The suffixes of its services, the primary (none) first; nothing for a manifest that is
/// not valid now, as one whose last time to run has passed.
#[must_use]
pub fn services(spec: &TenantSpec, zones: &TimeZoneDatabase, now: Timestamp) -> Vec<Option<Name>> {
    let manifest = check_manifest(spec, zones, now).manifest;
    let services = manifest.iter().flat_map(Manifest::services);
    services.map(|service| service.suffix).collect()
}

fn check_manifest(
    spec: &TenantSpec,
    zones: &TimeZoneDatabase,
    now: Timestamp,
) -> manifest::Checked {
    check(Source::new(FILE_NAME, spec.manifest.as_str()), Tier::Three, zones, now)
}

/// A problem of the manifest without the line that it is in.
fn in_words(problem: &Problem) -> Invalid {
    let Problem { line, column, message, hint, path, .. } = problem;
    let is_secret = path.split(['.', '[']).any(|part| part == "environment");
    let what = match hint {
        _ if is_secret && problem.code != code::INVALID_ENVIRONMENT => {
            "the environment is a table of variables, each text of one line".to_owned()
        }
        Some(hint) => format!("{message} ({hint})"),
        None => message.clone(),
    };
    Invalid::new("spec.manifest", format!("line {line}, column {column}: {what}"))
}

fn of_manifest(name: &Name, manifest: &Manifest, problems: &mut Vec<Invalid>) {
    if manifest.name != *name {
        let message = format!(
            "it is that of {}, and this tenant is {}: give both the same name",
            quoted(manifest.name.as_str()),
            quoted(name.as_str())
        );
        problems.push(Invalid::new("spec.manifest", message));
    }
    let count = manifest.services().len();
    if count > limits::TENANT_SERVICES_MAX {
        let max = limits::TENANT_SERVICES_MAX;
        let message =
            format!("a tenant on a fleet has at most {max} services, this one has {count}");
        problems.push(Invalid::new("spec.manifest", message));
    }
}

/// Units that are written by hand are there for each service.
fn complete(manifest: &Manifest, spec: &TenantSpec, problems: &mut Vec<Invalid>) {
    let units: Vec<_> = spec.units.keys().filter_map(|file| unit_of_file(file)).collect();
    for service in manifest.services() {
        for extension in ["service", "timer"] {
            let unit = format!("{}.{extension}", service.unit);
            if !units.contains(&unit) {
                let message = format!(
                    "no file makes {}: write it, or leave `units` away to have all of them made",
                    quoted(&unit)
                );
                problems.push(Invalid::new("spec.units", message));
            }
        }
    }
}

fn of_unit(name: &Name, file: &str, text: &str, problems: &mut Vec<Invalid>) {
    let path = format!("spec.units.{file}");
    let rest = file.strip_prefix(name.as_str());
    if !rest.is_some_and(|rest| rest.starts_with(['.', '-'])) {
        let message = format!("it does not carry the tenant's name: {name}.… or {name}-….…");
        problems.push(Invalid::new(&path, message));
    }
    if unit_of_file(file).is_none() {
        let message = "it is no unit of systemd or Quadlet: its name ends in .service, .timer, \
                       .container or another of theirs";
        problems.push(Invalid::new(&path, message));
    }
    let installs = text.lines().any(|line| line.trim() == "[Install]");
    if installs && !file.ends_with(".timer") {
        let message = "only a timer has an [Install]: remove the section";
        problems.push(Invalid::new(&path, message));
    }
}

/// No two files make the same unit.
fn twice(spec: &TenantSpec, problems: &mut Vec<Invalid>) {
    let mut known: Vec<(String, &str)> = Vec::new();
    for file in spec.units.keys() {
        let Some(unit) = unit_of_file(file) else { continue };
        if let Some((_, other)) = known.iter().find(|(known, _)| *known == unit) {
            let message = format!("it makes {}, and so does {other}", quoted(&unit));
            problems.push(Invalid::new(&format!("spec.units.{file}"), message));
        }
        known.push((unit, file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MANIFEST: &str = r#"name = "circ"
kind = "extract"
version = "1.2.0"
schema = "circ"
owner = "data@library.example"
sources = ["sierra"]
schedule = "*-*-* 08:35:00 UTC"
freshness = "26h"

[telemetry]

[lifecycle]
entrypoint = ["python3", "app.py"]
subcommands = ["run", "status", "dry-run", "migrate"]
environment = {PIN = "4711"}
"#;

    fn found(name: &str, manifest: &str, units: &[(&str, &str)]) -> Vec<String> {
        let unit = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let units: BTreeMap<_, _> = units.iter().map(unit).collect();
        let spec = TenantSpec { manifest: manifest.to_owned(), units, ..TenantSpec::default() };
        let now = "2026-05-01T08:00:00Z".parse().unwrap();
        let problems = problems(&name.parse().unwrap(), &spec, &TimeZoneDatabase::none(), now);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tenant_that_can_be_installed_has_no_problems() {
        assert_eq!(found("circ", MANIFEST, &[]), [""; 0]);
        let units = [("circ.service", "[Service]"), ("circ.timer", "[Install]")];
        assert_eq!(found("circ", MANIFEST, &units), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let manifest = MANIFEST.replace("extract", "extrct").replace("\"1.2.0\"", "1");
        let found = found("circ", &manifest, &[("web.socket", "[Install]"), ("circ-x", "")]);
        assert_eq!(
            found,
            [
                "spec.manifest: line 2, column 8: unknown value `extrct` (did you mean `extract`?)",
                "spec.manifest: line 3, column 11: expected a string, found the number 1 (a \
                 version is text and has three numbers: \"1.0\")",
                "spec.units.circ-x: it is no unit of systemd or Quadlet: its name ends in \
                 .service, .timer, .container or another of theirs",
                "spec.units.web.socket: it does not carry the tenant's name: circ.… or circ-….…",
                "spec.units.web.socket: only a timer has an [Install]: remove the section",
            ]
        );
    }

    #[test]
    fn the_name_and_the_units_are_those_of_the_manifest() {
        let units = [("other-a.timer", ""), ("other.container", ""), ("other.service", "")];
        assert_eq!(
            found("other", MANIFEST, &units),
            [
                "spec.manifest: it is that of `circ`, and this tenant is `other`: give both the \
                 same name",
                "spec.units: no file makes `circ.service`: write it, or leave `units` away to \
                 have all of them made",
                "spec.units: no file makes `circ.timer`: write it, or leave `units` away to \
                 have all of them made",
                "spec.units.other.service: it makes `other.service`, and so does other.container",
            ]
        );
    }

    #[test]
    fn a_manifest_without_lifecycle_cannot_be_installed() {
        let contract = MANIFEST.split("[lifecycle]").next().unwrap();
        let found = found("circ", contract, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("as Tier 3: lifecycle: required section missing"), "{found:?}");
    }

    #[test]
    fn nothing_of_the_environment_is_told() {
        for environment in [
            "{PIN = 4711}",
            "\"PIN=4711\"",
            "[\"PIN=4711\"]",
            "{PIN = \"4711\\n\"}",
            "{PIN = {value = \"4711\"}}",
            "{PIN = \"4711\"",
        ] {
            let manifest = MANIFEST.replace("{PIN = \"4711\"}", environment);
            let found = found("circ", &manifest, &[]);
            assert!(!found.is_empty(), "{environment}");
            assert!(found.iter().all(|it| !it.contains("4711")), "{found:?}");
        }
    }

    #[test]
    fn services_are_named_by_their_suffix() {
        let manifest = format!("{MANIFEST}[services.reconcile]\nschedule = \"Sun 04:00 UTC\"\n");
        let spec = TenantSpec { manifest, ..TenantSpec::default() };
        let now = "2026-05-01T08:00:00Z".parse().unwrap();
        let services = services(&spec, &TimeZoneDatabase::none(), now);
        assert_eq!(services, [None, Some("reconcile".parse().unwrap())]);
    }
}
