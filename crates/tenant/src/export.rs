//! The data contract of a tenant in the Open Data Contract Standard, version 3.0.2
//! (<https://bitol.io>), for catalogues and other readers of contracts.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Map, Value, json};
use tessera_types::Duration;

use crate::calendar::Calendar;
use crate::manifest::{Column, LogicalType, Manifest};

/// The version of the standard.
const API_VERSION: &str = "v3.0.2";

/// The data contract, as a document of the standard. `org` is that of the instance; the times
/// between runs are counted from `now`.
#[must_use]
pub fn odcs(manifest: &Manifest, org: &str, zones: &TimeZoneDatabase, now: Timestamp) -> Value {
    let mut contract = json!({
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": format!("{org}/{}", manifest.name),
        "name": manifest.name,
        "version": manifest.version,
        "status": "active",
        "tenant": org,
        "schema": [dataset(manifest)],
        "slaProperties": promises(manifest, zones, now),
        "team": [{"username": manifest.owner, "role": "owner"}],
        "customProperties": [
            {"property": "tenantKind", "value": manifest.kind},
            {"property": "tier", "value": manifest.tier()},
            {"property": "sources", "value": manifest.sources},
            {"property": "schedule", "value": manifest.schedule},
        ],
    });
    if let Some(description) = &manifest.description {
        contract["description"] = json!({"purpose": description});
    }
    contract
}

fn dataset(manifest: &Manifest) -> Value {
    let columns = manifest.schema.columns();
    let mut dataset = json!({"name": manifest.schema.name(), "logicalType": "object"});
    if !columns.is_empty() {
        dataset["properties"] = columns.iter().map(property).collect();
    }
    dataset
}

fn property(column: &Column) -> Value {
    let mut property = Map::new();
    property.insert("name".to_owned(), json!(column.name));
    let (logical_type, format) = logical_type(column.logical_type);
    property.insert("logicalType".to_owned(), json!(logical_type));
    if let Some(format) = format {
        property.insert("logicalTypeOptions".to_owned(), json!({"format": format}));
    }
    property.insert("required".to_owned(), json!(column.required));
    property.insert("unique".to_owned(), json!(column.unique));
    if let Some(description) = &column.description {
        property.insert("description".to_owned(), json!(description));
    }
    Value::Object(property)
}

/// A logical type with its format. Points in time and times of day are types of their own only
/// since version 3.1 of the standard; before, they are dates of a format.
fn logical_type(own: LogicalType) -> (LogicalType, Option<&'static str>) {
    match own {
        LogicalType::Timestamp => (LogicalType::Date, Some("yyyy-MM-dd'T'HH:mm:ssXXX")),
        LogicalType::Time => (LogicalType::Date, Some("HH:mm:ss")),
        own => (own, None),
    }
}

/// What the owner answers for: how old the data may be, and how often it is made.
fn promises(manifest: &Manifest, zones: &TimeZoneDatabase, now: Timestamp) -> Vec<Value> {
    let element = manifest.schema.name();
    let promise = |property: &str, time: Duration| {
        let (value, unit) = in_units(time);
        json!({"property": property, "value": value, "unit": unit, "element": element})
    };
    let calendar = Calendar::parse(&manifest.schedule, zones).ok();
    let frequency = calendar.and_then(|calendar| calendar.longest_interval(now));
    let latency = promise("latency", manifest.freshness);
    std::iter::once(latency).chain(frequency.map(|time| promise("frequency", time))).collect()
}

/// A duration in the largest of the standard's units in which it is a whole number.
fn in_units(time: Duration) -> (u64, &'static str) {
    let seconds = time.as_millis().div_ceil(1000);
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let whole = units.iter().find(|(size, _)| seconds.is_multiple_of(*size));
    whole.map_or((seconds, "s"), |(size, unit)| (seconds / size, *unit))
}
