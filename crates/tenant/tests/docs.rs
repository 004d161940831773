//! The reference of tenants says what is true: its manifests are valid, and it knows every field
//! and every code.

#![expect(
    clippy::disallowed_methods,
    reason = "the core does no I/O, and this test reads the docs"
)]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Checked, Tier, check, json_schema};

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn manifests_are_valid() {
    for name in ["docs/reference/tenant.md", "docs/guides/from-cron-to-tenant.md"] {
        let page = text(name);
        let blocks: Vec<&str> = page.split("```toml,tenant\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{name}");
        for block in blocks {
            let manifest = block.split("```").next().unwrap();
            let checked = checked(&format!("{name}.toml"), manifest.to_owned(), Tier::Two);
            assert_eq!((checked.problems, checked.warnings), (vec![], vec![]), "{name}");
        }
    }
}

fn checked(name: &str, manifest: String, tier: Tier) -> Checked {
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    check(Source::new(name, manifest), tier, jiff::tz::db(), now)
}

#[test]
fn the_examples_are_of_the_tiers_that_they_say() {
    let circ_trans = text("examples/tenants/circ-trans/tessera-tenant.toml");
    let circ_trans = checked("circ-trans.toml", circ_trans, Tier::Three);
    assert_eq!((circ_trans.problems, circ_trans.warnings), (vec![], vec![]));
    let catalog = text("examples/tenants/catalog/tessera-tenant.toml");
    let contract = checked("catalog.toml", catalog.clone(), Tier::Two);
    assert_eq!((contract.problems, contract.warnings), (vec![], vec![]));
    assert_eq!(contract.manifest.unwrap().tier(), Tier::Two);
    let lifecycle = text("examples/tenants/catalog/lifecycle.toml");
    let operated = checked("catalog.toml", catalog + &lifecycle, Tier::Three);
    assert_eq!((operated.problems, operated.warnings), (vec![], vec![]));
}

#[test]
fn every_field_is_told() {
    let page = text("docs/reference/tenant.md");
    let schema = json_schema();
    let tables = schema["definitions"].as_object().unwrap().values().chain([&schema]);
    let tables = tables.filter_map(|table| table["properties"].as_object());
    let fields: Vec<&String> = tables.flat_map(serde_json::Map::<String, Value>::keys).collect();
    assert!(fields.len() > 25);
    for field in fields {
        let forms = [format!("`{field}`"), format!("`[{field}]"), format!("`[{field}.")];
        assert!(forms.iter().any(|form| page.contains(form)), "{field}");
    }
}

#[test]
fn every_code_is_told() {
    let page = text("docs/reference/tenant.md");
    let mut seen = 0;
    for file in ["crates/tenant/src/manifest/mod.rs", "crates/tenant/src/registry/mod.rs"] {
        for line in
            text(file).lines().filter(|line| line.contains("pub const") && line.contains("&str ="))
        {
            let code = line.split('"').nth(1).unwrap();
            if code != tessera_tenant::manifest::FILE_NAME {
                assert!(page.contains(&format!("`{code}`")), "{code}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15);
}
