//! What an instance's registry says, and what is wrong with one.

use std::collections::BTreeMap;

use jiff::tz::db;
use tessera_manifest::Source;
use tessera_tenant::registry::{EntryFiles, Registry, read, unit_of_file};

const INSTANCE: &str = "org = 'library'\nscope = 'dev'\n";

/// A Tier 3 manifest with these further services.
fn manifest(name: &str, suffixes: &[&str]) -> String {
    let mut text = format!(
        "name = '{name}'\nkind = 'extract'\nversion = '1.0.0'\nschema = 'x'\nowner = 'o'\n\
         sources = ['s']\nschedule = 'daily UTC'\nfreshness = '26h'\ntelemetry = {{}}\n[lifecycle]\n\
         entrypoint = ['app']\nsubcommands = ['run', 'status', 'dry-run', 'migrate']\n"
    );
    for suffix in suffixes {
        text += &format!("[services.{suffix}]\nschedule = 'weekly UTC'\n");
    }
    text
}

/// A registry of entries by file, with manifests and units by the path that an entry has.
fn registry(
    entries: &[(&str, &str)],
    manifests: &[(&str, String)],
    units: &[(&str, &[&str])],
) -> Registry {
    let manifests: BTreeMap<_, _> = manifests.iter().cloned().collect();
    let units: BTreeMap<_, _> = units.iter().copied().collect();
    let files = entries.iter().map(|(name, text)| Source::new(format!("tenants/{name}"), *text));
    let listing = read(Source::new("instance.toml", INSTANCE), files.collect());
    let none = || "no such file".to_owned();
    let find = |entry: &tessera_tenant::registry::Entry| EntryFiles {
        manifest: manifests
            .get(entry.manifest.as_str())
            .map(|text| Source::new(&entry.manifest, text.as_str()))
            .ok_or_else(none),
        units: entry.units.as_ref().map(|path| {
            let files = units.get(path.as_str()).ok_or_else(none)?;
            Ok(files.iter().map(ToString::to_string).collect())
        }),
    };
    listing.assemble(find, db(), "2026-06-18T12:00:00Z".parse().unwrap())
}

fn said(registry: &Registry) -> Vec<String> {
    registry.problems.iter().map(ToString::to_string).collect()
}

fn names(registry: &Registry) -> Vec<&str> {
    registry.tenants.iter().map(|tenant| tenant.manifest.name.as_str()).collect()
}

#[test]
fn a_file_adds_a_tenant() {
    let registry = registry(
        &[("circ-trans.toml", "manifest = 'c.toml'"), ("catalog.toml", "manifest = 'k.toml'")],
        &[("c.toml", manifest("circ-trans", &["reconcile"])), ("k.toml", manifest("catalog", &[]))],
        &[],
    );
    assert_eq!(said(&registry), [""; 0]);
    assert_eq!(names(&registry), ["catalog", "circ-trans"]);
    assert_eq!(registry.instance.as_ref().unwrap().org.as_str(), "library");
    assert_eq!(
        registry.tenant_named("circ-trans").unwrap().unit_files(),
        [
            "circ-trans.service",
            "circ-trans.timer",
            "circ-trans-reconcile.service",
            "circ-trans-reconcile.timer"
        ]
    );
}

#[test]
fn one_broken_entry_leaves_the_others() {
    let registry = registry(
        &[
            ("catalog.toml", "manifest = 'catalog.toml'"),
            ("Circ.toml", "manifest = 'catalog.toml'"),
            ("gone.toml", "manifest = 'gone.toml'\n"),
            ("odd.toml", "manifst = 'x'"),
            ("other.toml", "manifest = 'catalog.toml'"),
            ("wrong.toml", "manifest = 'wrong.toml'"),
        ],
        &[
            ("catalog.toml", manifest("catalog", &[])),
            ("wrong.toml", manifest("wrong", &[]).replace("'26h'", "'1h'")),
        ],
        &[],
    );
    assert_eq!(names(&registry), ["catalog"]);
    let said = said(&registry);
    let expected = [
        "tenants/Circ.toml:1:1: the file of an entry has the name of a tenant: `Circ` is not a name",
        "tenants/odd.toml:1:1: unknown field `manifst`: did you mean `manifest`?",
        "tenants/gone.toml:1:12: the manifest cannot be read: no such file (manifest): correct",
        "tenants/other.toml:1:12: the manifest is that of `catalog`, and this file is for `other`",
        "wrong.toml:8:13: 1h is shorter than the 1d",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}\n{expected}");
    }
}

#[test]
fn unit_names_are_unique_across_tenants() {
    let registry = registry(
        &[("circ.toml", "manifest = 'a'"), ("circ-trans.toml", "manifest = 'b'")],
        &[("a", manifest("circ", &["trans"])), ("b", manifest("circ-trans", &[]))],
        &[],
    );
    assert_eq!(names(&registry), ["circ"]);
    let said = said(&registry);
    assert!(said[0].contains("`circ-trans.service` is a unit of circ already"), "{said:?}");
    assert!(said[1].contains("`circ-trans.timer` is a unit of circ already"), "{said:?}");
}

#[test]
fn units_written_by_hand_are_looked_at() {
    let check = |files: &[&str]| {
        let manifests = [("a", manifest("circ", &["fix"]))];
        let entries = [("circ.toml", "manifest = 'a'\nunits = 'units'")];
        registry(&entries, &manifests, &[("units", files)])
    };
    let good =
        ["circ.container", "circ.timer", "circ-fix.service", "circ-fix.timer", "circ.network"];
    assert_eq!(said(&check(&[&good[..], &["README.md"]].concat())), [""; 0]);
    let few = said(&check(&good[..3]));
    assert!(few[0].contains("no file among the units makes `circ-fix.timer`"), "{few:?}");
    let foreign = said(&check(&[&good[..], &["lake.network"]].concat()));
    assert!(foreign[0].contains("`lake.network` does not carry the name of its tenant"));
    let twice = said(&check(&[&good[..], &["circ.service"]].concat()));
    assert!(twice[0].contains("`circ.service` is a unit of circ already"), "{twice:?}");
}

#[test]
fn files_make_the_units_that_quadlet_says() {
    let made = |file| unit_of_file(file);
    assert_eq!(made("a.container").as_deref(), Some("a.service"));
    assert_eq!(made("a.network").as_deref(), Some("a-network.service"));
    assert_eq!(made("a.timer").as_deref(), Some("a.timer"));
    assert_eq!(made("a.md"), None);
    assert_eq!(made(".timer"), None);
}
