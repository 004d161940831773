//! The published JSON schema of the manifest. `TESSERA_BLESS=1` writes it anew.

#![expect(
    clippy::disallowed_methods,
    reason = "the core does no I/O, and this test reads what is published"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tessera_tenant::manifest::json_schema;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn valid(text: &str) -> Result<(), String> {
    let manifest: Value = toml::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    validator.validate(&manifest).map_err(|error| error.to_string())
}

#[test]
fn what_is_published_is_current() {
    let path = root().join("docs/schemas/tessera-tenant.schema.json");
    let current = json_schema();
    if std::env::var_os("TESSERA_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&current).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{text}\n")).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    // The order of keys says nothing, and is another where all crates are built together.
    let published: Value = serde_json::from_str(&published).unwrap_or_default();
    assert!(published == current, "run this test with TESSERA_BLESS=1 and commit what it writes");
}

#[test]
fn examples_are_valid() {
    valid(include_str!("manifest/full.toml")).unwrap();
    let folder = root().join("examples/tenants");
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path().join("tessera-tenant.toml");
        if let Ok(text) = fs::read_to_string(&path) {
            valid(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

#[test]
fn an_editor_shows_mistakes() {
    let full = include_str!("manifest/full.toml");
    for (from, to) in [
        ("owner = ", "ownr = "),
        ("\"extract\"", "\"extrac\""),
        ("\"migrate\"]", "\"migrat\"]"),
        (", \"migrate\"]", "]"),
        ("\"integer\"", "\"int\""),
        ("name = \"circ-trans\"", "name = \"Circ Trans\""),
        ("name = \"circ_trans\"", "name = \"circ trans\""),
        ("cpu = \"500m\"", "disk = 1"),
    ] {
        assert!(valid(&full.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}
