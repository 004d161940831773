//! Tenants of a fleet: what must hold of one that is declared to the control plane, besides
//! its limits.
//!
//! The one idea: what would be refused on a node is refused when it is declared, with
//! everything that is wrong at once. The places are within the text of the manifest. Its
//! lines are not shown, and of its environment nothing is: what is said here is logged and
//! sent, and values of variables may be secrets.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tessera_manifest::{Format, Limits, Problem, Source, quoted};
use tessera_types::tenant::TenantSpec;
use tessera_types::{Invalid, Name, limits};

use crate::manifest::{self, FILE_NAME, Manifest, Tier, check, code};
use crate::registry::unit_of_file;
use crate::units::{Reach, reach};

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

/// A unit that two tenants, each with its name, both bring. A node has one set of units, so
/// two such tenants cannot both be on it.
#[must_use]
pub fn shared_unit(one: (&Name, &TenantSpec), other: (&Name, &TenantSpec)) -> Option<String> {
    // Units carry their tenant's name, so most tenants need not be looked into.
    let begins = |with: &Name, name: &Name| {
        name.as_str().strip_prefix(with.as_str()).is_some_and(|rest| rest.starts_with('-'))
    };
    if !begins(one.0, other.0) && !begins(other.0, one.0) {
        return None;
    }
    units(one.0, one.1).intersection(&units(other.0, other.1)).next().cloned()
}

/// The units that a tenant brings. They are told from names alone, so also those of a manifest
/// that is not valid any more, as its last time to run has passed.
fn units(name: &Name, spec: &TenantSpec) -> BTreeSet<String> {
    if !spec.units.is_empty() {
        return spec.units.keys().filter_map(|file| unit_of_file(file)).collect();
    }
    let source = Source::new(FILE_NAME, spec.manifest.as_str());
    let read = tessera_manifest::read(source, Format::Toml, &Limits::default(), |document| {
        let services = document.root().get("services");
        let entries = services.map(tessera_manifest::Node::entries).unwrap_or_default();
        Ok(entries.iter().map(|entry| format!("{name}-{}", entry.key)).collect::<Vec<_>>())
    });
    let further = read.ok().and_then(|mut all| all.pop()).unwrap_or_default();
    let all = further.into_iter().chain([name.to_string()]);
    all.flat_map(|unit| [format!("{unit}.service"), format!("{unit}.timer")]).collect()
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
    for Reach { line, message } in reach(file, text) {
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        problems.push(Invalid::new(&path, format!("{line}{message}")));
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
    use proptest::prelude::*;
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
                "spec.units.web.socket: line 1: [Install] belongs in timers only, which start the tenant: remove it",
            ]
        );
    }

    #[test]
    fn the_name_and_the_units_are_those_of_the_manifest() {
        let units =
            [("other-a.timer", "[Install]"), ("other.container", ""), ("other.service", "")];
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

    fn tenant(name: &str, services: &[&str], files: &[String]) -> (Name, TenantSpec) {
        let sections = services.iter().map(|suffix| format!("[services.{suffix}]\n"));
        let units = files.iter().map(|file| (file.clone(), String::new()));
        let (manifest, units) = (sections.collect(), units.collect());
        (name.parse().unwrap(), TenantSpec { manifest, units, ..TenantSpec::default() })
    }

    #[test]
    fn a_service_and_a_tenant_may_come_to_the_same_unit() {
        let (circ, circ_trans) = (tenant("circ", &["trans"], &[]), tenant("circ-trans", &[], &[]));
        let shared = |a: &(Name, TenantSpec), b: &(Name, TenantSpec)| {
            shared_unit((&a.0, &a.1), (&b.0, &b.1))
        };
        let unit = Some("circ-trans.service".to_owned());
        assert_eq!(shared(&circ, &circ_trans), unit);
        assert_eq!(shared(&circ_trans, &circ), unit);
        assert_eq!(shared(&tenant("circ", &["recon"], &[]), &circ_trans), None);
        // What Quadlet makes of a file has another name than the file.
        let by_hand = tenant("circ", &[], &["circ.service".into(), "circ-trans.container".into()]);
        assert_eq!(shared(&by_hand, &circ_trans), unit);
    }

    proptest! {
        /// Tenants that are not looked into have nothing in common.
        #[test]
        fn what_two_tenants_share_is_what_is_in_both(
            names in prop::collection::vec("[ab](-[ab]){0,2}", 2),
            services in prop::collection::vec(prop::collection::btree_set("[ab](-[ab]){0,1}", 0..3), 2),
            files in prop::collection::vec(prop::collection::btree_set("[-.][ab](-volume)?\\.(service|timer|container|volume)", 0..3), 2),
        ) {
            let tenant = |i: usize| {
                let services: Vec<_> = services[i].iter().map(String::as_str).collect();
                let files: Vec<_> = files[i].iter().map(|it| format!("{}{it}", names[i])).collect();
                tenant(&names[i], &services, &files)
            };
            let ((a, a_spec), (b, b_spec)) = (tenant(0), tenant(1));
            prop_assume!(a != b);
            let both = units(&a, &a_spec).intersection(&units(&b, &b_spec)).next().cloned();
            prop_assert_eq!(shared_unit((&a, &a_spec), (&b, &b_spec)), both.clone());
            prop_assert_eq!(shared_unit((&b, &b_spec), (&a, &a_spec)), both);
        }
    }
}
