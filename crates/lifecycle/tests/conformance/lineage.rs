//! The events of both SDKs, as OpenLineage wants them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::probe::{finish, folder};
use crate::{env, languages, manifest};

/// What version 2-0-2 of the specification, and 1-0-2 of the facet, require of a run event that has
/// nothing more than ours.
fn specification() -> Value {
    let text = json!({"type": "string"});
    let uri = json!({"type": "string", "format": "uri"});
    let named = json!({
        "type": "object",
        "properties": {"namespace": text, "name": text},
        "required": ["namespace", "name"],
        "additionalProperties": false,
    });
    let statistics = json!({
        "type": "object",
        "properties": {
            "_producer": uri, "_schemaURL": uri,
            "rowCount": {"type": "integer"}, "size": {"type": "integer"}, "fileCount": {"type": "integer"},
        },
        "required": ["_producer", "_schemaURL", "rowCount"],
        "additionalProperties": false,
    });
    let output = json!({
        "type": "object",
        "properties": {
            "namespace": text, "name": text,
            "outputFacets": {
                "type": "object",
                "properties": {"outputStatistics": statistics},
                "additionalProperties": false,
            },
        },
        "required": ["namespace", "name"],
        "additionalProperties": false,
    });
    let states = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
    json!({
        "type": "object",
        "properties": {
            "eventType": {"enum": states},
            "eventTime": {"type": "string", "format": "date-time"},
            "run": {
                "type": "object",
                "properties": {"runId": {"type": "string", "format": "uuid"}},
                "required": ["runId"],
                "additionalProperties": false,
            },
            "job": named,
            "inputs": {"type": "array", "items": named},
            "outputs": {"type": "array", "items": output},
            "producer": uri,
            "schemaURL": uri,
        },
        "required": ["eventTime", "producer", "schemaURL", "run", "job"],
        "additionalProperties": false,
    })
}

#[test]
fn events_are_those_of_the_specification() {
    let schema = jsonschema::options().should_validate_formats(true);
    let schema = schema.build(&specification()).unwrap();
    for language in languages() {
        let root = folder(&manifest());
        for what in ["rows:3", "code:7", "done"] {
            let variables = env(&[("PROBE", what), ("TESSERA_SERVICE", "reconcile")]);
            finish(language.probe(root.path(), &["run"], &variables).spawn().unwrap());
        }
        let text =
            fs::read_to_string(root.path().join("hub/circ-trans/openlineage.jsonl")).unwrap();
        // A run begins once and is over once, and nothing follows that.
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            for (field, other) in
                [("eventTime", json!("today")), ("producer", json!("a b")), ("run", json!({}))]
            {
                let mut event = event.clone();
                event[field] = other;
                assert!(!schema.is_valid(&event), "{field} is not looked at");
            }
            let wrong: Vec<_> = schema.iter_errors(&event).map(|it| it.to_string()).collect();
            assert!(wrong.is_empty(), "{language:?}: {wrong:?}\n{line}");
            let schemas = [
                (
                    &event["schemaURL"],
                    "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                ),
                (
                    &event["outputs"][0]["outputFacets"]["outputStatistics"]["_schemaURL"],
                    "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json\
                     #/$defs/OutputStatisticsOutputDatasetFacet",
                ),
            ];
            for (named, expected) in schemas {
                assert!(named.is_null() || named == expected, "{named}");
            }
            let run = runs.entry(event["run"]["runId"].to_string()).or_default();
            run.push(event["eventType"].as_str().unwrap().to_owned());
        }
        let mut told: Vec<_> = runs.into_values().collect();
        told.sort();
        let expected = [["START", "COMPLETE"], ["START", "COMPLETE"], ["START", "FAIL"]];
        assert_eq!(told, expected, "{language:?}");
    }
}
