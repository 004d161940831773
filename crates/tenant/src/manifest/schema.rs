//! The JSON schema of the manifest, for editors.
//!
//! It says less than [`super::check`]: an editor helps to write what the check then judges.

use schemars::r#gen::SchemaSettings;
use serde_json::Value;

use super::Manifest;

/// The JSON schema (draft 7) of the manifest.
#[must_use]
pub fn json_schema() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Manifest>();
    let mut schema = serde_json::to_value(schema).expect("a schema is JSON");
    schema["title"] = super::FILE_NAME.into();
    schema
}
