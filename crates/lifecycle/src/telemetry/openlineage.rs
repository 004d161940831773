//! Runs as run events of [OpenLineage](https://openlineage.io/spec/2-0-2/OpenLineage.json): what a
//! job reads and what it makes. Only runs are told; a dry-run makes nothing.

use serde::Serialize;
use tessera_types::Timestamp;

use crate::manifest::Manifest;

/// Who says so.
const PRODUCER: &str = "urn:tessera:lifecycle";
const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const STATISTICS_URL: &str = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet";

/// The namespace of whoever declares none.
const NAMESPACE_DEFAULT: &str = "default";

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineageEvent {
    /// It has started.
    Start,
    /// It did its work, and wrote so many rows if it told.
    Complete {
        /// How many rows it wrote.
        rows: Option<u64>,
    },
    /// It failed.
    Fail,
}

/// The job that a service of a tenant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageJob {
    namespace: String,
    name: String,
    inputs: Vec<String>,
    output: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunEvent<'a> {
    event_type: &'static str,
    #[serde(serialize_with = "super::serialize_in_ms")]
    event_time: Timestamp,
    run: Run<'a>,
    job: Named<'a>,
    inputs: Vec<Named<'a>>,
    outputs: [Output<'a>; 1],
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    run_id: &'a str,
}

#[derive(Serialize)]
struct Named<'a> {
    namespace: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    #[serde(flatten)]
    dataset: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_facets: Option<Facets>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facets {
    output_statistics: Statistics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    #[serde(rename = "_producer")]
    producer: &'static str,
    #[serde(rename = "_schemaURL")]
    schema_url: &'static str,
    row_count: u64,
}

impl LineageJob {
    /// The job that a service of `manifest` is. `organisation` is the namespace of a tenant that
    /// declares none.
    pub fn new(manifest: &Manifest, service: Option<&str>, organisation: Option<&str>) -> Self {
        let namespace = manifest.namespace.as_deref().or(organisation).unwrap_or(NAMESPACE_DEFAULT);
        let name = match service {
            Some(suffix) => format!("{}.{suffix}", manifest.name),
            None => manifest.name.to_string(),
        };
        Self {
            namespace: namespace.to_owned(),
            name,
            inputs: manifest.sources.clone(),
            output: manifest.schema.clone(),
        }
    }

    /// The line of `openlineage.jsonl` that says what happened to the run `run_id`.
    pub fn line(&self, event: LineageEvent, run_id: &str, at: Timestamp) -> String {
        let (event_type, rows) = match event {
            LineageEvent::Start => ("START", None),
            LineageEvent::Complete { rows } => ("COMPLETE", rows),
            LineageEvent::Fail => ("FAIL", None),
        };
        let output_facets = rows.map(|row_count| Facets {
            output_statistics: Statistics {
                producer: PRODUCER,
                schema_url: STATISTICS_URL,
                row_count,
            },
        });
        super::line_of(&RunEvent {
            event_type,
            event_time: at,
            run: Run { run_id },
            job: self.named(&self.name),
            inputs: self.inputs.iter().map(|input| self.named(input)).collect(),
            outputs: [Output { dataset: self.named(&self.output), output_facets }],
            producer: PRODUCER,
            schema_url: SCHEMA_URL,
        })
    }

    fn named<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { namespace: &self.namespace, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(telemetry: &str, organisation: Option<&str>) -> LineageJob {
        let text = format!(
            "name = 'circ-trans'\nversion = '1'\nschema = 'items'\nsources = ['sierra']\nfreshness = '1d'\n{telemetry}"
        );
        LineageJob::new(&Manifest::parse("m", &text).unwrap(), Some("reconcile"), organisation)
    }

    #[test]
    fn the_namespace_is_the_tenants_then_the_organisations() {
        assert_eq!(job("telemetry.namespace = 'a'", Some("b")).namespace, "a");
        assert_eq!(job("", Some("b")).namespace, "b");
        assert_eq!(job("", None).namespace, "default");
    }

    #[test]
    fn rows_are_told_of_what_is_complete() {
        let line = |event| -> serde_json::Value {
            serde_json::from_str(&job("", None).line(event, "r", Timestamp::EPOCH)).unwrap()
        };
        let done = line(LineageEvent::Complete { rows: Some(3) });
        assert_eq!(done["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 3);
        assert_eq!(done["job"]["name"], "circ-trans.reconcile");
        assert_eq!(done["eventTime"], "1970-01-01T00:00:00.000Z");
        assert!(line(LineageEvent::Fail)["outputs"][0].get("outputFacets").is_none());
    }
}
