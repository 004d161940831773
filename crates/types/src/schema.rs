//! JSON schemas of the types that are written as text.

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::{InstanceType, Metadata, Schema, SchemaObject, StringValidation};

/// What the schema of a text type says of it.
struct Text {
    format: Option<&'static str>,
    pattern: Option<&'static str>,
    description: &'static str,
}

fn schema_of(text: &Text) -> Schema {
    SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        format: text.format.map(str::to_owned),
        string: text.pattern.map(|pattern| {
            Box::new(StringValidation { pattern: Some(pattern.to_owned()), ..Default::default() })
        }),
        metadata: Some(Box::new(Metadata {
            description: Some(text.description.to_owned()),
            ..Default::default()
        })),
        ..Default::default()
    }
    .into()
}

macro_rules! text_schema {
    ($type:ty, $name:literal, $format:expr, $pattern:expr, $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> String {
                $name.to_owned()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schema_of(&Text { format: $format, pattern: $pattern, description: $description })
            }
        }
    };
}

text_schema!(
    crate::Name,
    "Name",
    None,
    Some("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
    "A DNS label: lower-case letters, digits and `-`, at most 63."
);
text_schema!(
    crate::Uid,
    "Uid",
    None,
    Some("^[0-9a-f]{16}$"),
    "The identity of one resource, never reused."
);
text_schema!(
    crate::tenant::TenantHash,
    "TenantHash",
    None,
    Some("^[0-9a-f]{64}$"),
    "The SHA-256 of what is installed of a tenant."
);
text_schema!(
    crate::tenant::RunRequestId,
    "RunRequestId",
    None,
    Some("^[-_A-Za-z0-9]{1,64}$"),
    "What names a run that somebody asks for."
);
text_schema!(
    crate::engine::JobId,
    "JobId",
    None,
    Some("^[0-9a-f]{32}$"),
    "The identity of a job, which no other job of any engine has."
);
text_schema!(
    crate::engine::ScenarioName,
    "ScenarioName",
    None,
    Some("^[a-z0-9][a-z0-9_.-]{0,62}@[a-z0-9][a-z0-9_.-]{0,62}$"),
    "A scenario's name and version, such as `http_probe@v1`."
);
text_schema!(crate::Timestamp, "Timestamp", Some("date-time"), None, "RFC 3339, UTC.");
text_schema!(
    crate::Duration,
    "Duration",
    None,
    None,
    "A duration such as `90s`, `15m`, `1h30m` or `PT15M`."
);
text_schema!(
    crate::workload::Signal,
    "Signal",
    None,
    None,
    "A signal by name, such as `TERM` or `SIGTERM`."
);
text_schema!(
    crate::catalogue::Version,
    "Version",
    None,
    None,
    "A semantic version, such as `1.2.0`."
);
text_schema!(
    crate::catalogue::VersionRange,
    "VersionRange",
    None,
    None,
    "A range of versions, such as `1.2` (that or a compatible later one) or `>=1, <3`."
);
