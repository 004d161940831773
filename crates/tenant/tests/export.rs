//! The data contract in the Open Data Contract Standard.

use jiff::tz::db;
use serde_json::{Value, json};
use tessera_manifest::Source;
use tessera_tenant::export::odcs;
use tessera_tenant::manifest::{Tier, check};

fn contract(text: &str) -> Value {
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    let checked = check(Source::new("tessera-tenant.toml", text), Tier::Two, db(), now);
    odcs(&checked.into_result().unwrap(), "library", db(), now)
}

/// What version 3.0.2 of the standard says of the parts that are exported.
fn standard() -> Value {
    let text = json!({"type": "string"});
    let property = json!({
        "type": "object",
        "properties": {
            "name": text, "description": text,
            "logicalType": {
                "enum": ["string", "date", "number", "integer", "object", "array", "boolean"]
            },
            "logicalTypeOptions": {"type": "object", "properties": {"format": text}},
            "required": {"type": "boolean"}, "unique": {"type": "boolean"},
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    let object = json!({
        "type": "object",
        "properties": {
            "name": text, "logicalType": {"const": "object"},
            "properties": {"type": "array", "items": property},
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    let promise = json!({
        "type": "object",
        "properties": {
            "property": text, "value": {"type": ["string", "number"]}, "unit": text, "element": text,
        },
        "required": ["property", "value"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "version": text, "kind": {"const": "DataContract"}, "apiVersion": {"const": "v3.0.2"},
            "id": text, "name": text, "tenant": text, "status": text,
            "description": {"type": "object", "properties": {"purpose": text}},
            "schema": {"type": "array", "items": object},
            "team": {"type": "array", "items": {"properties": {"username": text, "role": text}}},
            "slaProperties": {"type": "array", "items": promise},
            "customProperties": {"type": "array", "items": {"properties": {"property": text}}},
        },
        "required": ["version", "apiVersion", "kind", "id", "status"],
        "additionalProperties": false,
    })
}

#[test]
fn a_contract_has_the_structure_of_the_standard() {
    let contract = contract(include_str!("manifest/full.toml"));
    jsonschema::validate(&standard(), &contract).unwrap();
    assert_eq!(contract["id"], "library/circ-trans");
    assert_eq!(contract["version"], "1.2.0");
    let [item, at] = &contract["schema"][0]["properties"].as_array().unwrap()[..] else { panic!() };
    assert_eq!((&item["required"], &item["unique"]), (&json!(true), &json!(true)));
    assert_eq!(at["logicalType"], "date", "a timestamp is a date before version 3.1");
    assert_eq!(
        contract["slaProperties"],
        json!([
            {"property": "latency", "value": 26, "unit": "h", "element": "circ_trans"},
            {"property": "frequency", "value": 1, "unit": "d", "element": "circ_trans"},
        ])
    );
    assert_eq!(contract["team"][0]["username"], "data@library.example");
    assert!(contract.get("servers").is_none());
}

#[test]
fn a_dataset_without_columns_is_still_one() {
    let text = "name = 'catalog'\nkind = 'serve'\nversion = '1.0.0'\nschema = 'catalog'\n\
                owner = 'o'\nsources = ['s']\nschedule = '2027-01-01'\nfreshness = '90s'\ntelemetry = {}\n";
    let contract = contract(text);
    jsonschema::validate(&standard(), &contract).unwrap();
    assert_eq!(contract["schema"], json!([{"name": "catalog", "logicalType": "object"}]));
    // One run has no interval.
    let latency = json!({"property": "latency", "value": 90, "unit": "s", "element": "catalog"});
    assert_eq!(contract["slaProperties"], json!([latency]));
}
