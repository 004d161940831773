//! Commands about the tenants of an instance, which is a folder.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ended, run_in};

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

fn tenant(area: &TempDir, arguments: &[&str]) -> Ended {
    run_in(&area.path().join("lake"), &[], &[&["tenant"], arguments].concat())
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
}
